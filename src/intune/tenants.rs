//! The tenants of a server. One whose settings stay the same is kept over a reload, with its tokens and what it has seen.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actors::{Metrics, SharedClock};
use intune_cloud::{Credential, Observer, Settings, Step, Tenant};
use outbound::{Client, Options, Trust, Url};
use zeroize::Zeroizing;

use crate::checks::{LoadedCredential, LoadedTenant, assertions};

/// A tenant that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("tenant `{id}`: {reason}")]
pub struct TenantError {
    id: String,
    reason: String,
}

/// The tenants that are in force.
#[derive(Default)]
pub struct Tenants(Mutex<BTreeMap<String, (LoadedTenant, Arc<Tenant>)>>);

/// Tenants by their id.
pub type ById = BTreeMap<String, Arc<Tenant>>;

impl Tenants {
    /// The tenants of a configuration: those of before where nothing has changed, else new ones.
    ///
    /// # Errors
    /// [`TenantError`]: a client cannot be set up.
    pub fn prepare(
        &self,
        loaded: &[LoadedTenant],
        clock: &SharedClock,
        metrics: &Metrics,
    ) -> Result<ById, TenantError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = loaded.iter().map(|tenant| {
            let id = tenant.settings.id.clone();
            let same = known.get(&id).filter(|(before, _)| before == tenant);
            let ready = match same {
                Some((_, ready)) => Arc::clone(ready),
                None => Arc::new(one(tenant, clock, metrics)?),
            };
            Ok((id, ready))
        });
        each.collect()
    }

    /// Puts tenants in force.
    pub fn apply(&self, loaded: &[LoadedTenant], ready: &ById) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = loaded
            .iter()
            .filter_map(|tenant| {
                let id = &tenant.settings.id;
                let ready = Arc::clone(ready.get(id)?);
                Some((id.clone(), (tenant.clone(), ready)))
            })
            .collect();
    }

    /// The tenants in force, in the order of their ids.
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|(_, ready)| Arc::clone(ready)).collect()
    }
}

/// One tenant, ready to be asked.
pub(crate) fn one(
    loaded: &LoadedTenant,
    clock: &SharedClock,
    metrics: &Metrics,
) -> Result<Tenant, TenantError> {
    let settings = &loaded.settings;
    let wrong = |reason: String| TenantError {
        id: settings.id.clone(),
        reason,
    };
    let trust = match &loaded.ca_bundle {
        None => Trust::System,
        Some(roots) => Trust::Roots(roots.iter().map(|root| root.der().to_vec()).collect()),
    };
    let mut options = Options::new(trust);
    options.proxy = match &settings.proxy {
        None => None,
        Some(proxy) => Some(
            Url::parse(proxy.as_str()).map_err(|_| wrong("its proxy is no address".to_owned()))?,
        ),
    };
    let mut direct = options.clone();
    direct.proxy = None;
    let client = |options| Client::new(options).map_err(|error| wrong(error.to_string()));
    let credential = match &loaded.credential {
        LoadedCredential::Secret(secret) => {
            Credential::Secret(Zeroizing::new(secret.expose().to_owned()))
        }
        LoadedCredential::Certificate(pair) => Credential::Certificate(Box::new(
            assertions(pair, settings.assertion).map_err(|error| wrong(error.to_string()))?,
        )),
        LoadedCredential::Federated(path) => Credential::Federated(path.clone()),
        LoadedCredential::Managed(identity) => Credential::Managed(identity.clone()),
    };
    Ok(Tenant::new(Settings {
        id: settings.id.clone(),
        tenant: settings.tenant.clone(),
        client_id: settings.client_id.clone(),
        credential,
        places: loaded.places.clone(),
        client: client(options)?,
        direct: client(direct)?,
        clock: Arc::new(Time(Arc::clone(clock))),
        observer: Arc::new(Counting(metrics.clone())),
        secret_expires: loaded.credential_ends.map(|ends| ends.timestamp()),
    }))
}

/// The server's clock.
struct Time(SharedClock);

impl intune_cloud::Clock for Time {
    fn now(&self) -> i64 {
        self.0.now().timestamp()
    }

    fn instant(&self) -> Instant {
        self.0.instant()
    }

    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.wait_until(self.0.instant() + time)
    }
}

/// Calls and codes as metrics.
struct Counting(Metrics);

impl Observer for Counting {
    fn called(&self, tenant: &str, step: Step, result: &'static str, took: Duration) {
        let labels = [("tenant", tenant), ("step", step.as_str())];
        self.0
            .histogram("scepd_intune_seconds", &labels)
            .record(took.as_secs_f64());
        let [tenant, step] = labels;
        self.0
            .counter(
                "scepd_intune_calls_total",
                &[tenant, step, ("result", result)],
            )
            .increment(1);
    }

    fn judged(&self, tenant: &str, code: &str) {
        self.0
            .counter(
                "scepd_intune_codes_total",
                &[("tenant", tenant), ("code", code)],
            )
            .increment(1);
    }
}
