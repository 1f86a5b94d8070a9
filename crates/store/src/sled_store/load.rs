//! From the database to the indexes, when the store is opened.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{self, Anchor, ChainStart, Evidence, Head};
use super::engine::Engine;
use super::index::{BLOCK_ROWS, Row, Shelf};
use super::keys::{Kind, earlier_chain_key, id_of, name_of, schema_key};
use super::mark_pages::MarkPages;
use super::stage::last_notice_key;
use super::staged::Next;
use super::state::{State, key_of, serial_of};
use super::tables::{Digest, EnrollmentEntry, Open, certificate_digest, enrollment_digest, nobody};
use super::wire::{self, CertificateFacts, EnrollmentView};
use crate::{Error, Fault, Result, SCHEMA_VERSION};

/// How many faults are listed.
pub(super) const FAULTS_MAX: usize = 1000;

/// More numbers missing in a row than this are not made up for.
const GAP_MAX: u64 = 1_000_000;

/// Notes the layout's version in a new store; otherwise says which one it has, however old.
pub(super) fn schema(engine: &Engine) -> Result<u32> {
    let Some(octets) = engine.get(&schema_key())? else {
        if !engine.is_empty()? {
            return Err(Error::Foreign {
                path: engine.dir().to_owned(),
            });
        }
        let mut batch = sled::Batch::default();
        batch.insert(schema_key(), SCHEMA_VERSION.to_be_bytes().to_vec());
        engine.write(batch, 1)?;
        return Ok(SCHEMA_VERSION);
    };
    let octets: [u8; 4] = octets.as_ref().try_into().map_err(|_| Error::Corrupt {
        what: "the schema version cannot be read".to_owned(),
    })?;
    let found = u32::from_be_bytes(octets);
    if found > SCHEMA_VERSION {
        let path = engine.dir().to_owned();
        return Err(Error::SchemaTooNew {
            path,
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(found)
}

/// The layout's version when the chain's end was written, as far as the rules of the chain go.
pub(super) fn chain_schema(engine: &Engine) -> Result<u32> {
    Ok(match engine.get(&earlier_chain_key())? {
        Some(_) => 1,
        None => SCHEMA_VERSION,
    })
}

/// What was read.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) next: Next,
    pub(super) pages: MarkPages,
    pub(super) chain_start: ChainStart,
    /// Records that cannot be read, events aside: those are for the chain's check.
    pub(super) faults: Vec<Fault>,
}

/// Reads everything that the indexes are made of.
///
/// Of what is in files beside the database only what is not is read from it; `shelf` is where they are.
pub(super) fn load(engine: &Engine, chain_schema: u32, shelf: Option<Shelf>) -> Result<Loaded> {
    let anchor = Anchor::read(engine)?;
    let first_event = anchor.map_or(0, |anchor| anchor.id).saturating_add(1);
    let mut load = Load {
        engine,
        state: State::new(first_event, shelf, &engine.reader()),
        evidence: Evidence::new(anchor, chain_schema),
        faults: Vec::new(),
    };
    load.state.make_room();
    let head = Head::read(engine)?;
    let event = load.events(first_event, &head)?;
    let certificate = load.certificates()?;
    let enrollment = load.enrollments()?;
    let notice = load.notices()?;
    let challenge = load.challenges()?;
    load.tokens()?;
    let Load {
        state,
        evidence,
        faults,
        ..
    } = load;
    let pages = MarkPages::load(engine)?;
    let next = Next {
        head,
        event,
        certificate,
        enrollment,
        notice,
        challenge,
    };
    Ok(Loaded {
        state,
        next,
        pages,
        chain_start: evidence.chain_start(),
        faults,
    })
}

struct Load<'a> {
    engine: &'a Engine,
    state: State,
    evidence: Evidence,
    faults: Vec<Fault>,
}

impl Load<'_> {
    fn fault(&mut self, record: String, problem: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { record, problem });
        }
    }

    /// The number after the last event. One that cannot be read stays unindexed.
    fn events(&mut self, first: u64, head: &Head) -> Result<u64> {
        let engine = self.engine;
        let octets = |id: u64| {
            let record = engine.get(&Kind::Audit.id(id)).ok()??;
            Some(chain::split(&record).ok()?.1.to_vec())
        };
        let last_of_next = |state: &State| state.events.next() + BLOCK_ROWS as u64 - 1;
        while last_of_next(&self.state) <= head.id
            && let Some(prunings) = self.state.unshelve_events(octets)
        {
            for id in prunings {
                if let Some(octets) = octets(id)
                    && let Ok(event) = wire::event_view(&octets)
                {
                    self.evidence.add(id, &event);
                }
            }
        }
        let first = self.state.events.next().max(first);
        self.engine.numbered(Kind::Audit, first, |id, record| {
            fill(id, self.state.events.next(), "event", || {
                self.state.events.push(&Row::MISSING);
            })?;
            let octets = chain::split(record).map_or(&[][..], |(_, octets)| octets);
            match wire::event_view(octets) {
                Ok(event) => {
                    self.state.push_event(&event, octets);
                    self.evidence.add(id, &event);
                }
                Err(_) => self.state.events.push(&Row::MISSING),
            }
            Ok(true)
        })?;
        // Events cut off at the end: their numbers are not given again.
        fill(
            head.id.saturating_add(1),
            self.state.events.next(),
            "event",
            || {
                self.state.events.push(&Row::MISSING);
            },
        )?;
        Ok(self.state.events.next())
    }

    fn certificates(&mut self) -> Result<u64> {
        let mut revoked = BTreeSet::new();
        self.engine.scan(&[Kind::Revocation.letter()], |key, _| {
            revoked.extend(id_of(key));
            Ok(true)
        })?;
        let engine = self.engine;
        let reader = engine.reader();
        let digest = |id: u64| serial_of(&reader, id);
        let gone = self.gone()?;
        let digest = |id: u64| gone.get(&id).copied().or_else(|| digest(id));
        while self.state.unshelve_certificates(digest).is_some() {}
        self.state.by_serial.sort();
        let first = self.state.certificates.next();
        for id in gone.range(..first) {
            self.state.let_certificate_go(*id.0);
        }
        for id in revoked.range(..first) {
            if let Some(ca) = self.state.ca_of(*id) {
                self.state.revoke(ca, *id);
            }
        }
        engine.numbered(Kind::Certificate, first, |id, octets| {
            self.certificates_before(id, &gone)?;
            match CertificateFacts::decode(octets) {
                Ok(facts) => {
                    let ca = facts.ca();
                    let digest = certificate_digest(&ca, facts.serial);
                    self.state.push_certificate(digest, &facts);
                    if revoked.contains(&id) {
                        self.state.revoke(ca, id);
                    }
                }
                Err(error) => self.no_certificate(error.to_string()),
            }
            Ok(true)
        })?;
        Ok(self.state.certificates.next())
    }

    /// Certificates that were let go, each with what it was found by.
    fn gone(&self) -> Result<BTreeMap<u64, Digest>> {
        let mut gone = BTreeMap::new();
        self.engine.scan(&[Kind::Gone.letter()], |key, octets| {
            if let (Some(id), Some(digest)) = (id_of(key), octets.first_chunk()) {
                gone.insert(id, *digest);
            }
            Ok(true)
        })?;
        Ok(gone)
    }

    /// Enters those before `id` that are not there: let go, or missing.
    fn certificates_before(&mut self, id: u64, gone: &BTreeMap<u64, Digest>) -> Result<()> {
        let next = self.state.certificates.next();
        let let_go = gone.range(next..id.max(next)).count() as u64;
        fill(id - let_go.min(id), next, "certificate", || {})?;
        while self.state.certificates.next() < id {
            match gone.get(&self.state.certificates.next()) {
                Some(digest) => self.state.push_gone(*digest),
                None => self.no_certificate("it is missing".to_owned()),
            }
        }
        Ok(())
    }

    fn no_certificate(&mut self, problem: String) {
        let number = self.state.certificates.next();
        self.fault(format!("certificate {number}"), problem);
        self.state.certificates.push(&Row::MISSING);
        self.state.by_serial.push(nobody(number));
    }

    fn enrollments(&mut self) -> Result<u64> {
        let engine = self.engine;
        let reader = engine.reader();
        let digest = |id: u64| key_of(&reader, id);
        while self.state.unshelve_enrollments(digest).is_some() {}
        self.state.enrollments.by_key.sort();
        self.state.enrollments.by_poll.sort();
        let first = self.state.enrollments.by_key.len() + 1;
        self.unfinished(first)?;
        engine.numbered(Kind::Enrollment, first, |id, octets| {
            fill(
                id,
                self.state.enrollments.by_key.len() + 1,
                "enrollment",
                || {
                    self.no_enrollment("it is missing".to_owned());
                },
            )?;
            match EnrollmentView::decode(octets) {
                Ok(view) => self.state.put_enrollment(EnrollmentEntry {
                    number: id,
                    key: enrollment_digest(view.profile, &view.key),
                    poll: enrollment_digest(view.profile, &view.poll_key),
                    open: Open::of_view(&view),
                }),
                Err(error) => self.no_enrollment(error.to_string()),
            }
            Ok(true)
        })?;
        Ok(self.state.enrollments.by_key.len() + 1)
    }

    /// Enters the open ones of those before this number, which were all entered as ones at their end.
    fn unfinished(&mut self, first: u64) -> Result<()> {
        let mut numbers = Vec::new();
        self.engine.scan(&[Kind::Unfinished.letter()], |key, _| {
            numbers.extend(id_of(key).filter(|id| *id < first));
            Ok(true)
        })?;
        for number in numbers {
            let octets = self.engine.get(&Kind::Enrollment.id(number))?;
            let octets = octets.unwrap_or_default();
            match EnrollmentView::decode(&octets) {
                Ok(view) => self.state.put_enrollment(EnrollmentEntry {
                    number,
                    key: enrollment_digest(view.profile, &view.key),
                    poll: enrollment_digest(view.profile, &view.poll_key),
                    open: Open::of_view(&view),
                }),
                Err(error) => self.fault(format!("enrollment {number}"), error.to_string()),
            }
        }
        Ok(())
    }

    fn no_enrollment(&mut self, problem: String) {
        let number = self.state.enrollments.by_key.len() + 1;
        self.fault(format!("enrollment {number}"), problem);
        let (key, poll) = (nobody(number), nobody(number));
        self.state.put_enrollment(EnrollmentEntry {
            number,
            key,
            poll,
            open: None,
        });
    }

    /// The number that the next notice gets.
    fn notices(&mut self) -> Result<u64> {
        self.engine.scan(&[Kind::Notice.letter()], |key, octets| {
            let id = id_of(key).unwrap_or_default();
            match wire::decode_notice(octets) {
                Ok(notice) => self.state.notices.put(id, Some(wire::micros(notice.due))),
                Err(error) => self.fault(format!("notice {id}"), error.to_string()),
            }
            Ok(true)
        })?;
        let last = self.engine.get(&last_notice_key())?;
        let last =
            last.and_then(|octets| Some(u64::from_be_bytes(octets.as_ref().try_into().ok()?)));
        Ok(last.unwrap_or_default().saturating_add(1))
    }

    /// The open challenges; the number that the next one gets.
    fn challenges(&mut self) -> Result<u64> {
        let mut untold = Vec::new();
        let letter = [Kind::OpenChallenge.letter()];
        self.engine.scan(&letter, |key, octets| {
            let digest = key.get(1..).map(<[u8; 16]>::try_from);
            let Some(Ok(digest)) = digest else {
                return Ok(true);
            };
            match wire::decode_open_challenge(octets) {
                Ok(Some((profile, until))) => {
                    let profile = profile.to_owned();
                    let known = super::challenges::Open { profile, until };
                    self.state.challenges.put(digest, Some(known));
                }
                // Where nothing is noted, the challenge says it.
                Ok(None) | Err(_) => untold.push(digest),
            }
            Ok(true)
        })?;
        for digest in untold {
            let octets = self.engine.get(&Kind::Challenge.digest(&digest))?;
            match wire::decode_challenge(&octets.unwrap_or_default()) {
                Ok(record) => {
                    let known = super::challenges::Open::of(&record);
                    self.state.challenges.put(digest, Some(known));
                }
                Err(error) => {
                    self.fault(
                        format!("challenge {}", hex::encode(digest)),
                        error.to_string(),
                    );
                }
            }
        }
        let (first, end) = (
            [Kind::ChallengeOrder.letter()],
            [Kind::ChallengeOrder.letter() + 1],
        );
        let last = self.engine.last_in(&first, &end)?;
        let last = last.and_then(|(key, _)| id_of(&key)).unwrap_or_default();
        Ok(last.saturating_add(1))
    }

    fn tokens(&mut self) -> Result<()> {
        self.engine.scan(&[Kind::Token.letter()], |key, octets| {
            let id = name_of(key).unwrap_or_default();
            match wire::decode_token(id, octets) {
                Ok(token) => self.state.put_token(token),
                Err(error) => self.fault(format!("token {id}"), error.to_string()),
            }
            Ok(true)
        })
    }
}

/// Calls `make` for each number that is missing before `id`.
fn fill(id: u64, next: u64, what: &str, mut make: impl FnMut()) -> Result<()> {
    let missing = id.saturating_sub(next);
    if missing > GAP_MAX {
        let what = format!("{missing} records are missing before {what} {id}");
        return Err(Error::Corrupt { what });
    }
    (0..missing).for_each(|_| make());
    Ok(())
}
