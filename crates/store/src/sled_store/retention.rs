//! Letting certificates go that ended long ago.
//!
//! Of each its number stays, with what it was found by: numbers have no gaps, and the files of the indexes are told
//! from others by such a digest. Its enrollment stays as well, so that a request that comes again is known.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::SledStore;
use super::keys::Kind;
use super::prune::length;
use super::staged::StagedWrites;
use super::tables::{Digest, certificate_digest};
use super::wire::{self, CertificateFacts};
use crate::{AuditDetails, AuditEvent, Outcome, Result, StoreTime};

/// The action of the event.
const ACTION: &str = "certificate_prune";

/// keyCompromise (RFC 5280 section 5.3.1).
const KEY_COMPROMISE: u8 = 1;

/// A certificate that goes.
struct Going {
    number: u64,
    digest: Digest,
    /// Microseconds since 1970.
    end: i64,
}

impl SledStore {
    pub(super) fn prune_certificates(
        &self,
        retention: TimeDelta,
        limit: usize,
        time: StoreTime,
    ) -> Result<u64> {
        let _guard = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer()?;
        let retention = retention.max(TimeDelta::zero());
        let Some(before) = time.passed().checked_sub_signed(retention) else {
            return Ok(0);
        };
        let going = self.going_certificates(before, limit)?;
        let (Some(first), Some(last)) = (
            going.iter().map(|one| one.end).min(),
            going.iter().map(|one| one.end).max(),
        ) else {
            return Ok(0);
        };
        let count = going.len() as u64;
        let span = (
            wire::time("a certificate's end", first)?,
            wire::time("a certificate's end", last)?,
        );
        let mut all = StagedWrites::new(writer.next);
        {
            let state = self.state();
            let event = event(count, span, retention, time.wall());
            all.absorb(self.appended(&state, &writer, &all, event)?);
            for one in &going {
                for kind in [Kind::Certificate, Kind::Der, Kind::Revocation] {
                    all.writes.insert(kind.id(one.number), None);
                }
                let in_file = state.digest_when_gone(one.number, one.digest);
                let gone = [in_file, one.digest].concat();
                all.writes.insert(Kind::Gone.id(one.number), Some(gone));
            }
        }
        self.finish(&mut writer, all, |state| {
            for one in &going {
                state.let_certificate_go(one.number);
            }
        })?;
        Ok(count)
    }

    fn going_certificates(&self, before: DateTime<Utc>, limit: usize) -> Result<Vec<Going>> {
        let (numbers, next) = {
            let state = self.state();
            let ended = state.certificates.ended_before(wire::micros(before));
            (ended.collect::<Vec<u64>>(), state.certificates.next())
        };
        let mut going = Vec::new();
        for number in numbers {
            // The newest number tells which one comes next.
            if going.len() == limit || number + 1 == next {
                break;
            }
            let revocation = self.engine.get(&Kind::Revocation.id(number))?;
            if let Some(octets) = revocation
                && wire::decode_revocation(&octets)?.reason == KEY_COMPROMISE
            {
                continue;
            }
            let Some(octets) = self.engine.get(&Kind::Certificate.id(number))? else {
                continue;
            };
            let facts = CertificateFacts::decode(&octets)?;
            going.push(Going {
                number,
                digest: certificate_digest(&facts.ca(), facts.serial),
                end: facts.not_after,
            });
        }
        Ok(going)
    }
}

fn event(
    count: u64,
    (first, last): (DateTime<Utc>, DateTime<Utc>),
    retention: TimeDelta,
    now: DateTime<Utc>,
) -> AuditEvent {
    let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let (first, last, retention) = (shown(first), shown(last), length(retention));
    let message = format!(
        "{count} certificates that ended from {first} to {last} were let go: longer ago than certificates.retention ({retention})"
    );
    let extra = BTreeMap::from([
        ("certificates".to_owned(), count.to_string()),
        ("first_end".to_owned(), first),
        ("last_end".to_owned(), last),
        ("retention".to_owned(), retention),
    ]);
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: ACTION.to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            reason: Some("retention".to_owned()),
            message: Some(message),
            extra,
            ..AuditDetails::default()
        },
    }
}
