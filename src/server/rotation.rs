//! Trust files in a reload that is refused: each is rotated all the same. One profile's bad file, or
//! a mistake in the configuration, must not keep another profile from trusting its new connector.

use super::{Server, ServerError};
use crate::checks::{self, Problem, TrustFiles};
use crate::running::{Caller, words};
use actors::{Current, ReloadTrust};
use store::Outcome;

/// The two kinds of trust files, as messages call them.
const ANCHORS: &str = "trust anchors";
const CLIENT_CAS: &str = "mTLS client CAs";

impl Server {
    /// Reads the trust files that the configuration in force names again, and exchanges those that
    /// are good and new, each by itself. Says what was exchanged: the profile and the kind of file.
    ///
    /// Only while the lock of the configuration in force is held.
    pub(super) async fn rotate_trust(&self, refused: &ServerError, by: &str) -> Vec<String> {
        let (config, now) = (self.config(), self.clock.now());
        let read = {
            let config = config.clone();
            move || checks::reload_trust_files(&config.profiles, now)
        };
        let Ok(files) = tokio::task::spawn_blocking(read).await else {
            return Vec::new();
        };
        let said = refused.to_string();
        let mut exchanged = Vec::new();
        for (profile, files) in config.profiles.iter().zip(files) {
            let path_id = &profile.path_id;
            let Some(current) = self.runtime().directory.find(path_id) else {
                continue;
            };
            let caller = Caller {
                name: by.to_owned(),
                kind: "System".to_owned(),
                request_id: String::new(),
            };
            for problems in bad(&files) {
                let problems = words(problems);
                // What the refused reload has said already is not said twice.
                if !said.contains(&problems) {
                    tracing::error!(
                        profile = path_id,
                        error = problems,
                        "a trust file was not reloaded"
                    );
                    self.trust()
                        .audit_exchange(path_id, &caller, (Outcome::Failure, problems), now)
                        .await;
                }
            }
            let Some((reload, kinds)) = news(path_id, files, &current) else {
                continue;
            };
            // The profile is there, with both as the configuration says: that is what was looked at.
            if !matches!(self.runtime().supervisor.send(reload).await, Ok(Ok(()))) {
                continue;
            }
            tracing::info!(
                profile = path_id,
                "{kinds} reloaded, although the rest of the reload was refused"
            );
            let message = format!("{kinds} reloaded; the rest of the reload was refused");
            self.trust()
                .audit_exchange(path_id, &caller, (Outcome::Success, message), now)
                .await;
            let path_id = if path_id.is_empty() {
                "(root)"
            } else {
                path_id
            };
            exchanged.push(format!("{kinds} of {path_id}"));
        }
        exchanged
    }
}

/// What is wrong, file by file.
fn bad(files: &TrustFiles) -> impl Iterator<Item = &[Problem]> {
    let anchors = files.anchors.as_ref().and_then(|read| read.as_ref().err());
    let client_cas = files
        .client_cas
        .as_ref()
        .and_then(|read| read.as_ref().err());
    anchors.into_iter().chain(client_cas).map(Vec::as_slice)
}

/// What is good and other than what is in use; and what to call it.
fn news(path_id: &str, files: TrustFiles, current: &Current) -> Option<(ReloadTrust, String)> {
    let anchors = files.anchors.and_then(Result::ok).filter(|new| {
        let intune = current.spec.intune.as_ref();
        intune.is_some_and(|intune| intune.signed.anchors != *new)
    });
    let client_cas = files.client_cas.and_then(Result::ok).filter(|new| {
        let in_use = current.spec.mtls.as_ref();
        in_use.is_some_and(|in_use| in_use != new)
    });
    let kinds = match (&anchors, &client_cas) {
        (Some(_), Some(_)) => format!("{ANCHORS} and {CLIENT_CAS}"),
        (Some(_), None) => ANCHORS.to_owned(),
        (None, Some(_)) => CLIENT_CAS.to_owned(),
        (None, None) => return None,
    };
    let reload = ReloadTrust {
        path_id: path_id.to_owned(),
        anchors,
        client_cas,
    };
    Some((reload, kinds))
}
