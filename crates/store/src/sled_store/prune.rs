//! Letting old audit events go, and the events that say so.
//!
//! A chain that begins after some event looks the same whether the server let the earlier ones go
//! or somebody took them away. So each pruning appends an event that names the new beginning by
//! number and digest, and the check asks for that event.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::chain::{
    self, ACTION, Anchor, ChainStart, LAST_DIGEST, LAST_ID, UNRECORDED_TO, is_pruning,
};
use super::commit::Writer;
use super::engine::encoded;
use super::keys::{Kind, earlier_chain_key};
use super::stage::{Refusal, Stage};
use super::staged::StagedWrites;
use super::wire;
use super::{SledStore, State};
use crate::{AuditDetails, AuditEvent, Change, Error, Outcome, Result, SCHEMA_VERSION, StoreTime};

/// The events that go in one step.
struct Going {
    events: u64,
    first: (u64, DateTime<Utc>),
    last: (u64, DateTime<Utc>),
    digest: [u8; 32],
    /// Whether there are others among them than those that say that events went.
    others: bool,
}

impl SledStore {
    pub(super) fn prune_events(
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
        let now = time.wall();
        let limit = limit as u64;
        let Some(going) = self.going(&writer, before, limit)? else {
            return Ok(0);
        };
        if !going.others && going.events < limit {
            return Ok(0);
        }
        let (last, _) = going.last;
        let anchor = Anchor {
            id: last,
            digest: going.digest,
            pruned_at: wire::micros(now),
        };
        let mut all = StagedWrites::new(writer.next);
        let event = going.event(retention, writer.chain_start, now);
        all.absorb(self.appended(&self.state(), &writer, &all, event)?);
        let gone = (going.first.0..=last).map(|id| (Kind::Audit.id(id), None));
        all.writes.extend(gone);
        let octets = encoded(anchor.encode())?;
        all.writes.insert(Anchor::key(), Some(octets));
        all.writes.insert(earlier_chain_key(), None);
        self.finish(&mut writer, all, |state| {
            state.prune_events(last.saturating_add(1));
        })?;
        writer.chain_start = ChainStart::Told;
        Ok(going.events)
    }

    /// The oldest events, as far as they are from before `before` and follow one another.
    fn going(&self, writer: &Writer, before: DateTime<Utc>, limit: u64) -> Result<Option<Going>> {
        let before = wire::micros(before);
        let anchor = Anchor::read(&self.engine)?;
        let first = anchor.map_or(0, |anchor| anchor.id).saturating_add(1);
        let mut going: Option<Going> = None;
        self.engine.numbered(Kind::Audit, first, |id, record| {
            let (digest, octets) = chain::split(record)?;
            let event = wire::event_view(octets)?;
            let events = going.as_ref().map_or(0, |going| going.events);
            // What is missing or was added is left for the check to find.
            let in_order = id == first + events && id <= writer.next.head.id;
            if event.timestamp >= before || !in_order || events >= limit {
                return Ok(false);
            }
            let this = (id, wire::time("an audit event", event.timestamp)?);
            let going = going.get_or_insert(Going {
                events: 0,
                first: this,
                last: this,
                digest: *digest,
                others: false,
            });
            going.events += 1;
            going.last = this;
            going.digest = *digest;
            going.others |= !is_pruning(&event);
            Ok(true)
        })?;
        Ok(going)
    }

    /// Stages what makes the chain of a store that was migrated from version 1 one of this version:
    /// where events were let go without an event, one that says so, so that from then on there is
    /// always one.
    pub(super) fn stage_upgrade(
        &self,
        state: &State,
        writer: &Writer,
        all: &mut StagedWrites,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if writer.chain_schema >= SCHEMA_VERSION {
            return Ok(());
        }
        all.writes.insert(earlier_chain_key(), None);
        if let (Some(anchor), ChainStart::Old) = (Anchor::read(&self.engine)?, writer.chain_start) {
            let event = earlier(&anchor, now)?;
            all.absorb(self.appended(state, writer, all, event)?);
        }
        Ok(())
    }

    pub(super) fn appended(
        &self,
        state: &State,
        writer: &Writer,
        earlier: &StagedWrites,
        event: AuditEvent,
    ) -> Result<StagedWrites> {
        let now = wire::micros(event.timestamp);
        let change = Change::new().with(event);
        match Stage::change(&self.engine, state, &writer.pages, earlier, &change, now) {
            Ok((staged, _)) => Ok(staged),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Conflict(conflict)) => Err(Error::Engine {
                doing: "note that audit events go",
                message: conflict.to_string(),
            }),
        }
    }
}

impl Going {
    fn event(
        &self,
        retention: TimeDelta,
        chain_start: ChainStart,
        now: DateTime<Utc>,
    ) -> AuditEvent {
        let ((first, since), (last, until)) = (self.first, self.last);
        let (since, until, retention) = (shown(since), shown(until), length(retention));
        let mut message = if first == last {
            format!(
                "audit event {first} of {since} was let go: it was older than audit.retention ({retention})"
            )
        } else {
            format!(
                "{} audit events, {first} of {since} to {last} of {until}, were let go: they were older than audit.retention ({retention})",
                self.events
            )
        };
        let mut details = vec![
            ("events", self.events.to_string()),
            ("first_id", first.to_string()),
            ("first_time", since),
            (LAST_ID, last.to_string()),
            ("last_time", until),
            (LAST_DIGEST, hex::encode(self.digest)),
            ("retention", retention),
        ];
        if let ChainStart::Untold(id) = chain_start {
            message.push_str(&format!(
                "; those up to {id} were gone already, and no event said why"
            ));
            details.push((UNRECORDED_TO, id.to_string()));
        }
        event("retention", message, details, now)
    }
}

/// Says what an earlier version of scepd let go.
fn earlier(anchor: &Anchor, now: DateTime<Utc>) -> Result<AuditEvent> {
    let pruned_at = shown(wire::time("the audit anchor", anchor.pruned_at)?);
    let message = format!(
        "the audit events up to {} were let go on {pruned_at} by an earlier version of scepd, which wrote no event of it",
        anchor.id
    );
    let details = vec![
        (LAST_ID, anchor.id.to_string()),
        (LAST_DIGEST, hex::encode(anchor.digest)),
        ("pruned_at", pruned_at),
    ];
    Ok(event("earlier_version", message, details, now))
}

fn event(
    reason: &str,
    message: String,
    details: Vec<(&str, String)>,
    now: DateTime<Utc>,
) -> AuditEvent {
    let extra: BTreeMap<String, String> = details
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: ACTION.to_owned(),
        resource_type: "audit".to_owned(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            reason: Some(reason.to_owned()),
            message: Some(message),
            extra,
            ..AuditDetails::default()
        },
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// In the largest unit that divides it, as the configuration writes it.
pub(super) fn length(time: TimeDelta) -> String {
    let millis = time.num_milliseconds();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let unit = units.iter().find(|(_, unit)| millis % unit == 0);
    let (name, unit) = unit.unwrap_or(&("ms", 1));
    format!("{}{name}", millis / unit)
}
