//! The audit chain: each event's digest covers the one before it, its number and its octets; and what
//! the kept events say of its beginning.

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::keys::Kind;
use super::wire::{self, EventView};
use crate::{AuditAnchor, AuditCheck, AuditFault, Conflict, Error, Result, StoredEvent};

/// Keeps this digest apart from any other use of SHA-256.
const DOMAIN: &[u8] = b"scepd audit event 1\n";

/// How many faults are listed.
const FAULTS_MAX: usize = 1000;

const HEAD: &str = "audit head";
const ANCHOR: &str = "audit anchor";

/// The newest event, by number and digest. It is written with every event, so that cutting off
/// the chain's end shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: u64,
    pub(super) digest: [u8; 32],
}

impl Head {
    /// Before the first event.
    pub(super) const NONE: Self = Self {
        id: 0,
        digest: [0; 32],
    };

    pub(super) fn key() -> Vec<u8> {
        Kind::Meta.name(HEAD)
    }

    pub(super) fn encode(&self) -> std::result::Result<Vec<u8>, Conflict> {
        wire::encode("the audit head", self)
    }

    pub(super) fn read(engine: &Engine) -> Result<Self> {
        match engine.get(&Self::key())? {
            Some(octets) => wire::decode("the audit head", &octets),
            None => Ok(Self::NONE),
        }
    }

    /// The head after one more event.
    pub(super) fn next(&self, id: u64, octets: &[u8]) -> Self {
        Self {
            id,
            digest: link(&self.digest, id, octets),
        }
    }
}

/// The chain's beginning after pruning: the last pruned event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub(super) id: u64,
    pub(super) digest: [u8; 32],
    /// Microseconds since 1970.
    pub(super) pruned_at: i64,
}

impl Anchor {
    pub(super) fn key() -> Vec<u8> {
        Kind::Meta.name(ANCHOR)
    }

    pub(super) fn encode(&self) -> std::result::Result<Vec<u8>, Conflict> {
        wire::encode("the audit anchor", self)
    }

    pub(super) fn read(engine: &Engine) -> Result<Option<Self>> {
        let octets = engine.get(&Self::key())?;
        octets
            .map(|octets| wire::decode("the audit anchor", &octets))
            .transpose()
    }

    fn shown(&self, named_by: Option<u64>) -> Result<AuditAnchor> {
        let pruned_at: DateTime<Utc> = wire::time("the audit anchor", self.pruned_at)?;
        Ok(AuditAnchor {
            id: self.id,
            digest: self.digest,
            pruned_at,
            named_by,
        })
    }
}

fn link(previous: &[u8; 32], id: u64, octets: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    context.update(previous);
    context.update(&id.to_be_bytes());
    context.update(octets);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// An event's record: its digest, then its octets.
pub(super) fn record(head: &Head, octets: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(32 + octets.len());
    record.extend_from_slice(&head.digest);
    record.extend_from_slice(octets);
    record
}

/// The digest and the octets in an event's record.
pub(super) fn split(record: &[u8]) -> Result<(&[u8; 32], &[u8])> {
    record
        .split_first_chunk::<32>()
        .ok_or_else(|| Error::Corrupt {
            what: "an audit event is cut short".to_owned(),
        })
}

/// The event in a record.
pub(super) fn stored_event(id: u64, record: &[u8]) -> Result<StoredEvent> {
    let (digest, octets) = split(record)?;
    let event = wire::decode_event(octets).map_err(|error| match error {
        Error::Corrupt { what } => Error::Corrupt {
            what: format!("event {id}: {what}"),
        },
        other => other,
    })?;
    Ok(StoredEvent {
        id,
        event,
        digest: *digest,
    })
}

/// The action of the events that say that others were let go.
pub(super) const ACTION: &str = "audit_prune";

/// Details of such an event: the last one that went, and the end of what was gone before without
/// an event.
pub(super) const LAST_ID: &str = "last_id";
pub(super) const LAST_DIGEST: &str = "last_digest";
pub(super) const UNRECORDED_TO: &str = "unrecorded_to";

/// The schema version from which on there are such events.
const RECORDED_SINCE: u32 = 2;

/// What the kept events say of the chain's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChainStart {
    /// It is event 1, or an event says that those before it were let go.
    Told,
    /// Events were let go by a scepd that did not write such events, and no other was at work since.
    Old,
    /// Events up to this one are gone, and none says why.
    Untold(u64),
}

/// What is gathered about the chain's beginning from one event after the other.
pub(super) struct Evidence {
    anchor: Option<Anchor>,
    /// Whether a scepd was at work that writes an event when it prunes.
    recorded: bool,
    named_by: Option<u64>,
}

impl Evidence {
    pub(super) const fn new(anchor: Option<Anchor>, schema: u32) -> Self {
        Self {
            anchor,
            recorded: schema >= RECORDED_SINCE,
            named_by: None,
        }
    }

    pub(super) fn add(&mut self, id: u64, event: &EventView<'_>) {
        self.recorded |= event.records_pruning;
        if let Some(anchor) = self.anchor
            && id > anchor.id
            && is_pruning(event)
            && number(event, LAST_ID) == Some(anchor.id)
            && detail(event, LAST_DIGEST) == Some(&hex::encode(anchor.digest))
        {
            self.named_by = Some(id);
        }
    }

    /// The event that names the anchor.
    pub(super) const fn named_by(&self) -> Option<u64> {
        self.named_by
    }

    pub(super) const fn chain_start(&self) -> ChainStart {
        match (self.anchor, self.named_by) {
            (None, _) | (_, Some(_)) => ChainStart::Told,
            (Some(anchor), None) if self.recorded => ChainStart::Untold(anchor.id),
            (Some(_), None) => ChainStart::Old,
        }
    }
}

/// Up to where events were gone without an event when this one's pruning began.
pub(super) fn unrecorded_to(event: &EventView<'_>) -> Option<u64> {
    is_pruning(event)
        .then(|| number(event, UNRECORDED_TO))
        .flatten()
}

pub(super) fn is_pruning(event: &EventView<'_>) -> bool {
    event.action == ACTION
}

fn detail<'a>(event: &EventView<'a>, name: &str) -> Option<&'a str> {
    let mut details = event.extra.iter();
    details.find_map(|&(other, text)| (other == name).then_some(text))
}

fn number(event: &EventView<'_>, name: &str) -> Option<u64> {
    detail(event, name)?.parse().ok()
}

/// Reads every event and checks it against the one before it, the anchor, the head, and the head
/// that the witness `noted`; `schema` is the layout's version at the time of that head.
pub(super) fn check(
    engine: &Engine,
    head: &Head,
    noted: Result<Option<Head>>,
    schema: u32,
) -> Result<AuditCheck> {
    let mut faults = Vec::new();
    let noted = match noted {
        Ok(noted) => noted,
        Err(Error::Corrupt { .. }) => {
            faults.push(AuditFault::HighWaterMark);
            None
        }
        Err(error) => return Err(error),
    };
    let anchor = Anchor::read(engine)?;
    let start = anchor.map_or(Head::NONE, |anchor| Head {
        id: anchor.id,
        digest: anchor.digest,
    });
    let mut walk = Walk {
        previous: Some(start.digest),
        last: start.id,
        newest: start.id,
        checked: 0,
        first: None,
        evidence: Evidence::new(anchor, schema),
        noted,
        faults,
    };
    engine.numbered(Kind::Audit, 1, |id, record| {
        // What is appended while this runs is not of this check.
        let running = id > head.id && Head::read(engine)?.id >= id;
        if running {
            return Ok(false);
        }
        walk.event(id, record, head);
        Ok(true)
    })?;
    if walk.last < head.id {
        walk.fault(AuditFault::Removed {
            from: walk.last + 1,
            to: head.id,
        });
    } else if walk.last == head.id && walk.previous.is_some_and(|digest| digest != head.digest) {
        walk.fault(AuditFault::Head { id: head.id });
    }
    let end = walk.newest.max(head.id);
    if let Some(noted) = noted
        && noted.id > end
    {
        walk.fault(AuditFault::Removed {
            from: end + 1,
            to: noted.id,
        });
    }
    if let ChainStart::Untold(id) = walk.evidence.chain_start() {
        // Before all others: it is about the oldest events.
        walk.faults.truncate(FAULTS_MAX - 1);
        walk.faults.insert(0, AuditFault::Unrecorded { id });
    }
    let named_by = walk.evidence.named_by();
    Ok(AuditCheck {
        checked: walk.checked,
        first_id: walk.first,
        last_id: head.id,
        head: head.digest,
        anchor: anchor.map(|anchor| anchor.shown(named_by)).transpose()?,
        faults: walk.faults,
    })
}

struct Walk {
    checked: u64,
    first: Option<u64>,
    last: u64,
    /// The highest number seen, of what was added too.
    newest: u64,
    /// The digest of event `last`; `None` when that event is not there.
    previous: Option<[u8; 32]>,
    evidence: Evidence,
    /// The newest event when the witness was written.
    noted: Option<Head>,
    faults: Vec<AuditFault>,
}

impl Walk {
    fn event(&mut self, id: u64, record: &[u8], head: &Head) {
        self.checked += 1;
        self.first.get_or_insert(id);
        self.newest = self.newest.max(id);
        if id > head.id || id <= self.last {
            self.fault(AuditFault::Added { id });
            return;
        }
        if id - self.last > 1 {
            self.fault(AuditFault::Removed {
                from: self.last + 1,
                to: id - 1,
            });
            self.previous = None;
        }
        self.last = id;
        let Ok((digest, octets)) = split(record) else {
            self.fault(AuditFault::Altered { id });
            self.previous = None;
            return;
        };
        if self
            .previous
            .is_some_and(|previous| link(&previous, id, octets) != *digest)
        {
            self.fault(AuditFault::Altered { id });
        } else if wire::decode_event(octets).is_err() {
            self.fault(AuditFault::Unreadable { id });
        } else if let Ok(event) = wire::event_view(octets) {
            self.evidence.add(id, &event);
            if let Some(id) = unrecorded_to(&event) {
                self.fault(AuditFault::Unrecorded { id });
            }
        }
        if let Some(noted) = self.noted
            && noted.id == id
            && noted.digest != *digest
        {
            self.fault(AuditFault::Replaced { id });
        }
        self.previous = Some(*digest);
    }

    fn fault(&mut self, fault: AuditFault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}
