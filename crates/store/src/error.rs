use std::path::PathBuf;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the store open.
    #[error(
        "the store in {path} is in use by another process (a running scepd?): stop it first, \
         or ask it through the admin API"
    )]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// There is no store in the directory, and none was to be made.
    #[error("there is no store in {path}: check data_dir in the configuration")]
    Missing {
        /// The directory that was looked at.
        path: PathBuf,
    },
    /// There is no store in the directory, but what a restore that was broken off has left beside it.
    #[error(
        "there is no store in {path}, and a restore into it was broken off: {part} holds a part of the backup. \
         Remove {part} and run `scepd store restore` again"
    )]
    HalfRestored {
        /// The store's directory.
        path: PathBuf,
        /// What the restore has left.
        part: PathBuf,
    },
    /// The directory holds files of a store, but not its data.
    #[error(
        "the store in {path} has lost its data: the file db is gone, and {left} is still there. Restore a backup: \
         move {path} away, then run `scepd store restore`"
    )]
    Gone {
        /// The store's directory.
        path: PathBuf,
        /// A file or directory in it.
        left: PathBuf,
    },
    /// A file of the store, or its directory, cannot be opened by this user.
    #[error(
        "{path} cannot be opened: {source}: does the store belong to another user than the one that scepd runs as?"
    )]
    Forbidden {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The store was written by a newer scepd.
    #[error(
        "the store in {path} has schema version {found}, and this scepd knows versions up to \
         {known}: run the newer scepd, or restore a backup made before the upgrade"
    )]
    SchemaTooNew {
        /// The store's directory.
        path: PathBuf,
        /// The version in the store.
        found: u32,
        /// The newest version that this build knows.
        known: u32,
    },
    /// The store was written by an older scepd, and is not to be migrated here.
    #[error(
        "the store in {path} has schema version {found}, and this scepd works with version \
         {known}: `scepd serve` migrates it when it starts, after it has put a backup beside it"
    )]
    SchemaTooOld {
        /// The store's directory.
        path: PathBuf,
        /// The version in the store.
        found: u32,
        /// The version that this build works with.
        known: u32,
    },
    /// The directory holds sled data, but not scepd's.
    #[error("{path} holds a database that is not a scepd store: choose another data_dir")]
    Foreign {
        /// The directory that was looked at.
        path: PathBuf,
    },
    /// A stored record or the store's files cannot be read as what they should be.
    #[error(
        "the store is damaged: {what}: run `scepd store verify`, and restore a backup if it \
         reports faults"
    )]
    Corrupt {
        /// Which record or file, and what is wrong with it.
        what: String,
    },
    /// The store's files are damaged so that nothing in them can be read.
    #[error("the store in {path} is damaged and cannot be opened: {what}: restore a backup")]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What the storage engine says.
        what: String,
    },
    /// The store ends before the end that its witness has noted.
    #[error(
        "the store has lost its newest records: audit events {from} to {to} were there and are gone, \
         with the certificates and revocations of that time. Its files were damaged or altered: \
         restore a backup; or, to go on with what is left, remove {witness}"
    )]
    Lost {
        /// The first missing event.
        from: u64,
        /// The last one that was noted.
        to: u64,
        /// The file that says so.
        witness: PathBuf,
    },
    /// A backup was to be restored over a store.
    #[error("there is a store in {path} already: restore into an empty directory")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not a whole backup.
    #[error("this is not a whole backup of a store: {why}: use another copy")]
    Backup {
        /// How it shows.
        why: &'static str,
    },
    /// Reading or writing the disk failed.
    #[error("the store cannot {doing}: {source}: check the disk and its free space")]
    Io {
        /// What was being done, as a verb phrase.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The storage engine failed in a way of its own.
    #[error("the storage engine cannot {doing}: {message}")]
    Engine {
        /// What was being done, as a verb phrase.
        doing: &'static str,
        /// What the engine said.
        message: String,
    },
    /// An earlier write failed, so what is in memory and on disk may differ. Only a new process helps.
    #[error(
        "the store stopped taking changes after an earlier failed write: see to the disk, then restart scepd"
    )]
    Stopped,
}
