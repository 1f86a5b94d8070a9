//! The files of automatic RAs: written when a start or reload is accepted, removed when their
//! overlap has really passed. Checks read them and change nothing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use scep::Ra;

/// An RA that was made in memory and is not on disk yet.
#[derive(Clone)]
pub struct NewRa {
    pub(super) file: PathBuf,
    pub(super) ra: Ra,
}

/// The file of an RA whose overlap is over by some clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverRa {
    pub(super) file: PathBuf,
    pub(super) until: DateTime<Utc>,
}

/// An RA could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the RA certificate {} cannot be kept: {source}; see to the disk, and that scepd's user may write there", .file.display()
)]
pub struct RaNotKept {
    file: PathBuf,
    source: io::Error,
}

/// New RA files. Dropped before [`keep`](Self::keep), they are removed again: no device has seen
/// them.
#[must_use = "dropped, the files are removed again"]
#[derive(Debug, Default)]
pub struct WrittenRas(Vec<PathBuf>);

impl WrittenRas {
    /// Writes all of them, or none.
    ///
    /// # Errors
    /// [`RaNotKept`], of the first that cannot be written.
    pub fn write(new: &[NewRa]) -> Result<Self, RaNotKept> {
        let mut written = Self::default();
        for NewRa { file, ra } in new {
            write(file, ra).map_err(|source| RaNotKept {
                file: file.clone(),
                source,
            })?;
            written.0.push(file.clone());
        }
        Ok(written)
    }

    /// From now on devices may know them.
    pub fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for WrittenRas {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = std::fs::remove_file(file) {
                tracing::warn!(path = %file.display(), %error, "a new RA certificate that is not used cannot be removed");
            }
        }
    }
}

/// Removes the files of RAs whose overlap was over at `passed`, a time that must not be ahead of
/// the time that really passed: what is removed here opens nothing ever after.
pub fn remove_over(over: &[OverRa], passed: DateTime<Utc>) {
    for OverRa { file, .. } in over.iter().filter(|over| over.until <= passed) {
        match std::fs::remove_file(file) {
            Ok(()) => {
                tracing::info!(path = %file.display(), "an RA certificate past its overlap was removed");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %file.display(), %error, "an RA certificate past its overlap cannot be removed");
            }
        }
    }
}

/// Writes beside the place and renames, so that a crash leaves a whole file or none. What a device
/// encrypts to stands first, then what signs, each key before its certificate.
fn write(file: &Path, ra: &Ra) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let unfinished = file.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = fill(&unfinished, ra).and_then(|()| std::fs::rename(&unfinished, file));
    if let Err(error) = written {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

fn fill(file: &Path, ra: &Ra) -> io::Result<()> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let signs = ra.is_split().then_some(&ra.signs);
    for pair in std::iter::once(&ra.opens).chain(signs) {
        let key = pair.key.to_pkcs8_pem().map_err(io::Error::other)?;
        out.write_all(key.as_bytes())?;
        out.write_all(pair.certificate.to_pem().as_bytes())?;
    }
    out.sync_all()
}
