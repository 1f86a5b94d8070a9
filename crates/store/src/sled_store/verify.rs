//! Reading all of the store: does every record decode, and is what it refers to there?

use std::collections::HashSet;
use std::path::Path;
use std::{fs, io};

use super::SledStore;
use super::chain::{Anchor, Head};
use super::clock;
use super::compression::{Compression, dictionary_of};
use super::engine::Engine;
use super::keys::{Kind, ca_of, earlier_chain_key, name_of, schema_key};
use super::load::FAULTS_MAX;
use super::marks::{Owner, read_page};
use super::stage::last_notice_key;
use super::tables::{Digest, certificate_digest};
use super::wire::{self, CertificateFacts};
use crate::{CaId, Error, Fault, Records, Result, SCHEMA_VERSION, Sizes, Stage, VerifyReport};

impl SledStore {
    pub(super) fn verify_all(&self) -> Result<VerifyReport> {
        let sizes = self.sizes()?;
        let mut reading = Reading {
            store: self,
            records: 0,
            replay_marks: 0,
            rate_marks: 0,
            faults: self.faults.clone(),
        };
        reading.certificates()?;
        reading.enrollments()?;
        reading.notices()?;
        reading.challenges()?;
        reading.marks()?;
        reading.small_ones()?;
        reading.dictionaries()?;
        reading.meta()?;
        let audit = self.audit_verify()?;
        reading.records += audit.checked;
        let Reading {
            records,
            replay_marks,
            rate_marks,
            faults,
            ..
        } = reading;
        Ok(VerifyReport {
            schema_version: SCHEMA_VERSION,
            records,
            sizes,
            replay_marks,
            rate_marks,
            faults,
            audit,
        })
    }

    pub(super) fn count_sizes(&self) -> Result<Sizes> {
        let disk_bytes = tree_size(self.dir()).map_err(|source| Error::Io {
            doing: "measure its directory",
            source,
        })?;
        let state = self.state();
        Ok(Sizes {
            disk_bytes,
            certificates: state.certificate_count(),
            transactions: state.enrollments.by_key.len(),
            pending: {
                let open = state.enrollments.open.values();
                open.filter(|open| open.awaits_approval).count() as u64
            },
            notices: state.notices.len(),
            challenges: state.challenges.len(),
            audit_events: state.events.len(),
            tokens: state.token_count(),
            index_bytes: state.bytes(),
        })
    }
}

impl SledStore {
    /// Whether there is such a certificate.
    fn knows(&self, ca: &CaId, serial: &[u8]) -> bool {
        let digest = certificate_digest(ca, serial);
        self.state().certificate(&digest).is_some()
    }
}

struct Reading<'a> {
    store: &'a SledStore,
    records: u64,
    replay_marks: u64,
    rate_marks: u64,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn engine(&self) -> &Engine {
        &self.store.engine
    }

    fn fault(&mut self, record: String, problem: String) {
        let fault = Fault { record, problem };
        if self.faults.len() < FAULTS_MAX && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Facts decode, the DER is there, and a look-up finds this very record.
    fn certificates(&mut self) -> Result<()> {
        let store = self.store;
        store.engine.numbered(Kind::Certificate, 1, |id, octets| {
            self.records += 1;
            let name = || format!("certificate {id}");
            match CertificateFacts::decode(octets) {
                Err(error) => self.fault(name(), error.to_string()),
                Ok(facts) => {
                    let digest = certificate_digest(&facts.ca(), facts.serial);
                    if store.state().certificate(&digest) != Some(id) {
                        let problem = "another certificate has the same issuer and serial";
                        self.fault(name(), problem.to_owned());
                    }
                    match self.engine().get(&Kind::Der.id(id))? {
                        None => self.fault(name(), "its DER is missing".to_owned()),
                        Some(der) if der.is_empty() => {
                            self.fault(name(), "its DER is empty".to_owned());
                        }
                        Some(_) => self.records += 1,
                    }
                }
            }
            Ok(true)
        })?;
        self.belongs(Kind::Der, "DER")?;
        self.belongs(Kind::Revocation, "revocation")
    }

    /// Every record of this kind belongs to a certificate.
    fn belongs(&mut self, kind: Kind, what: &str) -> Result<()> {
        let store = self.store;
        store.engine.numbered(kind, 1, |id, octets| {
            if store.engine.get(&Kind::Certificate.id(id))?.is_none() {
                self.fault(format!("{what} {id}"), "it has no certificate".to_owned());
            }
            if kind == Kind::Revocation {
                self.records += 1;
                if let Err(error) = wire::decode_revoked(octets) {
                    self.fault(format!("revocation {id}"), error.to_string());
                }
            }
            Ok(true)
        })
    }

    /// Enrollments decode, and an issued one's certificate is there or was let go.
    fn enrollments(&mut self) -> Result<()> {
        let store = self.store;
        let mut gone: HashSet<Digest> = HashSet::new();
        store.engine.scan(&[Kind::Gone.letter()], |_, octets| {
            gone.extend(octets.last_chunk::<16>());
            self.records += 1;
            Ok(true)
        })?;
        store.engine.numbered(Kind::Enrollment, 1, |id, octets| {
            self.records += 1;
            match wire::decode_enrollment(octets) {
                Err(error) => self.fault(format!("enrollment {id}"), error.to_string()),
                Ok(enrollment) => {
                    let noted = store.engine.get(&Kind::Unfinished.id(id))?.is_some();
                    self.records += u64::from(noted);
                    if noted != enrollment.stage.is_open() {
                        let problem = "whether it is at its end is noted wrongly";
                        self.fault(format!("enrollment {id}"), problem.to_owned());
                    }
                    if let Stage::Issued { ca, serial } | Stage::Notifying { ca, serial } =
                        &enrollment.stage
                        && !store.knows(ca, serial)
                        && !gone.contains(&certificate_digest(ca, serial))
                    {
                        let serial = hex::encode(serial);
                        let problem = format!("its certificate {serial} of CA {ca} is missing");
                        self.fault(format!("enrollment {id}"), problem);
                    }
                }
            }
            Ok(true)
        })
    }

    fn notices(&mut self) -> Result<()> {
        let store = self.store;
        store.engine.numbered(Kind::Notice, 1, |id, octets| {
            self.records += 1;
            if let Err(error) = wire::decode_notice(octets) {
                self.fault(format!("notice {id}"), error.to_string());
            }
            Ok(true)
        })
    }

    /// Challenges decode, are found by their numbers, and those that are noted as open are there.
    fn challenges(&mut self) -> Result<()> {
        let store = self.store;
        store
            .engine
            .scan(&[Kind::Challenge.letter()], |key, octets| {
                self.records += 1;
                let name = || {
                    format!(
                        "challenge {}",
                        hex::encode(key.get(1..).unwrap_or_default())
                    )
                };
                match wire::decode_challenge(octets) {
                    Err(error) => self.fault(name(), error.to_string()),
                    Ok(record) => {
                        let order = store.engine.get(&Kind::ChallengeOrder.id(record.number))?;
                        if order.as_deref() != Some(&record.digest[..]) {
                            self.fault(name(), "its number names another one".to_owned());
                        }
                        if **key != *Kind::Challenge.digest(&record.digest) {
                            self.fault(name(), "it is kept under another digest".to_owned());
                        }
                    }
                }
                Ok(true)
            })?;
        for kind in [Kind::ChallengeOrder, Kind::OpenChallenge] {
            store.engine.scan(&[kind.letter()], |key, octets| {
                self.records += 1;
                if kind == Kind::OpenChallenge
                    && let Err(error) = wire::decode_open_challenge(octets)
                {
                    let name = format!("record {}", hex::encode(key));
                    self.fault(name, error.to_string());
                }
                let digest = match kind {
                    Kind::ChallengeOrder => octets.as_ref(),
                    _ => key.get(1..).unwrap_or_default(),
                };
                let digest = <[u8; 16]>::try_from(digest).unwrap_or_default();
                if store.find_challenge(&digest)?.is_none() {
                    let name = format!("record {}", hex::encode(key));
                    self.fault(name, "its challenge is missing".to_owned());
                }
                Ok(true)
            })?;
        }
        Ok(())
    }

    fn marks(&mut self) -> Result<()> {
        for kind in [Kind::Replay, Kind::Rate] {
            let store = self.store;
            let mut count = 0;
            store.engine.scan(&[kind.letter()], |key, octets| {
                self.records += 1;
                let marks = read_page(kind == Kind::Rate, octets);
                match (Owner::of_page(key), marks) {
                    (Some(_), Ok(marks)) => count += marks.len() as u64,
                    _ => {
                        let name = format!("page of marks {}", hex::encode(key));
                        self.fault(name, "it cannot be read".to_owned());
                    }
                }
                Ok(true)
            })?;
            if kind == Kind::Replay {
                self.replay_marks = count;
            } else {
                self.rate_marks = count;
            }
        }
        Ok(())
    }

    fn small_ones(&mut self) -> Result<()> {
        for kind in [Kind::Counters, Kind::Token, Kind::Crl, Kind::Setting] {
            let store = self.store;
            store.engine.scan(&[kind.letter()], |key, octets| {
                self.records += 1;
                let Some(name) = name_of(key) else {
                    let name = format!("record {}", hex::encode(key));
                    self.fault(name, "its name is not text".to_owned());
                    return Ok(true);
                };
                let (what, read) = match kind {
                    Kind::Counters => ("counters of profile", counters(octets)),
                    Kind::Token => ("token", wire::decode_token(name, octets).map(drop)),
                    Kind::Crl => (
                        "CRL of CA",
                        ca_of(key).and_then(|ca| wire::decode_crl(ca, octets).map(drop)),
                    ),
                    _ => ("setting", Ok(())),
                };
                if let Err(error) = read {
                    self.fault(format!("{what} {name}"), error.to_string());
                }
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Dictionaries have places, and are not empty.
    fn dictionaries(&mut self) -> Result<()> {
        let store = self.store;
        let letter = [Kind::Dictionary.letter()];
        store.engine.scan(&letter, |key, octets| {
            self.records += 1;
            if dictionary_of(key).is_none() || octets.is_empty() {
                let name = format!("dictionary {}", hex::encode(key));
                self.fault(name, "it cannot be read".to_owned());
            }
            Ok(true)
        })
    }

    /// Nothing is stored under a key that no kind of record has.
    fn meta(&mut self) -> Result<()> {
        let known = [
            schema_key(),
            earlier_chain_key(),
            last_notice_key(),
            Head::key(),
            Anchor::key(),
            clock::key(),
            Compression::key(),
        ];
        let store = self.store;
        store.engine.scan(&[Kind::Meta.letter()], |key, _| {
            self.records += 1;
            if !known.iter().any(|known| key == known) {
                self.fault(
                    format!("record {}", hex::encode(key)),
                    "it is unknown".to_owned(),
                );
            }
            Ok(true)
        })?;
        clock::read(&store.engine, &Head::read(&store.engine)?)?;
        Anchor::read(&store.engine)?;
        let mut letter = 0;
        while let Some((key, _)) = store.engine.first_in(&[letter], &[u8::MAX])? {
            let first = key.first().copied().unwrap_or_default();
            if !Kind::ALL.iter().any(|kind| kind.letter() == first) {
                self.fault(
                    format!("record {}", hex::encode(&key)),
                    "it is unknown".to_owned(),
                );
            }
            letter = first.saturating_add(1);
        }
        Ok(())
    }
}

fn counters(octets: &[u8]) -> Result<()> {
    wire::decode::<std::collections::BTreeMap<String, u64>>("counters", octets).map(drop)
}

fn tree_size(dir: &Path) -> io::Result<u64> {
    let mut total = 0_u64;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Files may go while this looks at them.
        let Ok(facts) = entry.metadata() else {
            continue;
        };
        let size = if facts.is_dir() {
            tree_size(&entry.path())?
        } else {
            facts.len()
        };
        total = total.saturating_add(size);
    }
    Ok(total)
}
