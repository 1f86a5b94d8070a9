//! Challenges that are made for one device: made, looked up, withdrawn. What one is taken by is a reservation of the
//! profile's actor, as with every other challenge; here is what the store keeps of them.

mod events;

use crate::bucket::Bucket;
use crate::clock::SharedClock;
use crate::journal::{Journal, JournalError};
use crate::messages::Origin;
use crate::registry::Metrics;
use crate::spec::OneTimeRules;
use crate::store_clock::StoreClock;
use challenge::{Binding, ChallengeKey, Made, Standing};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::{
    ChallengeCounts, ChallengeQuery, ChallengeRecord, ChallengeState, Challenges as Found, Change,
    Conflict, Op, Store,
};
use zeroize::Zeroizing;

/// Where the key of their digests is kept.
const KEY: &str = "one-time challenges: key";
/// How often another value is drawn when one is taken already.
const DRAWS: usize = 4;
/// The most certificates that one challenge may be good for.
pub const MOST_USES: u32 = 1000;
/// Clients whose rate is remembered, of all profiles; when there are more, those that did not come lately are forgotten.
const CLIENTS: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What is wanted of a new challenge.
#[derive(Debug, Clone)]
pub struct ChallengeWish {
    /// The profile (path id) that it is for.
    pub profile: String,
    /// For how long it is to be good; `None`: as long as the profile says.
    pub lifetime: Option<Duration>,
    /// How many certificates it is to be good for.
    pub uses: u32,
    /// What it is to be bound to.
    pub binding: Binding,
    /// By which way it is asked for: `api`, `cli`, `jamf`, ...
    pub interface: &'static str,
    /// How many a minute this client may have, where that is not the profile's rule.
    pub per_minute: Option<u32>,
    /// What else the client said, for the audit.
    pub note: Option<String>,
}

/// Who asks, for the audit.
#[derive(Debug, Clone)]
pub struct Minter {
    /// The name of a token, a person or an MDM.
    pub name: String,
    /// What kind of caller that is (`APIKey`, `MDM`, ...).
    pub kind: String,
    /// Where the request came from; `None`: from this machine.
    pub origin: Option<Origin>,
}

/// A new challenge. Has no Debug: it holds the value, which is nowhere else.
pub struct NewChallenge {
    /// The challenge itself.
    pub value: Zeroizing<String>,
    /// What is kept of it.
    pub record: ChallengeRecord,
}

/// Why there is no new challenge, or why one was not withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// As many are open as may be.
    #[error(
        "profile `{profile}` has {open} open challenges, and one_time.max_open allows no more; wait until some are used or end, or \
         withdraw some"
    )]
    Full {
        /// The profile.
        profile: String,
        /// How many are open.
        open: u64,
    },
    /// The client has had as many as it may for now.
    #[error(
        "{client} has had {limit} challenges made within a minute, which is the most; try again in {after} s"
    )]
    TooOften {
        /// Who.
        client: String,
        /// How many it may have a minute.
        limit: u32,
        /// When to come again, in seconds.
        after: u64,
    },
    /// What is wanted is not possible.
    #[error("{0}")]
    Request(String),
    /// There is no such challenge.
    #[error("there is no such challenge")]
    Unknown,
    /// It has ended already.
    #[error("the challenge has ended already: it is {0}")]
    Ended(&'static str),
    /// The store or the operating system failed.
    #[error("{0}; try again")]
    Failed(String),
}

/// The challenges of all profiles. Cheap to clone.
#[derive(Clone)]
pub struct Challenges(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    journal: Journal,
    time: Arc<StoreClock>,
    clock: SharedClock,
    metrics: Metrics,
    key: OnceLock<ChallengeKey>,
    making_key: tokio::sync::Mutex<()>,
    clients: Mutex<HashMap<(String, String), Bucket>>,
}

impl Challenges {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        journal: Journal,
        time: Arc<StoreClock>,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            journal,
            time,
            clock,
            metrics,
            key: OnceLock::new(),
            making_key: tokio::sync::Mutex::new(()),
            clients: Mutex::default(),
        }))
    }

    /// Makes a challenge. Once this returns, it is durable.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub async fn make(
        &self,
        rules: &OneTimeRules,
        wish: &ChallengeWish,
        by: &Minter,
    ) -> Result<NewChallenge, ChallengeError> {
        let made = self.try_make(rules, wish, by).await;
        let result = match &made {
            Ok(_) => "made",
            Err(ChallengeError::Full { .. }) => "full",
            Err(ChallengeError::TooOften { .. }) => "too_often",
            Err(ChallengeError::Request(_)) => "bad_request",
            Err(_) => "failed",
        };
        let labels = [
            ("profile", wish.profile.as_str()),
            ("interface", wish.interface),
            ("result", result),
        ];
        let counter = self
            .0
            .metrics
            .counter("scepd_challenges_asked_total", &labels);
        counter.increment(1);
        if let Err(error @ (ChallengeError::Full { .. } | ChallengeError::TooOften { .. })) = &made
        {
            tracing::warn!(
                profile = wish.profile,
                interface = wish.interface,
                client = by.name,
                "a challenge was not made: {error}"
            );
        }
        made
    }

    async fn try_make(
        &self,
        rules: &OneTimeRules,
        wish: &ChallengeWish,
        by: &Minter,
    ) -> Result<NewChallenge, ChallengeError> {
        let lifetime = check(rules, wish)?;
        let limit = wish.per_minute.unwrap_or(rules.per_client_per_minute);
        self.admit(wish, by, limit)?;
        let key = self.key().await?;
        let bound = serde_json::to_vec(&wish.binding);
        let bound = bound.map_err(|error| ChallengeError::Failed(error.to_string()))?;
        let (now, time) = (self.0.clock.now(), self.0.time.now());
        let end = |from: DateTime<Utc>| from.checked_add_signed(lifetime).unwrap_or(from);
        for _ in 0..DRAWS {
            let value = ChallengeKey::make(rules.length, rules.alphabet);
            let value = value.map_err(|error| ChallengeError::Failed(error.to_string()))?;
            let record = ChallengeRecord {
                digest: key.digest(&value),
                number: 0,
                profile: wish.profile.clone(),
                by: by.name.clone(),
                interface: wish.interface.to_owned(),
                bound: bound.clone(),
                uses: wish.uses,
                used: 0,
                created: now,
                expires: end(now),
                until: end(time.passed()),
                last_used: None,
                withdrawn: None,
            };
            let event = events::made(&record, wish, by, now);
            let mut change = Change::new();
            change.push(Op::PutChallenge {
                record: Box::new(record.clone()),
                most: rules.max_open,
            });
            change.push(event);
            match self.0.journal.commit(change, None).await {
                Ok(_) => return Ok(NewChallenge { value, record }),
                Err(JournalError::Conflict(Conflict::ChallengeExists)) => {}
                Err(JournalError::Conflict(Conflict::ChallengesFull { profile, open })) => {
                    return Err(ChallengeError::Full { profile, open });
                }
                Err(error) => return Err(ChallengeError::Failed(error.to_string())),
            }
        }
        let words = "every value that was drawn was taken; one_time.length is too short";
        Err(ChallengeError::Failed(words.to_owned()))
    }

    /// Counts a client's challenges: from one client no more may come than so many a minute.
    fn admit(&self, wish: &ChallengeWish, by: &Minter, limit: u32) -> Result<(), ChallengeError> {
        if limit == 0 {
            return Ok(());
        }
        let now = self.0.clock.instant();
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS {
            clients.retain(|_, bucket| !bucket.is_full(now));
        }
        let client = (wish.profile.clone(), by.name.clone());
        if clients.entry(client).or_default().take(limit, MINUTE, now) {
            return Ok(());
        }
        Err(ChallengeError::TooOften {
            client: by.name.clone(),
            limit,
            after: u64::from(60 / limit).max(1),
        })
    }

    /// Withdraws a challenge by its id; gives what is kept of it.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub async fn withdraw(&self, id: &str, by: &Minter) -> Result<ChallengeRecord, ChallengeError> {
        let digest = digest_of(id).ok_or(ChallengeError::Unknown)?;
        let record = self.find(digest).await?.ok_or(ChallengeError::Unknown)?;
        let now = self.0.clock.now();
        let mut change = Change::new();
        change.push(Op::WithdrawChallenge { digest, at: now });
        change.push(events::withdrawn(&record, by, now));
        match self.0.journal.commit(change, None).await {
            Ok(_) => Ok(ChallengeRecord {
                withdrawn: Some(now),
                ..record
            }),
            Err(JournalError::Conflict(Conflict::UnknownChallenge)) => Err(ChallengeError::Unknown),
            Err(JournalError::Conflict(Conflict::ChallengeEnded { state })) => {
                Err(ChallengeError::Ended(state.as_str()))
            }
            Err(error) => Err(ChallengeError::Failed(error.to_string())),
        }
    }

    /// What is kept of the challenge with this id.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub async fn show(&self, id: &str) -> Result<ChallengeRecord, ChallengeError> {
        let digest = digest_of(id).ok_or(ChallengeError::Unknown)?;
        self.find(digest).await?.ok_or(ChallengeError::Unknown)
    }

    async fn find(&self, digest: [u8; 16]) -> Result<Option<ChallengeRecord>, ChallengeError> {
        self.read(move |store, _| store.challenge(&digest)).await
    }

    /// Challenges that match, newest first.
    ///
    /// # Errors
    /// [`ChallengeError::Failed`].
    pub async fn list(&self, query: ChallengeQuery) -> Result<Found, ChallengeError> {
        self.read(move |store, time| store.challenges(&query, time))
            .await
    }

    /// How many there are of a profile.
    ///
    /// # Errors
    /// [`ChallengeError::Failed`].
    pub async fn counts(&self, profile: &str) -> Result<ChallengeCounts, ChallengeError> {
        let profile = profile.to_owned();
        self.read(move |store, time| store.challenge_counts(&profile, time))
            .await
    }

    /// Where a challenge stands now.
    #[must_use]
    pub fn state(&self, record: &ChallengeRecord) -> ChallengeState {
        let time = self.0.time.now();
        record.state(time.wall(), time.passed())
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store, store::StoreTime) -> store::Result<T> + Send + 'static,
    ) -> Result<T, ChallengeError> {
        let (store, time) = (Arc::clone(&self.0.store), self.0.time.now());
        let done = tokio::task::spawn_blocking(move || read(&*store, time)).await;
        match done {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(ChallengeError::Failed(error.to_string())),
            Err(error) => Err(ChallengeError::Failed(error.to_string())),
        }
    }

    /// The key of the digests, made when the first challenge is.
    async fn key(&self) -> Result<ChallengeKey, ChallengeError> {
        if let Some(key) = self.0.key.get() {
            return Ok(key.clone());
        }
        let _alone = self.0.making_key.lock().await;
        if let Some(key) = self.read(|store, _| store.setting(KEY)).await? {
            return self.known_key(&key).map_err(ChallengeError::Failed);
        }
        let octets = pki::random::<32>();
        let octets = octets.map_err(|error| ChallengeError::Failed(error.to_string()))?;
        let mut change = Change::new();
        change.push(Op::PutSetting {
            key: KEY.to_owned(),
            value: octets.to_vec(),
        });
        let written = self.0.journal.commit(change, None).await;
        written.map_err(|error| ChallengeError::Failed(error.to_string()))?;
        self.known_key(&octets).map_err(ChallengeError::Failed)
    }

    fn known_key(&self, octets: &[u8]) -> Result<ChallengeKey, String> {
        let octets: &[u8; 32] = octets
            .try_into()
            .map_err(|_| "the key of the one-time challenges in the store is damaged".to_owned())?;
        Ok(self.0.key.get_or_init(|| ChallengeKey::new(octets)).clone())
    }

    /// The challenges as a profile's validator looks them up; `names` are the profile's, the present one first.
    pub(crate) fn of_profile(&self, names: Vec<String>) -> Arc<dyn Made> {
        Arc::new(OfProfile {
            challenges: self.clone(),
            names,
        })
    }
}

/// For how long the challenge that is wished for is good.
fn check(rules: &OneTimeRules, wish: &ChallengeWish) -> Result<TimeDelta, ChallengeError> {
    let lifetime = wish.lifetime.unwrap_or(rules.lifetime);
    if !(1..=MOST_USES).contains(&wish.uses) {
        let words = format!("a challenge is good for 1 to {MOST_USES} certificates");
        return Err(ChallengeError::Request(words));
    }
    wish.binding.check().map_err(ChallengeError::Request)?;
    if let Some(wanted) = &wish.binding.certificate_profile
        && *wanted != rules.certificate_profile
    {
        return Err(ChallengeError::Request(format!(
            "the profile uses the certificate profile `{}`, and no other can be asked for",
            rules.certificate_profile
        )));
    }
    TimeDelta::from_std(lifetime)
        .map_err(|_| ChallengeError::Request("the lifetime is too long".to_owned()))
}

/// A challenge's id: its digest, which without the key says nothing of it.
#[must_use]
pub fn challenge_id(record: &ChallengeRecord) -> String {
    hex::encode(record.digest)
}

fn digest_of(id: &str) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    hex::decode_to_slice(id, &mut digest).ok()?;
    Some(digest)
}

struct OfProfile {
    challenges: Challenges,
    names: Vec<String>,
}

impl Made for OfProfile {
    fn find(&self, challenge: &str, _: DateTime<Utc>) -> Result<Option<Standing>, String> {
        let inner = &self.challenges.0;
        let key = match inner.key.get() {
            Some(key) => key.clone(),
            None => match inner
                .store
                .setting(KEY)
                .map_err(|error| error.to_string())?
            {
                Some(octets) => self.challenges.known_key(&octets)?,
                // None was ever made.
                None => return Ok(None),
            },
        };
        let digest = key.digest(challenge);
        let found = inner.store.challenge(&digest);
        let Some(record) = found.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let over = match self.challenges.state(&record) {
            ChallengeState::Open => None,
            state => Some(state.as_str()),
        };
        let binding = serde_json::from_slice(&record.bound)
            .map_err(|error| format!("what a challenge is bound to: {error}"))?;
        Ok(Some(Standing {
            key: record.digest,
            id: challenge_id(&record),
            other_profile: Some(record.profile).filter(|profile| !self.names.contains(profile)),
            over,
            uses: record.uses,
            expires: record.expires,
            binding,
        }))
    }
}
