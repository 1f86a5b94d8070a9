//! What an enrollment takes along when it leaves the actor: immutable, or safe to share.

use crate::audit_sampler::AuditSampler;
use crate::budget::Budget;
use crate::challenges::Challenges;
use crate::clock::SharedClock;
use crate::commit_barrier::CommitBarrier;
use crate::compromised::CompromisedKeys;
use crate::compute::ComputePool;
use crate::crl::Crls;
use crate::journal::Journal;
use crate::limits::RequestGate;
use crate::meters::Meters;
use crate::outside::{Remote, Remotes};
use crate::peers::Peers;
use crate::primality::Primality;
use crate::registry::Metrics;
use crate::remote_issuers::RemoteIssuers;
use crate::spec::ProfileSpec;
use crate::store_clock::StoreClock;
use challenge::{OneTime, Validator};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use store::{EnrollmentRecord, Store};

/// What all profiles use together. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The durable store.
    pub store: Arc<dyn Store>,
    /// The only way to write into it.
    pub journal: Journal,
    /// Where RSA happens.
    pub pool: ComputePool,
    /// The time.
    pub clock: SharedClock,
    /// The time for the store, by which things are forgotten.
    pub time: Arc<StoreClock>,
    /// Each issuer's newest CRL.
    pub crls: Crls,
    /// The issuers that are somewhere else.
    pub remotes: RemoteIssuers,
    /// Keys that get no certificate any more.
    pub compromised: CompromisedKeys,
    /// Challenges that are made for one device.
    pub challenges: Challenges,
    /// What this process is called where enrollments are held by one node of several.
    pub node: Arc<str>,
    /// What profiles have to know of each other.
    pub(crate) peers: Peers,
    /// What may be spent on looking for prime moduli.
    pub(crate) primality: Arc<Primality>,
    /// Where metrics are kept.
    pub metrics: Metrics,
}

impl Services {
    /// Whether anything can become durable. Never waits.
    pub(crate) fn is_writable(&self) -> bool {
        self.store.writable() && self.journal.is_alive()
    }
}

/// One profile as an enrollment sees it from its beginning to its end, whatever is reloaded
/// meanwhile.
pub(crate) struct Shared {
    pub(crate) spec: Arc<ProfileSpec>,
    pub(crate) services: Services,
    pub(crate) barrier: CommitBarrier,
    pub(crate) refusals: Arc<AuditSampler>,
    /// Sources that were turned away.
    pub(crate) lockouts: Arc<AuditSampler>,
    pub(crate) garbage: Arc<AuditSampler>,
    pub(crate) verified: Arc<Budget>,
    pub(crate) behind_lock_out: Arc<RequestGate>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) remotes: Arc<Remotes>,
    /// Held by who sends the profile's notices.
    pub(crate) outbox: Arc<tokio::sync::Mutex<()>>,
    /// Where challenges are made for one device.
    pub(crate) one_time: Option<OneTime>,
}

/// The validator of challenges that are made for one device, where the profile has them.
pub(crate) fn one_time(spec: &ProfileSpec, services: &Services) -> Option<OneTime> {
    let rules = spec.one_time.as_ref()?;
    let names = spec.names().map(str::to_owned).collect();
    let alone = spec.validators.is_empty() && spec.challenge.is_none();
    Some(OneTime::new(
        services.challenges.of_profile(names),
        spec.challenge.clone().unwrap_or_default(),
        alone,
        rules.alphabet,
        &rules.certificate_profile,
    ))
}

impl Shared {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// The request with this key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn enrollment(&self, key: &[u8; 16]) -> store::Result<Option<EnrollmentRecord>> {
        self.under_each_name(|store, name| store.enrollment(name, key))
    }

    /// The newest request with this poll key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn enrollment_by_poll(
        &self,
        poll_key: &[u8; 16],
    ) -> store::Result<Option<EnrollmentRecord>> {
        self.under_each_name(|store, name| store.enrollment_by_poll(name, poll_key))
    }

    fn under_each_name(
        &self,
        look: impl Fn(&dyn Store, &str) -> store::Result<Option<EnrollmentRecord>>,
    ) -> store::Result<Option<EnrollmentRecord>> {
        for name in self.spec.names() {
            let found = look(&*self.services.store, name)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The time that has surely passed: what ends for good ends by it.
    pub(crate) fn passed(&self) -> DateTime<Utc> {
        self.services.time.now().passed()
    }

    /// Somebody outside, by name.
    pub(crate) fn remote(&self, name: &str) -> Arc<Remote> {
        self.remotes.of(name)
    }

    /// Who decides on a challenge: the first validator whose shape fits.
    pub(crate) fn validator(&self, challenge: Option<&str>) -> Option<&dyn Validator> {
        let spec = &self.spec;
        let signed = spec
            .intune
            .iter()
            .map(|intune| &intune.signed as &dyn Validator);
        let made = self.one_time.iter().map(|made| made as &dyn Validator);
        let others = spec.validators.iter().map(|validator| &**validator);
        let fixed = spec.challenge.iter().map(|fixed| fixed as &dyn Validator);
        signed
            .chain(made)
            .chain(others)
            .chain(fixed)
            .find(|validator| validator.recognises(challenge))
    }

    pub(crate) fn with_spec(&self, spec: Arc<ProfileSpec>) -> Self {
        Self {
            one_time: one_time(&spec, &self.services),
            spec,
            services: self.services.clone(),
            barrier: self.barrier.clone(),
            refusals: Arc::clone(&self.refusals),
            lockouts: Arc::clone(&self.lockouts),
            garbage: Arc::clone(&self.garbage),
            verified: Arc::clone(&self.verified),
            behind_lock_out: Arc::clone(&self.behind_lock_out),
            meters: Arc::clone(&self.meters),
            remotes: Arc::clone(&self.remotes),
            outbox: Arc::clone(&self.outbox),
        }
    }
}
