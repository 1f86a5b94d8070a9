//! Hostile challenges, each with the label that it must get.

mod claims;
mod envelope;

use crate::support::try_verify;
use challenge::Label;

struct Case {
    name: String,
    challenge: String,
    expected: Label,
}

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, expected: Label, name: impl Into<String>, challenge: String) {
        self.0.push(Case {
            name: name.into(),
            challenge,
            expected,
        });
    }
}

#[test]
fn every_hostile_challenge_gets_its_label() {
    let mut table = Table::default();
    envelope::algorithms(&mut table);
    envelope::keys_in_the_header(&mut table);
    envelope::signatures(&mut table);
    envelope::segments_and_encodings(&mut table);
    envelope::headers(&mut table);
    claims::payloads(&mut table);
    claims::twice_and_in_another_case(&mut table);
    claims::numbers(&mut table);
    claims::types(&mut table);
    claims::versions(&mut table);
    claims::times(&mut table);
    claims::audiences(&mut table);

    let mut wrong = Vec::new();
    for Case {
        name,
        challenge,
        expected,
    } in &table.0
    {
        match try_verify(challenge) {
            Ok(_) => wrong.push(format!("{name}: passed, expected {expected}")),
            Err(refused) if refused.label != *expected => {
                wrong.push(format!("{name}: {refused}, expected {expected}"));
            }
            Err(refused) => {
                assert!(!refused.reason.is_empty(), "{name}: no reason");
                assert!(
                    refused.reason.len() < 600,
                    "{name}: a reason of {} octets",
                    refused.reason.len()
                );
                assert!(
                    !refused.reason.contains(['\r', '\n', '\0']),
                    "{name}: {:?}",
                    refused.reason
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.0.len() >= 300, "only {} cases", table.0.len());
}
