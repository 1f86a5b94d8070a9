//! Changes on their way to disk: what they will write, checked against what is stored and
//! against each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sled::IVec;

use super::chain::{self, Head};
use super::engine::Engine;
use super::keys::Kind;
use super::marks::{self, Owner, SheetMark, Sheets};
use super::state::State;
use super::tables::{Digest, TransactionEntry, certificate_digest, transaction_digest};
use super::wire;
use crate::{
    CertificateRecord, Change, Committed, Conflict, CrlRecord, Error, Op, Reservation, Revocation,
    TokenRecord, TransactionRecord,
};

/// The numbers that the next records get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) head: Head,
    pub(super) event: u64,
    pub(super) certificate: u64,
    pub(super) transaction: u64,
}

/// What a number of changes write, and what the indexes must learn once that is on disk.
pub(super) struct Staged {
    pub(super) next: Next,
    /// `None` = removed.
    pub(super) writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Octets of the new events, in order.
    pub(super) events: Vec<Vec<u8>>,
    /// Digest and facts of the new certificates, in order.
    pub(super) certificates: Vec<(Digest, Vec<u8>)>,
    pub(super) revoked: Vec<(String, u64)>,
    pub(super) transactions: Vec<TransactionEntry>,
    pub(super) tokens: Vec<TokenRecord>,
    /// The newest sheets of those that got marks.
    pub(super) sheets: BTreeMap<Owner, u64>,
    /// The new marks, and on which sheets they are.
    pub(super) marks: Vec<(Owner, Digest, u64)>,
    certificate_numbers: HashMap<Digest, u64>,
    transaction_numbers: HashMap<Digest, u64>,
}

impl Staged {
    pub(super) fn new(next: Next) -> Self {
        Self {
            next,
            writes: HashMap::new(),
            events: Vec::new(),
            certificates: Vec::new(),
            revoked: Vec::new(),
            transactions: Vec::new(),
            tokens: Vec::new(),
            sheets: BTreeMap::new(),
            marks: Vec::new(),
            certificate_numbers: HashMap::new(),
            transaction_numbers: HashMap::new(),
        }
    }

    /// Takes over what a later one holds.
    pub(super) fn absorb(&mut self, later: Self) {
        self.next = later.next;
        self.writes.extend(later.writes);
        self.events.extend(later.events);
        self.certificates.extend(later.certificates);
        self.revoked.extend(later.revoked);
        self.transactions.extend(later.transactions);
        self.tokens.extend(later.tokens);
        self.sheets.extend(later.sheets);
        self.marks.extend(later.marks);
        self.certificate_numbers.extend(later.certificate_numbers);
        self.transaction_numbers.extend(later.transaction_numbers);
    }
}

/// Why a change was not staged.
pub(super) enum Refusal {
    /// This change alone is refused.
    Conflict(Conflict),
    /// The store cannot be read.
    Failed(Error),
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Step<T> = std::result::Result<T, Refusal>;

/// One change being staged, on top of those staged before it.
pub(super) struct Stage<'a> {
    engine: &'a Engine,
    state: &'a State,
    sheets: &'a Sheets,
    earlier: &'a Staged,
    /// Microseconds since 1970.
    now: i64,
    own: Staged,
    done: Committed,
}

impl<'a> Stage<'a> {
    /// Stages a change; nothing is kept of one that is refused. What has passed its time at `now`
    /// (microseconds since 1970) refuses none.
    pub(super) fn change(
        engine: &'a Engine,
        state: &'a State,
        sheets: &'a Sheets,
        earlier: &'a Staged,
        change: &Change,
        now: i64,
    ) -> Step<(Staged, Committed)> {
        let own = Staged::new(earlier.next);
        let mut stage = Self {
            engine,
            state,
            sheets,
            earlier,
            now,
            own,
            done: Committed::default(),
        };
        for op in &change.0 {
            stage.op(op)?;
        }
        Ok((stage.own, stage.done))
    }

    fn op(&mut self, op: &Op) -> Step<()> {
        match op {
            Op::PutCertificate(record) => self.put_certificate(record),
            Op::Revoke {
                issuer_id,
                serial,
                at,
                reason,
            } => self.revoke(
                issuer_id,
                serial,
                Revocation {
                    at: *at,
                    reason: *reason,
                },
            ),
            Op::PutTransaction(record) => self.put_transaction(record),
            Op::Reserve(reservation) => self.reserve(reservation),
            Op::Count { profile, name, by } => self.count(profile, name, *by),
            Op::Audit(event) => {
                let octets = wire::encode_event(event)?;
                let id = self.own.next.event;
                let head = self.own.next.head.next(id, &octets);
                self.put(Kind::Audit.id(id), chain::record(&head, &octets));
                self.own.next.head = head;
                self.own.next.event = id.saturating_add(1);
                self.own.events.push(octets);
                self.done.audit_ids.push(id);
                Ok(())
            }
            Op::PutToken(token) => self.put_named_token(token),
            Op::TouchToken { id, at } => match self.token(id)? {
                None => Ok(()),
                Some(mut token) => {
                    token.last_used_at = token.last_used_at.max(Some(*at));
                    self.put_token(token)
                }
            },
            Op::RevokeToken { id, at } => match self.token(id)? {
                None => Err(Conflict::UnknownToken { id: id.clone() }.into()),
                Some(token) if token.revoked_at.is_some() => {
                    Err(Conflict::TokenRevoked { id: id.clone() }.into())
                }
                Some(mut token) => {
                    token.revoked_at = Some(*at);
                    self.put_token(token)
                }
            },
            Op::PutCrl(record) => self.put_crl(record),
            Op::PutSetting { key, value } => {
                wire::fits("a setting", value.len())?;
                self.put(Kind::Setting.name(key), value.clone());
                Ok(())
            }
            Op::DeleteSetting { key } => {
                self.own.writes.insert(Kind::Setting.name(key), None);
                Ok(())
            }
        }
    }

    fn put_certificate(&mut self, record: &CertificateRecord) -> Step<()> {
        let digest = certificate_digest(&record.issuer_id, &record.serial);
        if self.certificate_number(&digest).is_some() {
            return Err(Conflict::CertificateExists {
                issuer_id: record.issuer_id.clone(),
                serial: hex::encode(&record.serial),
            }
            .into());
        }
        let facts = wire::encode_certificate(record)?;
        let number = self.own.next.certificate;
        self.own.next.certificate = number.saturating_add(1);
        self.put(Kind::Certificate.id(number), facts.clone());
        self.put(Kind::Der.id(number), record.der.clone());
        self.own.certificate_numbers.insert(digest, number);
        self.own.certificates.push((digest, facts));
        Ok(())
    }

    fn revoke(&mut self, issuer_id: &str, serial: &[u8], revocation: Revocation) -> Step<()> {
        let digest = certificate_digest(issuer_id, serial);
        let Some(number) = self.certificate_number(&digest) else {
            return Err(Conflict::UnknownCertificate {
                issuer_id: issuer_id.to_owned(),
                serial: hex::encode(serial),
            }
            .into());
        };
        let key = Kind::Revocation.id(number);
        if self.read(&key)?.is_some() {
            return Err(Conflict::AlreadyRevoked {
                serial: hex::encode(serial),
            }
            .into());
        }
        self.put(key, wire::encode_revocation(&revocation)?);
        self.own.revoked.push((issuer_id.to_owned(), number));
        Ok(())
    }

    fn put_transaction(&mut self, record: &TransactionRecord) -> Step<()> {
        let octets = wire::encode_transaction(record)?;
        let key = transaction_digest(&record.profile, &record.key);
        let poll = transaction_digest(&record.profile, &record.poll_key);
        let known = [&self.own, self.earlier]
            .iter()
            .find_map(|staged| staged.transaction_numbers.get(&key).copied())
            .or_else(|| self.state.transactions.by_key.find(&key));
        let number = known.unwrap_or(self.own.next.transaction);
        if known.is_none() {
            self.own.next.transaction = number.saturating_add(1);
        }
        self.put(Kind::Transaction.id(number), octets);
        self.own.transaction_numbers.insert(key, number);
        let profile = record.profile.clone();
        let open = record.state.is_open();
        self.own.transactions.push(TransactionEntry {
            number,
            key,
            poll,
            profile,
            open,
        });
        Ok(())
    }

    fn reserve(&mut self, reservation: &Reservation) -> Step<()> {
        match reservation {
            Reservation::Once { scope, key, until } => {
                let owner = Owner::new(Kind::Replay, scope)?;
                let taken = self.marks_of(&owner, key)?;
                let taken = taken.iter().map(|mark| mark.until).max();
                if let Some(until) = taken.filter(|until| *until > self.now) {
                    return Err(Conflict::Taken {
                        scope: scope.clone(),
                        key: *key,
                        until: wire::time("a replay mark", until)?,
                    }
                    .into());
                }
                let mark = SheetMark {
                    digest: *key,
                    until: wire::micros(*until),
                    at: 0,
                };
                self.put_mark(owner, mark)
            }
            Reservation::Quota {
                scope,
                key,
                at,
                limit,
                window,
            } => {
                let owner = Owner::new(Kind::Rate, scope)?;
                if *limit > 0 {
                    let taken = self.marks_of(&owner, key)?;
                    let taken = taken.iter().map(|mark| mark.at);
                    marks::has_room(scope, key, taken, *at, *limit, *window)?;
                }
                let until = at.checked_add_signed(*window);
                let mark = SheetMark {
                    digest: *key,
                    until: wire::micros(until.unwrap_or(DateTime::<Utc>::MAX_UTC)),
                    at: wire::micros(*at),
                };
                self.put_mark(owner, mark)
            }
        }
    }

    /// The marks with this digest, those staged before included.
    fn marks_of(&self, owner: &Owner, digest: &Digest) -> crate::Result<Vec<SheetMark>> {
        let mut sheets: BTreeSet<u64> = self.sheets.with(owner, digest).collect();
        for staged in [&self.own, self.earlier] {
            let staged = staged.marks.iter();
            sheets.extend(
                staged
                    .filter(|(of, mark, _)| mark == digest && of == owner)
                    .map(|(_, _, sheet)| *sheet),
            );
        }
        let mut found = Vec::new();
        for number in sheets {
            if let Some(sheet) = self.read(&owner.sheet(number))? {
                let marks = marks::read_sheet(owner.is_rate(), &sheet)?;
                found.extend(marks.into_iter().filter(|mark| mark.digest == *digest));
            }
        }
        Ok(found)
    }

    fn put_mark(&mut self, owner: Owner, mark: SheetMark) -> Step<()> {
        let staged = [&self.own, self.earlier];
        let last = staged
            .iter()
            .find_map(|staged| staged.sheets.get(&owner).copied());
        let last = last.unwrap_or_else(|| self.sheets.last(&owner));
        let sheet = self.read(&owner.sheet(last))?;
        let (number, octets) = marks::added(&owner, last, sheet.as_deref(), mark)?;
        self.put(owner.sheet(number), octets);
        self.own.marks.push((owner.clone(), mark.digest, number));
        self.own.sheets.insert(owner, number);
        Ok(())
    }

    fn count(&mut self, profile: &str, name: &str, by: u64) -> Step<()> {
        let key = Kind::Counters.name(profile);
        let mut all: BTreeMap<String, u64> = match self.read(&key)? {
            Some(octets) => wire::decode("counters", &octets)?,
            None => BTreeMap::new(),
        };
        let total = all.entry(name.to_owned()).or_default();
        *total = total.saturating_add(by);
        let octets = wire::encode("counters", &all)?;
        self.put(key, octets);
        Ok(())
    }

    fn token(&self, id: &str) -> Step<Option<TokenRecord>> {
        match self.read(&Kind::Token.name(id))? {
            Some(octets) => Ok(Some(wire::decode_token(id, &octets)?)),
            None => Ok(None),
        }
    }

    /// As [`put_token`](Self::put_token), unless the token is new and its name is not.
    fn put_named_token(&mut self, token: &TokenRecord) -> Step<()> {
        if self.token(&token.id)?.is_none() {
            let mut known: BTreeMap<String, TokenRecord> = BTreeMap::new();
            let staged = self.earlier.tokens.iter().chain(&self.own.tokens).cloned();
            for token in self.state.tokens().into_iter().chain(staged) {
                known.insert(token.id.clone(), token);
            }
            let taken =
                |other: &TokenRecord| other.name == token.name && other.usable_at(token.created_at);
            if known.values().any(taken) {
                return Err(Conflict::TokenName {
                    name: token.name.clone(),
                }
                .into());
            }
        }
        self.put_token(token.clone())
    }

    fn put_token(&mut self, token: TokenRecord) -> Step<()> {
        self.put(Kind::Token.name(&token.id), wire::encode_token(&token)?);
        self.own.tokens.push(token);
        Ok(())
    }

    fn put_crl(&mut self, record: &CrlRecord) -> Step<()> {
        let key = Kind::Crl.name(&record.issuer_id);
        if let Some(octets) = self.read(&key)? {
            let stored = wire::decode_crl(&record.issuer_id, &octets)?.number;
            if stored >= record.number {
                return Err(Conflict::CrlNumber {
                    issuer_id: record.issuer_id.clone(),
                    stored,
                    offered: record.number,
                }
                .into());
            }
        }
        self.put(key, wire::encode_crl(record)?);
        Ok(())
    }

    fn certificate_number(&self, digest: &Digest) -> Option<u64> {
        [&self.own, self.earlier]
            .iter()
            .find_map(|staged| staged.certificate_numbers.get(digest).copied())
            .or_else(|| self.state.by_serial.find(digest))
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.own.writes.insert(key, Some(value));
    }

    /// What will be stored under the key once everything staged so far is.
    fn read(&self, key: &[u8]) -> crate::Result<Option<IVec>> {
        for staged in [&self.own, self.earlier] {
            if let Some(value) = staged.writes.get(key) {
                return Ok(value.as_deref().map(IVec::from));
            }
        }
        self.engine.get(key)
    }
}
