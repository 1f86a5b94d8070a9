//! From the database to the indexes, when the store is opened.

use std::collections::BTreeSet;

use super::chain::{self, Anchor, Head};
use super::engine::Engine;
use super::index::Row;
use super::keys::{Kind, id_of, name_of};
use super::marks::Sheets;
use super::prune::{Beginning, Evidence};
use super::stage::Next;
use super::state::State;
use super::tables::{TransactionEntry, certificate_digest, transaction_digest};
use super::wire::{self, CertificateFacts, TransactionView};
use crate::{Error, Fault, Result, SCHEMA_VERSION};

/// How many faults are listed.
pub(super) const FAULTS_MAX: usize = 1000;

/// More numbers missing in a row than this are not made up for.
const GAP_MAX: u64 = 1_000_000;

/// Checks the layout's version, or notes it in a new store.
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

/// Where the layout's version is.
pub(super) fn schema_key() -> Vec<u8> {
    Kind::Meta.name("schema")
}

/// What was read.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) next: Next,
    pub(super) sheets: Sheets,
    pub(super) beginning: Beginning,
    /// Records that cannot be read, events aside: those are for the chain's check.
    pub(super) faults: Vec<Fault>,
}

/// Reads everything that the indexes are made of; `schema` is the layout's version.
pub(super) fn load(engine: &Engine, schema: u32) -> Result<Loaded> {
    let anchor = Anchor::read(engine)?;
    let first_event = anchor.map_or(0, |anchor| anchor.id).saturating_add(1);
    let mut load = Load {
        engine,
        state: State::new(first_event),
        evidence: Evidence::new(anchor, schema),
        faults: Vec::new(),
    };
    let head = Head::read(engine)?;
    let event = load.events(first_event, &head)?;
    let certificate = load.certificates()?;
    let transaction = load.transactions()?;
    load.tokens()?;
    let Load {
        state,
        evidence,
        faults,
        ..
    } = load;
    let sheets = Sheets::load(engine)?;
    let next = Next {
        head,
        event,
        certificate,
        transaction,
    };
    Ok(Loaded {
        state,
        next,
        sheets,
        beginning: evidence.beginning(),
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
        self.engine.numbered(Kind::Audit, first, |id, record| {
            fill(id, self.state.events.next(), "event", || {
                self.state.events.push(&Row::MISSING);
            })?;
            match chain::split(record).and_then(|(_, octets)| wire::event_view(octets)) {
                Ok(event) => {
                    self.state.push_event(&event);
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
        engine.numbered(Kind::Certificate, 1, |id, octets| {
            fill(id, self.state.certificates.next(), "certificate", || {
                self.no_certificate("it is missing".to_owned());
            })?;
            match CertificateFacts::decode(octets) {
                Ok(facts) => {
                    let digest = certificate_digest(facts.issuer_id, facts.serial);
                    self.state.push_certificate(digest, &facts);
                    if revoked.contains(&id) {
                        self.state.revoke(facts.issuer_id, id);
                    }
                }
                Err(error) => self.no_certificate(error.to_string()),
            }
            Ok(true)
        })?;
        Ok(self.state.certificates.next())
    }

    fn no_certificate(&mut self, problem: String) {
        let number = self.state.certificates.next();
        self.fault(format!("certificate {number}"), problem);
        self.state.certificates.push(&Row::MISSING);
        self.state.by_serial.push(nobody(number));
    }

    fn transactions(&mut self) -> Result<u64> {
        let engine = self.engine;
        engine.numbered(Kind::Transaction, 1, |id, octets| {
            fill(
                id,
                self.state.transactions.by_key.len() + 1,
                "request",
                || {
                    self.no_transaction("it is missing".to_owned());
                },
            )?;
            match TransactionView::decode(octets) {
                Ok(view) => self.state.transactions.put(TransactionEntry {
                    number: id,
                    key: transaction_digest(view.profile, &view.key),
                    poll: transaction_digest(view.profile, &view.poll_key),
                    profile: view.profile.to_owned(),
                    open: view.is_open(),
                }),
                Err(error) => self.no_transaction(error.to_string()),
            }
            Ok(true)
        })?;
        Ok(self.state.transactions.by_key.len() + 1)
    }

    fn no_transaction(&mut self, problem: String) {
        let number = self.state.transactions.by_key.len() + 1;
        self.fault(format!("request {number}"), problem);
        let (key, poll) = (nobody(number), nobody(number));
        let profile = String::new();
        self.state.transactions.put(TransactionEntry {
            number,
            key,
            poll,
            profile,
            open: false,
        });
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

/// A digest that no look-up has, for a record that is not there.
fn nobody(number: u64) -> super::tables::Digest {
    certificate_digest("no issuer has this name\0", &number.to_be_bytes())
}
