//! Changes on their way to disk: what they will write, checked against what is stored and
//! against each other.

mod challenges;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sled::IVec;

use super::chain;
use super::engine::Engine;
use super::keys::Kind;
use super::mark_pages::MarkPages;
use super::marks::{self, Owner, PageMark};
use super::staged::{StagedMark, StagedWrites};
use super::state::State;
use super::tables::{Digest, EnrollmentEntry, certificate_digest, enrollment_digest};
use super::wire;
use crate::{
    CaId, CertificateRecord, Change, Committed, Conflict, CrlRecord, EnrollmentRecord, Error,
    Notice, ON_HOLD, Op, Reservation, Revocation, TokenRecord,
};

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
    pages: &'a MarkPages,
    earlier: &'a StagedWrites,
    /// Microseconds since 1970.
    now: i64,
    own: StagedWrites,
    done: Committed,
}

impl<'a> Stage<'a> {
    /// Stages a change; nothing is kept of one that is refused. What has passed its time at `now`
    /// (microseconds since 1970) refuses none.
    pub(super) fn change(
        engine: &'a Engine,
        state: &'a State,
        pages: &'a MarkPages,
        earlier: &'a StagedWrites,
        change: &Change,
        now: i64,
    ) -> Step<(StagedWrites, Committed)> {
        let own = StagedWrites::new(earlier.next);
        let mut stage = Self {
            engine,
            state,
            pages,
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
                ca,
                serial,
                at,
                reason,
            } => self.revoke(
                ca,
                serial,
                Revocation {
                    at: *at,
                    reason: *reason,
                },
            ),
            Op::Release { ca, serial } => self.release(ca, serial),
            Op::PutEnrollment(record) => self.put_enrollment(record),
            Op::PutNotice(notice) => self.put_notice(notice),
            Op::DelayNotice { id, due } => self.delay_notice(*id, *due),
            Op::NoticeDone { id } => self.notice_done(*id),
            Op::Reserve(reservation) => self.reserve(reservation),
            Op::PutChallenge { record, most } => self.put_challenge(record, *most),
            Op::UseChallenge { digest, at } => self.use_challenge(digest, *at),
            Op::WithdrawChallenge { digest, at } => self.withdraw_challenge(digest, *at),
            Op::SweepChallenges => self.sweep_challenges(),
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
        let digest = certificate_digest(&record.ca, &record.serial);
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

    fn revoke(&mut self, ca: &CaId, serial: &[u8], revocation: Revocation) -> Step<()> {
        let (number, before) = self.revocation(ca, serial)?;
        let for_good =
            |before: &Revocation| before.reason == ON_HOLD && revocation.reason != ON_HOLD;
        if before.is_some_and(|before| !for_good(&before)) {
            return Err(Conflict::AlreadyRevoked {
                serial: hex::encode(serial),
            }
            .into());
        }
        let missing = || Error::Corrupt {
            what: format!("certificate {number} is missing"),
        };
        let facts = self.read(&Kind::Certificate.id(number))?;
        let facts = facts.ok_or_else(missing)?;
        let octets =
            wire::encode_revocation(&revocation, &wire::CertificateFacts::decode(&facts)?)?;
        self.put(Kind::Revocation.id(number), octets);
        self.own.revoked.push((*ca, number, true));
        Ok(())
    }

    fn release(&mut self, ca: &CaId, serial: &[u8]) -> Step<()> {
        let (number, before) = self.revocation(ca, serial)?;
        if before.is_none_or(|before| before.reason != ON_HOLD) {
            return Err(Conflict::NotOnHold {
                serial: hex::encode(serial),
            }
            .into());
        }
        self.own.writes.insert(Kind::Revocation.id(number), None);
        self.own.revoked.push((*ca, number, false));
        Ok(())
    }

    /// The number of this certificate, and its revocation.
    fn revocation(&self, ca: &CaId, serial: &[u8]) -> Step<(u64, Option<Revocation>)> {
        let digest = certificate_digest(ca, serial);
        let Some(number) = self.certificate_number(&digest) else {
            return Err(Conflict::UnknownCertificate {
                ca: *ca,
                serial: hex::encode(serial),
            }
            .into());
        };
        let octets = self.read(&Kind::Revocation.id(number))?;
        let before = octets.map(|octets| wire::decode_revocation(&octets));
        Ok((number, before.transpose()?))
    }

    fn put_enrollment(&mut self, record: &EnrollmentRecord) -> Step<()> {
        let key = enrollment_digest(&record.profile, &record.key);
        let poll = enrollment_digest(&record.profile, &record.poll_key);
        let (number, stored) = match self.enrollment_number(&key)? {
            Some((_, stored)) if record.version == 0 => {
                return Err(Conflict::EnrollmentExists { stored }.into());
            }
            Some(known) => known,
            None => {
                let number = self.own.next.enrollment;
                self.own.next.enrollment = number.saturating_add(1);
                (number, 0)
            }
        };
        if stored != record.version {
            let offered = record.version;
            return Err(Conflict::EnrollmentMoved { stored, offered }.into());
        }
        let version = stored.saturating_add(1);
        let octets = wire::encode_enrollment(record, version)?;
        self.put(Kind::Enrollment.id(number), octets);
        if record.stage.is_open() {
            self.put(Kind::Unfinished.id(number), Vec::new());
        } else if stored > 0 {
            self.own.writes.insert(Kind::Unfinished.id(number), None);
        }
        self.own.enrollment_numbers.insert(key, (number, version));
        self.own.enrollments.push(EnrollmentEntry {
            number,
            key,
            poll,
            open: super::tables::Open::of(record),
        });
        Ok(())
    }

    /// The number and the version of the enrollment with this digest.
    fn enrollment_number(&self, key: &Digest) -> crate::Result<Option<(u64, u64)>> {
        let staged = [&self.own, self.earlier];
        let staged = staged
            .iter()
            .find_map(|staged| staged.enrollment_numbers.get(key).copied());
        if staged.is_some() {
            return Ok(staged);
        }
        let Some(number) = self.state.enrollments.by_key.find(key) else {
            return Ok(None);
        };
        match self.engine.get(&Kind::Enrollment.id(number))? {
            Some(octets) => {
                let version = wire::EnrollmentView::decode(&octets)?.version;
                Ok(Some((number, version)))
            }
            None => Err(Error::Corrupt {
                what: format!("enrollment {number} is missing"),
            }),
        }
    }

    fn put_notice(&mut self, notice: &Notice) -> Step<()> {
        let id = self.own.next.notice;
        self.own.next.notice = id.saturating_add(1);
        self.put(Kind::Notice.id(id), wire::encode_notice(notice)?);
        self.put(last_notice_key(), id.to_be_bytes().to_vec());
        self.own.notices.push((id, Some(wire::micros(notice.due))));
        self.done.notice_ids.push(id);
        Ok(())
    }

    fn delay_notice(&mut self, id: u64, due: DateTime<Utc>) -> Step<()> {
        let key = Kind::Notice.id(id);
        let octets = self.read(&key)?.ok_or(Conflict::UnknownNotice { id })?;
        let mut notice = wire::decode_notice(&octets)?;
        notice.due = due;
        notice.attempts = notice.attempts.saturating_add(1);
        self.put(key, wire::encode_notice(&notice)?);
        self.own.notices.push((id, Some(wire::micros(due))));
        Ok(())
    }

    fn notice_done(&mut self, id: u64) -> Step<()> {
        let key = Kind::Notice.id(id);
        self.read(&key)?.ok_or(Conflict::UnknownNotice { id })?;
        self.own.writes.insert(key, None);
        self.own.notices.push((id, None));
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
                let mark = PageMark {
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
                let mark = PageMark {
                    digest: *key,
                    until: wire::micros(until.unwrap_or(DateTime::<Utc>::MAX_UTC)),
                    at: wire::micros(*at),
                };
                self.put_mark(owner, mark)
            }
        }
    }

    /// The marks with this digest, those staged before included.
    fn marks_of(&self, owner: &Owner, digest: &Digest) -> crate::Result<Vec<PageMark>> {
        let mut pages: BTreeSet<u64> = self.pages.with(owner, digest).collect();
        for staged in [&self.own, self.earlier] {
            let staged = staged.marks.iter();
            pages.extend(
                staged
                    .filter(|mark| mark.digest == *digest && mark.owner == *owner)
                    .map(|mark| mark.page),
            );
        }
        let mut found = Vec::new();
        for number in pages {
            if let Some(page) = self.read(&owner.page(number))? {
                let marks = marks::read_page(owner.is_rate(), &page)?;
                found.extend(marks.into_iter().filter(|mark| mark.digest == *digest));
            }
        }
        Ok(found)
    }

    fn put_mark(&mut self, owner: Owner, mark: PageMark) -> Step<()> {
        let staged = [&self.own, self.earlier];
        let last = staged
            .iter()
            .find_map(|staged| staged.pages.get(&owner).copied());
        let last = last.unwrap_or_else(|| self.pages.last(&owner));
        let page = self.read(&owner.page(last))?;
        let (number, octets) = marks::added(&owner, last, page.as_deref(), mark)?;
        self.put(owner.page(number), octets);
        self.own.marks.push(StagedMark {
            owner: owner.clone(),
            digest: mark.digest,
            page: number,
            until: mark.until,
        });
        self.own.pages.insert(owner, number);
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
        let key = Kind::Crl.name(&record.ca.to_string());
        if let Some(octets) = self.read(&key)? {
            let stored = wire::decode_crl(record.ca, &octets)?.number;
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
            .or_else(|| self.state.certificate(digest))
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

/// Where the number of the last notice is kept, so that none is given twice.
pub(super) fn last_notice_key() -> Vec<u8> {
    Kind::Meta.name("last notice")
}
