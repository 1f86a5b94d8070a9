//! Full checks of a sample of replies, after the clock has stopped.

use std::collections::HashSet;

use chrono::Utc;
use scep::client::{CaCertificates, Reply};

use super::{Failures, Sample};

/// What the checks found.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) passed: u64,
    pub(super) failures: Failures,
}

/// Checks each reply as a device would, and that no serial number is there twice.
pub(super) fn run(ca: &CaCertificates, samples: &[Sample]) -> Checks {
    let signers = ca.reply_signers();
    let mut serials = HashSet::new();
    let mut checks = Checks::default();
    for Sample { request, body } in samples {
        let leaf = match request.open_reply(body, &signers) {
            Ok(Reply::Certificate { leaf, .. }) => leaf,
            Ok(_) => {
                checks.failures.add("no certificate");
                continue;
            }
            Err(error) => {
                checks.failures.add(error.to_string());
                continue;
            }
        };
        if let Err(error) = ca.chain(&leaf, Utc::now()) {
            checks.failures.add(error.to_string());
        } else if !serials.insert(leaf.serial().to_hex()) {
            checks.failures.add("a serial number twice");
        } else {
            checks.passed += 1;
        }
    }
    checks
}
