//! Challenges: which are open, in memory; and the searches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::SledStore;
use super::keys::{Kind, id_of};
use super::tables::Digest;
use super::wire;
use crate::{ChallengeCounts, ChallengeQuery, ChallengeRecord, Challenges, Result, StoreTime};

/// Counters of a profile.
pub(super) mod names {
    pub(in crate::sled_store) const MADE: &str = "challenges_made";
    pub(in crate::sled_store) const USED: &str = "challenges_used";
    pub(in crate::sled_store) const EXPIRED: &str = "challenges_expired";
    pub(in crate::sled_store) const WITHDRAWN: &str = "challenges_withdrawn";
}

/// A search looks at so many challenges at most.
const LOOKED_AT: usize = 20_000;
/// Challenges on a page where none are asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1000;

/// What is known in memory of a challenge that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) profile: String,
    /// Microseconds since 1970.
    pub(super) until: i64,
}

impl Open {
    pub(super) fn of(record: &ChallengeRecord) -> Self {
        Self {
            profile: record.profile.clone(),
            until: wire::micros(record.until),
        }
    }
}

/// The open challenges, those included whose time has passed and that were not let go of yet.
#[derive(Debug, Default)]
pub(super) struct OpenChallenges {
    by_digest: HashMap<Digest, Open>,
    by_end: BTreeMap<String, BTreeSet<(i64, Digest)>>,
}

impl OpenChallenges {
    /// `None`: it is open no longer.
    pub(super) fn put(&mut self, digest: Digest, open: Option<Open>) {
        if let Some(before) = self.by_digest.remove(&digest)
            && let Some(ends) = self.by_end.get_mut(&before.profile)
        {
            ends.remove(&(before.until, digest));
            if ends.is_empty() {
                self.by_end.remove(&before.profile);
            }
        }
        if let Some(open) = open {
            let ends = self.by_end.entry(open.profile.clone()).or_default();
            ends.insert((open.until, digest));
            self.by_digest.insert(digest, open);
        }
    }

    /// How many of a profile can be used at `now` (microseconds since 1970), with what is staged.
    pub(super) fn count(
        &self,
        profile: &str,
        now: i64,
        staged: &[&Vec<(Digest, Option<Open>)>],
    ) -> u64 {
        let ends = self.by_end.get(profile);
        let over = ends.map_or(0, |ends| ends.range(..=(now, [u8::MAX; 16])).count());
        let mut open = ends.map_or(0, BTreeSet::len) - over;
        for (digest, change) in staged.iter().flat_map(|one| one.iter()) {
            match change {
                Some(new) if new.profile == profile => open += 1,
                Some(_) => {}
                None => {
                    let of_profile = |known: &Open| known.profile == profile && known.until > now;
                    let known = self.by_digest.get(digest).is_some_and(of_profile);
                    open = open.saturating_sub(usize::from(known));
                }
            }
        }
        open as u64
    }

    /// Some of those whose time has passed at `now` (microseconds since 1970), of a profile or, without one, of all.
    pub(super) fn over(&self, profile: Option<&str>, now: i64, most: usize) -> Vec<(Digest, Open)> {
        let of_one = profile.map(|profile| self.by_end.get(profile));
        let of_all = of_one.is_none().then(|| self.by_end.values());
        let over = of_one
            .flatten()
            .into_iter()
            .chain(of_all.into_iter().flatten())
            .flat_map(|ends| ends.range(..=(now, [u8::MAX; 16])));
        let over = over.filter_map(|(_, digest)| {
            let open = self.by_digest.get(digest)?;
            Some((*digest, open.clone()))
        });
        over.take(most).collect()
    }

    pub(super) fn len(&self) -> u64 {
        self.by_digest.len() as u64
    }
}

impl SledStore {
    pub(super) fn find_challenge(&self, digest: &Digest) -> Result<Option<ChallengeRecord>> {
        let octets = self.engine.get(&Kind::Challenge.digest(digest))?;
        octets
            .map(|octets| wire::decode_challenge(&octets))
            .transpose()
    }

    pub(super) fn find_challenges(
        &self,
        query: &ChallengeQuery,
        time: StoreTime,
    ) -> Result<Challenges> {
        let limit = match query.limit {
            0 => PAGE,
            limit => limit.min(PAGE_MAX),
        };
        let mut end = match query.before {
            Some(number) => Kind::ChallengeOrder.id(number),
            None => vec![Kind::ChallengeOrder.letter() + 1],
        };
        let mut all = Challenges::default();
        for _ in 0..LOOKED_AT {
            let start = [Kind::ChallengeOrder.letter()];
            let Some((key, digest)) = self.engine.last_in(&start, &end)? else {
                all.next = None;
                return Ok(all);
            };
            all.next = id_of(&key);
            end = key.to_vec();
            let digest: Digest = digest.as_ref().try_into().unwrap_or_default();
            // One that is gone was let go of since.
            let Some(record) = self.find_challenge(&digest)? else {
                continue;
            };
            let state = record.state(time.wall(), time.passed());
            let profile = query.profile.as_ref();
            if profile.is_none_or(|profile| *profile == record.profile)
                && query.state.is_none_or(|wanted| wanted == state)
            {
                all.found.push(record);
            }
            if all.found.len() >= limit {
                return Ok(all);
            }
        }
        Ok(all)
    }

    pub(super) fn count_challenges(
        &self,
        profile: &str,
        time: StoreTime,
    ) -> Result<ChallengeCounts> {
        let open = {
            let state = self.state();
            let passed = wire::micros(time.passed());
            state.challenges.count(profile, passed, &[])
        };
        let counted: BTreeMap<String, u64> = match self.engine.get(&Kind::Counters.name(profile))? {
            Some(octets) => wire::decode("counters", &octets)?,
            None => BTreeMap::new(),
        };
        let of = |name: &str| counted.get(name).copied().unwrap_or_default();
        Ok(ChallengeCounts {
            open,
            made: of(names::MADE),
            used: of(names::USED),
            expired: of(names::EXPIRED),
            withdrawn: of(names::WITHDRAWN),
        })
    }
}
