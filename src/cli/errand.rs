//! A request on its way: sent, waited for where it needs a decision, and what comes of it kept.

use chrono::Utc;

use super::Failure;
use super::outcome::settle;
use super::server_args::failure;
use crate::client::{
    Device, Dialect, Folder, Outcome, Patience, Pending, Request, Server, ask, wait_for_decision,
};

/// What `enroll`, `renew` and `poll` have in common once they know what to ask.
pub(super) struct Errand {
    pub(super) server: Server,
    pub(super) dialect: Dialect,
    /// What is asked first.
    pub(super) request: Request,
    /// What is asked while a decision is waited for.
    pub(super) poll: Request,
    /// Who signs.
    pub(super) device: Device,
    /// What is to be known of the request should it have to wait.
    pub(super) pending: Pending,
    pub(super) folder: Folder,
    pub(super) patience: Patience,
    pub(super) json: bool,
}

impl Errand {
    /// Sends, waits and keeps.
    ///
    /// # Errors
    /// The server cannot be asked, refuses, or has not decided in time.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let id = &self.pending.transaction_id;
        let (server, device, dialect) = (&mut self.server, &self.device, self.dialect);
        let mut outcome = ask(server, &self.request, device, id, dialect, Utc::now())
            .await
            .map_err(failure)?;
        if let Outcome::Pending = outcome {
            // Kept before the waiting starts: it may be interrupted.
            let kept = self.folder.write_pending(&self.pending, device);
            kept.map_err(failure)?;
            outcome = wait_for_decision(server, &self.poll, device, id, dialect, self.patience)
                .await
                .map_err(failure)?;
        }
        settle(outcome, &self.folder, &self.pending, device, self.json)
    }
}
