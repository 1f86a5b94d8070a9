//! Where things are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The checkout and the directories that commands write to.
pub(crate) struct Repo {
    root: PathBuf,
    target: PathBuf,
    profile: &'static str,
}

impl Repo {
    /// The checkout this binary was built from.
    pub(crate) fn locate() -> Result<Repo, String> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .ok_or("the xtask crate has no parent directory")?
            .to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Repo {
            root,
            target,
            profile: "release",
        })
    }

    /// The same, for checks: they run the binary that the tests are built with, so that nothing is compiled twice.
    pub(crate) fn for_checks(self) -> Repo {
        Repo {
            profile: "debug",
            ..self
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The binary to run: the one that `SCEPD_BIN` names, else the release binary that `build` makes, or for checks the
    /// debug binary.
    pub(crate) fn binary(&self) -> PathBuf {
        brought().unwrap_or_else(|| self.target.join(self.profile).join("scepd"))
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A directory of this tool's own below the target directory; made when absent.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.target.join("xtask").join(name);
        std::fs::create_dir_all(&dir)
            .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        Ok(dir)
    }

    /// A path for the reader: relative to the checkout where it lies inside.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// A binary to check instead of building one: `SCEPD_BIN`.
pub(crate) fn brought() -> Option<PathBuf> {
    env::var_os("SCEPD_BIN").map(PathBuf::from)
}

/// The cargo that started this tool.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The first program of that name on PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}
