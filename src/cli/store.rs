//! `scepd store`: check everything that is kept; back it up and restore it while no server runs.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use store::{Records, SCHEMA_VERSION, SledOptions, SledStore};

use super::Failure;
use super::orders::VerifyArgs;
use super::sources::SourceArgs;
use crate::checks;
use crate::control::Order;

/// Look after the store
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read every record and the audit chain, and say what is wrong; exits 1 if something is
    Verify(#[command(flatten)] Box<VerifyArgs>),
    /// Write the whole store into one file; the server must be stopped
    Backup(#[command(flatten)] Box<BackupArgs>),
    /// Make the store from a backup, where there is none yet; the server must be stopped
    Restore(#[command(flatten)] Box<RestoreArgs>),
}

#[derive(Debug, Args)]
struct BackupArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// The backup to be made; there must be none of this name
    #[arg(value_name = "FILE", required_unless_present = "out")]
    file: Option<PathBuf>,
    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RestoreArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// The backup
    #[arg(value_name = "FILE", required_unless_present = "from")]
    file: Option<PathBuf>,
    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    from: Option<PathBuf>,
}

/// The file, however it was given.
fn one(file: Option<PathBuf>, flag: Option<PathBuf>) -> Result<PathBuf, Failure> {
    file.or(flag)
        .ok_or_else(|| Failure::usage("name the backup's file"))
}

fn place(sources: &SourceArgs) -> Result<PathBuf, Failure> {
    Ok(sources.load()?.config.store_path())
}

pub(super) fn run(args: StoreArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Verify(args) => args.run(&Order::VerifyStore, "the store"),
        Action::Backup(args) => {
            let file = one(args.file, args.out)?;
            println!("{}", backup(&place(&args.sources)?, &file)?);
            Ok(())
        }
        Action::Restore(args) => {
            let file = one(args.file, args.from)?;
            println!("{}", restore(&place(&args.sources)?, &file)?);
            Ok(())
        }
    }
}

/// What scepd's own user could not use any more must not be made.
fn own(dir: &Path) -> Result<(), Failure> {
    if let Some(what) = checks::other_owner(dir) {
        return Err(Failure::new(format!(
            "the store {}: {what}: run this command as its user",
            dir.display()
        )));
    }
    Ok(())
}

/// How commands open a store that nobody else has open.
fn options() -> SledOptions {
    SledOptions {
        create: false,
        lenient: true,
        migrate: false,
        ..SledOptions::default()
    }
}

/// The store's own messages name the directory and what to do.
fn failed(error: store::Error) -> Failure {
    Failure::new(error.to_string())
}

/// Writes beside the file first, so that a backup with its name is always a whole one.
fn backup(dir: &Path, file: &Path) -> Result<String, Failure> {
    let unmade = |error| Failure::while_doing(format!("{}", file.display()))(error);
    if file.exists() {
        return Err(Failure::new(format!(
            "{} exists already: name another file, so that an older backup is kept",
            file.display()
        )));
    }
    own(dir)?;
    let part = beside(file);
    let target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(unmade)?;
    let mut target = BufWriter::new(target);
    // Of what is there, with faults too, and whatever its version.
    let written = SledStore::backup_of(dir, &options(), &mut target)
        .map_err(failed)
        .and_then(|summary| {
            target.flush().map_err(unmade)?;
            target.get_ref().sync_all().map_err(unmade)?;
            fs::rename(&part, file).map_err(unmade)?;
            Ok(summary)
        });
    let summary = written.inspect_err(|_| drop(fs::remove_file(&part)))?;
    Ok(format!(
        "{} records of {} are in {}; it holds what the store holds: keep it as safe",
        summary.records,
        dir.display(),
        file.display()
    ))
}

fn restore(dir: &Path, file: &Path) -> Result<String, Failure> {
    let named = file.display().to_string();
    let mut input = File::open(file).map_err(Failure::while_doing(&named))?;
    let summary = SledStore::restore(dir, &mut input)
        .map_err(|error| Failure::new(format!("{named}: {error}")))?;
    if summary.schema_version < SCHEMA_VERSION {
        return Ok(format!(
            "{} records of schema version {} are in {}: `scepd serve` migrates them when it starts",
            summary.records,
            summary.schema_version,
            dir.display()
        ));
    }
    own(dir)?;
    let store = SledStore::open(dir, &options()).map_err(failed)?;
    let report = store.verify().map_err(failed)?;
    if !report.is_good() {
        return Err(Failure::new(format!(
            "{} was made as backed up, but has faults: see `scepd store verify`",
            dir.display()
        )));
    }
    Ok(format!(
        "{} records are in {}, checked and ready",
        summary.records,
        dir.display()
    ))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::os::unix::fs::PermissionsExt;

    use actors::{Clock, SystemClock};
    use store::{Accounts, Change, Ledger, Op};

    use super::*;

    fn filled(dir: &Path) {
        let store = SledStore::open(dir, &SledOptions::default()).unwrap();
        let changes: Vec<Change> = (0..20)
            .map(|n| {
                Change::new().with(Op::PutSetting {
                    key: format!("setting {n}"),
                    value: vec![n],
                })
            })
            .collect();
        let time = store.time(SystemClock.reading());
        store.commit(&changes, time).unwrap();
    }

    #[test]
    fn a_backup_is_private_whole_and_restores() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        filled(&path("store"));
        backup(&path("store"), &path("file")).unwrap();
        let mode = fs::metadata(path("file")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!path("file.part").exists());
        let error = backup(&path("store"), &path("file"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("exists already"), "{error}");
        let said = restore(&path("copy"), &path("file")).unwrap();
        assert!(said.contains("23 records"), "{said}");
        let copy = SledStore::open(path("copy"), &options()).unwrap();
        let running = backup(&path("copy"), &path("second"))
            .unwrap_err()
            .to_string();
        assert!(running.contains("in use by another process"), "{running}");
        assert_eq!(copy.setting("setting 7").unwrap(), Some(vec![7]));
        drop(copy);
        let error = restore(&path("copy"), &path("file"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("there is a store in"), "{error}");
        fs::write(path("other"), b"not a backup").unwrap();
        let error = restore(&path("third"), &path("other"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("not a whole backup"), "{error}");
    }
}
