//! Challenges: made, used, withdrawn, and let go of when their time is over.

use chrono::{DateTime, Utc};

use super::{Stage, Step};
use crate::sled_store::challenges::{Open, names};
use crate::sled_store::keys::{Kind, id_of};
use crate::sled_store::tables::Digest;
use crate::sled_store::wire;
use crate::{CHALLENGES_KEPT, ChallengeRecord, Conflict, Error};

/// How many are let go of in one step,
const AT_ONCE: usize = 512;
/// and whenever one is made, so that none pile up however many are made.
const WITH_EACH: usize = 4;

impl Stage<'_> {
    /// A new one, unless the profile has `most` open ones.
    pub(super) fn put_challenge(&mut self, record: &ChallengeRecord, most: u32) -> Step<()> {
        self.let_go(Some(&record.profile), WITH_EACH)?;
        let key = Kind::Challenge.digest(&record.digest);
        if self.read(&key)?.is_some() {
            return Err(Conflict::ChallengeExists.into());
        }
        let staged = [&self.own, self.earlier].map(|staged| &staged.challenges);
        let open = self
            .state
            .challenges
            .count(&record.profile, self.now, &staged);
        if open >= u64::from(most) {
            return Err(Conflict::ChallengesFull {
                profile: record.profile.clone(),
                open,
            }
            .into());
        }
        let number = self.own.next.challenge;
        self.own.next.challenge = number.saturating_add(1);
        let record = ChallengeRecord {
            number,
            ..record.clone()
        };
        self.put(key, wire::encode_challenge(&record)?);
        self.put(Kind::ChallengeOrder.id(number), record.digest.to_vec());
        let open = Open::of(&record);
        let noted = wire::encode_open_challenge(&open.profile, open.until)?;
        self.put(Kind::OpenChallenge.digest(&record.digest), noted);
        self.own.challenges.push((record.digest, Some(open)));
        self.count(&record.profile, names::MADE, 1)
    }

    /// One is used once more. Of one that is not known any more nothing is kept: what it was taken by decides.
    pub(super) fn use_challenge(&mut self, digest: &Digest, at: DateTime<Utc>) -> Step<()> {
        let Some(mut record) = self.challenge(digest)? else {
            return Ok(());
        };
        record.used = record.used.saturating_add(1);
        record.last_used = record.last_used.max(Some(at));
        if record.used >= record.uses {
            self.close_challenge(digest);
        }
        self.put_record(&record)?;
        self.count(&record.profile, names::USED, 1)
    }

    /// One that nobody may use any more.
    pub(super) fn withdraw_challenge(&mut self, digest: &Digest, at: DateTime<Utc>) -> Step<()> {
        let Some(mut record) = self.challenge(digest)? else {
            return Err(Conflict::UnknownChallenge.into());
        };
        let passed = wire::time("the time that has passed", self.now)?;
        let state = record.state(at, passed);
        if state != crate::ChallengeState::Open {
            return Err(Conflict::ChallengeEnded { state }.into());
        }
        record.withdrawn = Some(at);
        self.close_challenge(digest);
        self.put_record(&record)?;
        self.count(&record.profile, names::WITHDRAWN, 1)
    }

    /// Those whose time has passed are open no longer, and those that ended long ago are forgotten: some of each.
    pub(super) fn sweep_challenges(&mut self) -> Step<()> {
        self.let_go(None, AT_ONCE)
    }

    fn let_go(&mut self, profile: Option<&str>, most: usize) -> Step<()> {
        for (digest, open) in self.state.challenges.over(profile, self.now, most) {
            let known = self.challenge_is_staged(&digest);
            if known == Some(false) {
                continue;
            }
            self.close_challenge(&digest);
            self.count(&open.profile, names::EXPIRED, 1)?;
        }
        let kept = CHALLENGES_KEPT.num_microseconds().unwrap_or(i64::MAX);
        let end = [Kind::ChallengeOrder.letter() + 1];
        let oldest = self
            .engine
            .some_in(&[Kind::ChallengeOrder.letter()], &end, most)?;
        for (key, digest) in oldest {
            let digest: Digest = digest.as_ref().try_into().unwrap_or_default();
            if let Some(record) = self.challenge(&digest)? {
                let over = wire::micros(record.until).saturating_add(kept) <= self.now;
                if !over || id_of(&key) != Some(record.number) {
                    break;
                }
            }
            for key in [key.to_vec(), Kind::Challenge.digest(&digest)] {
                self.own.writes.insert(key, None);
            }
        }
        Ok(())
    }

    fn challenge(&self, digest: &Digest) -> Result<Option<ChallengeRecord>, Error> {
        let octets = self.read(&Kind::Challenge.digest(digest))?;
        octets
            .map(|octets| wire::decode_challenge(&octets))
            .transpose()
    }

    fn put_record(&mut self, record: &ChallengeRecord) -> Step<()> {
        let key = Kind::Challenge.digest(&record.digest);
        self.put(key, wire::encode_challenge(record)?);
        Ok(())
    }

    fn close_challenge(&mut self, digest: &Digest) {
        let key = Kind::OpenChallenge.digest(digest);
        self.own.writes.insert(key, None);
        self.own.challenges.push((*digest, None));
    }

    /// Whether a change before this one left it open; `None` where none touched it.
    fn challenge_is_staged(&self, digest: &Digest) -> Option<bool> {
        let staged = [&self.own, self.earlier];
        staged.iter().find_map(|staged| {
            let all = staged.challenges.iter().rev();
            let mut same = all.filter(|(other, _)| other == digest);
            same.next().map(|(_, open)| open.is_some())
        })
    }
}
