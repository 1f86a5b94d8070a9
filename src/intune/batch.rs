//! What a tenant's revoker keeps in the store, and goes by.

use chrono::{DateTime, TimeDelta, Utc};
use intune_cloud::{Failure, Outcome as Result_, Wanted};
use serde::{Deserialize, Serialize};

/// When to hold a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// Percent of the live certificates,
    pub percent: u32,
    /// and at least so many, may be revoked in 24 hours.
    pub least: u64,
}

/// What a revoker does for its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether Intune is asked for revocations.
    pub fetches: bool,
    /// When to hold a batch.
    pub brake: Brake,
    /// Whether and how devices are swept.
    pub sweep: Option<Sweep>,
}

/// What a tenant's revoker keeps in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// When Intune was last asked for revocations.
    pub asked: Option<DateTime<Utc>>,
    /// What came then and is not reported yet.
    pub items: Vec<Item>,
    /// Since when the batch is held.
    pub held: Option<DateTime<Utc>>,
    /// How many were revoked when, of the last day.
    pub done: Vec<(DateTime<Utc>, u64)>,
    /// What the last sweep of devices found.
    pub swept: Swept,
    /// What a sweep put on hold.
    pub on_hold: Vec<OnHold>,
    /// Serials (hex) that a sweep found and an admin refused to revoke.
    pub spared: Vec<String>,
}

/// One certificate that Intune wants revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Goes back with the result; empty where the sweep of devices found it, of which nobody is told.
    pub context: String,
    /// The serial as Intune wrote it, or in hex.
    pub serial: String,
    /// Whether it is to be put on hold.
    #[serde(default)]
    pub hold: bool,
    /// Why, where Intune did not ask for it.
    #[serde(default)]
    pub why: Option<String>,
    /// What became of it; `None` = nothing yet.
    #[serde(default)]
    pub result: Option<Done>,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It is revoked.
    Revoked,
    /// No profile of the tenant knows it.
    NotFound,
    /// An admin refused, or the issuer.
    Refused,
}

/// A certificate of a batch that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its serial in lower-case hex.
    pub serial: String,
    /// Its common name.
    pub common_name: String,
    /// Its device, where that is known.
    pub device: Option<String>,
}

/// What an admin decides about a batch that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They are revoked.
    Release,
    /// They are not, and Intune is told so.
    Refuse,
}

/// Why nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// No batch of the tenant is held.
    #[error("no revocations of this tenant are held")]
    NothingHeld,
    /// The store failed.
    #[error("{0}")]
    Failed(String),
}

/// How a tenant's devices are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Whether certificates are revoked, or only counted.
    pub enforces: bool,
    /// How often.
    pub every: TimeDelta,
}

/// What the last sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Swept {
    /// When it was begun.
    pub at: Option<DateTime<Utc>>,
    /// Devices in Intune,
    pub managed: usize,
    /// and in Entra ID.
    pub registered: usize,
    /// Valid certificates that were looked at.
    pub looked_at: usize,
    /// Those whose device or user is gone,
    pub gone: usize,
    /// or disabled.
    pub disabled: usize,
    /// Those that are good again, of the ones that were on hold.
    pub released: usize,
}

/// A certificate that the sweep put on hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnHold {
    /// Its CA, hex.
    pub ca: String,
    /// Its serial, hex.
    pub serial: String,
}

impl From<Wanted> for Item {
    fn from(wanted: Wanted) -> Self {
        Self {
            context: wanted.context,
            serial: wanted.serial,
            hold: false,
            why: None,
            result: None,
        }
    }
}

impl State {
    /// Whether the batch is one that the sweep of devices found.
    #[must_use]
    pub fn is_of_sweep(&self) -> bool {
        self.items
            .first()
            .is_some_and(|item| item.context.is_empty())
    }
}

impl Item {
    /// One that the sweep of devices found.
    pub(super) fn of_sweep(serial: String, hold: bool, why: String) -> Self {
        Self {
            context: String::new(),
            serial,
            hold,
            why: Some(why),
            result: None,
        }
    }

    pub(super) fn outcome(&self) -> Result_ {
        Result_ {
            context: self.context.clone(),
            result: match self.result {
                Some(Done::Revoked) => Ok(()),
                Some(Done::NotFound) => Err(Failure::NotFound),
                Some(Done::Refused) => Err(Failure::Refused),
                None => Err(Failure::Later),
            },
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self.result {
            Some(Done::Revoked) => "revoked",
            Some(Done::NotFound) => "not found",
            Some(Done::Refused) => "refused",
            None => "left",
        }
    }
}
