//! What exact filters ask for, as a class of many records; and the classes of a block as its file has them.

use std::collections::HashMap;

use super::index::NO_CLASS;
use super::wire;
use crate::{CaId, Outcome};

/// What exact filters on events ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventClass {
    pub(super) action: String,
    pub(super) profile: Option<String>,
    pub(super) outcome: Option<Outcome>,
}

/// What exact filters on certificates ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CertificateClass {
    pub(super) issuer_id: String,
    pub(super) ca: CaId,
    pub(super) profile: String,
}

/// As files have it: action, profile, and the outcome's number.
pub(super) type DiskEventClass = (String, Option<String>, Option<u8>);

/// As files have it: the issuer's name, the CA, and the profile.
pub(super) type DiskCertificateClass = (String, [u8; 16], String);

impl EventClass {
    pub(super) fn disk(&self) -> DiskEventClass {
        let outcome = self.outcome.map(wire::outcome_number);
        (self.action.clone(), self.profile.clone(), outcome)
    }

    pub(super) fn of_disk((action, profile, outcome): DiskEventClass) -> Self {
        Self {
            action,
            profile,
            outcome: outcome.and_then(wire::outcome_of),
        }
    }
}

impl CertificateClass {
    pub(super) fn disk(&self) -> DiskCertificateClass {
        (
            self.issuer_id.clone(),
            *self.ca.as_bytes(),
            self.profile.clone(),
        )
    }

    pub(super) fn of_disk((issuer_id, ca, profile): DiskCertificateClass) -> Self {
        Self {
            issuer_id,
            ca: CaId::from_bytes(ca),
            profile,
        }
    }
}

/// Numbers the classes of a block from 0 on, and says what each number stands for.
pub(super) fn local<C>(classes: &mut [u32], value: impl Fn(u32) -> Option<C>) -> Vec<C> {
    let (mut numbers, mut values) = (HashMap::new(), Vec::new());
    for class in classes.iter_mut().filter(|class| **class != NO_CLASS) {
        let next = u32::try_from(values.len()).unwrap_or(NO_CLASS);
        let number = match numbers.get(class) {
            Some(number) => *number,
            None => match value(*class) {
                Some(value) => {
                    values.push(value);
                    numbers.insert(*class, next);
                    next
                }
                None => NO_CLASS,
            },
        };
        *class = number;
    }
    values
}

/// The classes of a block by the numbers that they have now; `None` for one that the file does not name.
pub(super) fn renumbered(classes: &[u32], global: &[u32]) -> Option<Vec<u32>> {
    let now = classes.iter().map(|&class| match class {
        NO_CLASS => Some(NO_CLASS),
        class => global.get(class as usize).copied(),
    });
    now.collect()
}
