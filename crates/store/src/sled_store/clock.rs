//! How much time has passed, kept with what is forgotten by it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::chain::{self, Head};
use super::engine::Engine;
use super::keys::Kind;
use super::wire;
use crate::time::{Ahead, Noted, Passing};
use crate::{ClockReading, Conflict, Result, StoreTime};

/// Less than this is not worth a record: a process that ends abruptly loses as much, which does no
/// harm.
const WORTH_NOTING: TimeDelta = TimeDelta::seconds(1);

/// The clock of an open store.
pub(super) struct Clock(Mutex<Passing>);

/// The record.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Microseconds since 1970.
    passed: i64,
    ahead: Option<AheadRecord>,
}

#[derive(Serialize, Deserialize)]
struct AheadRecord {
    watched_seconds: u64,
    least_micros: i64,
}

impl Clock {
    /// Goes on from what the store has noted.
    pub(super) fn new(noted: Option<Noted>) -> Self {
        Self(Mutex::new(Passing::after(noted)))
    }

    pub(super) fn look(&self, reading: ClockReading) -> StoreTime {
        self.passing().look(reading)
    }

    pub(super) fn noted(&self) -> Option<Noted> {
        self.passing().noted()
    }

    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the record is.
pub(super) fn key() -> Vec<u8> {
    Kind::Meta.name("time")
}

/// Whether `new` is worth a record where `old` was noted last.
pub(super) fn is_news(old: Option<&Noted>, new: &Noted) -> bool {
    old.is_none_or(|old| {
        old.ahead.is_some() != new.ahead.is_some()
            || new.passed.signed_duration_since(old.passed).abs() >= WORTH_NOTING
    })
}

pub(super) fn encode(noted: &Noted) -> std::result::Result<Vec<u8>, Conflict> {
    let ahead = noted.ahead.map(|ahead| AheadRecord {
        watched_seconds: ahead.watched.as_secs(),
        least_micros: ahead.least.num_microseconds().unwrap_or(i64::MAX),
    });
    let passed = wire::micros(noted.passed);
    wire::encode("the time that has passed", &Record { passed, ahead })
}

/// What was noted last, for a store whose chain ends with `head`.
pub(super) fn read(engine: &Engine, head: &Head) -> Result<Option<Noted>> {
    match engine.get(&key())? {
        Some(octets) => {
            let record: Record = wire::decode("the time that has passed", &octets)?;
            let ahead = record.ahead.map(|ahead| Ahead {
                watched: Duration::from_secs(ahead.watched_seconds),
                least: TimeDelta::microseconds(ahead.least_micros),
            });
            let passed = wire::time("the time that has passed", record.passed)?;
            Ok(Some(Noted { passed, ahead }))
        }
        None if head.id == 0 => Ok(None),
        // A store of a version that noted no time: that of its newest event has passed.
        None => Ok(Some(Noted {
            passed: newest_event(engine, head)?.unwrap_or(DateTime::UNIX_EPOCH),
            ahead: None,
        })),
    }
}

fn newest_event(engine: &Engine, head: &Head) -> Result<Option<DateTime<chrono::Utc>>> {
    let Some(record) = engine.get(&Kind::Audit.id(head.id))? else {
        return Ok(None);
    };
    // One that cannot be read is for the chain's check.
    let event = chain::split(&record).and_then(|(_, octets)| wire::event_view(octets));
    Ok(event
        .ok()
        .and_then(|event| DateTime::from_timestamp_micros(event.timestamp)))
}
