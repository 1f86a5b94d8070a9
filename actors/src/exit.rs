//! How the supervisor learns that a profile's actor is gone: by a value that is dropped with it.

use actix::{Message, Recipient};

/// Dropped with its actor, whatever ended that.
pub(crate) struct ExitGuard {
    pub(crate) path_id: String,
    /// Which of the profile's actors, one after the other, it is.
    pub(crate) instance: u64,
    pub(crate) supervisor: Recipient<ActorStopped>,
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        self.supervisor.do_send(ActorStopped {
            path_id: std::mem::take(&mut self.path_id),
            instance: self.instance,
        });
    }
}

/// A profile actor is gone. Of a profile that is still served, that means a panic.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ActorStopped {
    pub(crate) path_id: String,
    pub(crate) instance: u64,
}
