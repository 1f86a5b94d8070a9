//! What the processes of servers, and of commands that open the store, have in common.

use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};
use tokio::runtime::Runtime;

/// Keeps keys and secrets out of core dumps, and the memory from other processes of the same user.
/// Under systemd the unit has set the limit already, and forbids setting it again.
pub(super) fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = setrlimit(Resource::Core, none);
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // Either of the two is enough to have no core.
    if let (Err(error), Err(_)) = (limited, hidden) {
        eprintln!("scepd: core dumps cannot be switched off, and would hold keys: {error}");
    }
}

/// Keeps what is written from now on to this user, also where somebody made the directory with a wider mode: the store
/// holds waiting requests with the challenge passwords in them.
pub(super) fn keep_files_private() {
    umask(Mode::from_raw_mode(0o077));
}

/// Ends the runtime of a server that has ended. A reload that hangs in a file system is not waited for.
pub(super) fn end(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(1));
}
