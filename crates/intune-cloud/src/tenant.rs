//! One tenant: its tokens, its services, and what is known of how it fares.

use crate::clock::Clock;
use crate::cloud::Places;
use crate::credential::{Credential, guid};
use crate::discovery::{Service, ServiceMap, discover};
use crate::error::{ServiceError, Step};
use crate::health::{Health, Report};
use crate::remembered::Remembered;
use crate::token::{Asker, Resource, Slot, Token};
use outbound::{Client, Request, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The application role that Intune's API wants.
pub const ROLE: &str = "scep_challenge_provider";

const NO_ROLE: &str = "the app's token has no role scep_challenge_provider: Entra admin center, App registrations, API permissions: add Intune, scep_challenge_provider (application permission), and grant admin consent; it takes a minute or so, with a managed identity up to 24 hours";

const DENIED: &str = "Entra admin center, App registrations, API permissions: Intune's scep_challenge_provider and Graph's Application.Read.All must both be there with admin consent, in the tenant of `tenant`";

const GRAPH_DENIED: &str = "Entra admin center, App registrations, API permissions: Microsoft Graph, Application.Read.All (application permission) with admin consent is missing, or was given a moment ago";

/// Who is told of calls: for metrics.
pub trait Observer: Send + Sync {
    /// A call ended: `answered`, `failed`.
    fn called(&self, tenant: &str, step: Step, result: &'static str, took: Duration);

    /// A challenge was judged: a code that is known, or `other`, or `none`.
    fn judged(&self, tenant: &str, code: &str);
}

/// Whoever is told of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn called(&self, _: &str, _: Step, _: &'static str, _: Duration) {}
    fn judged(&self, _: &str, _: &str) {}
}

/// What a tenant is made from.
pub struct Settings {
    /// Its name in the configuration.
    pub id: String,
    /// The tenant: a GUID or a domain.
    pub tenant: String,
    /// The app's id.
    pub client_id: String,
    /// What the app authenticates with.
    pub credential: Credential,
    /// Where the services are.
    pub places: Places,
    /// For all calls to Microsoft.
    pub client: Client,
    /// For calls that must not go through a proxy: managed identities.
    pub direct: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told of calls.
    pub observer: Arc<dyn Observer>,
    /// When the secret or certificate ends, in seconds since the epoch, where that is known.
    pub secret_expires: Option<i64>,
}

/// One tenant, ready to be asked.
pub struct Tenant {
    asker: Arc<Asker>,
    graph: Arc<Slot>,
    intune: Arc<Slot>,
    map: Mutex<Option<Arc<ServiceMap>>>,
    mapping: tokio::sync::Mutex<()>,
    health: Mutex<Health>,
    pub(crate) remembered: Remembered,
    secret_expires: Option<i64>,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) body: Value,
    pub(crate) request_id: String,
}

impl Tenant {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            asker: Arc::new(Asker {
                id: settings.id,
                tenant: settings.tenant,
                client_id: settings.client_id,
                credential: settings.credential,
                places: settings.places,
                client: settings.client,
                direct: settings.direct,
                clock: settings.clock,
                observer: settings.observer,
            }),
            graph: Arc::default(),
            intune: Arc::default(),
            map: Mutex::default(),
            mapping: tokio::sync::Mutex::default(),
            health: Mutex::default(),
            remembered: Remembered::default(),
            secret_expires: settings.secret_expires,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.asker.id
    }

    /// The tenant: a GUID or a domain.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.asker.tenant
    }

    /// The app's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.asker.client_id
    }

    /// Whether the app authenticates with a secret whose end is not known from the configuration.
    #[must_use]
    pub fn wants_secret_end(&self) -> bool {
        self.secret_expires.is_none() && matches!(self.asker.credential, Credential::Secret(_))
    }

    pub(crate) fn secret_begins_with(&self, hint: &str) -> bool {
        self.asker.credential.begins_with(hint)
    }

    /// Where its services are.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.asker.places
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.asker.clock
    }

    pub(crate) fn client(&self) -> &Client {
        &self.asker.client
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.asker.observer
    }

    /// How it fares.
    #[must_use]
    pub fn report(&self) -> Report {
        let token = self.intune.held();
        let certificate = self.asker.credential.certificate();
        let certificate_ends = certificate.map(|certificate| certificate.not_after().timestamp());
        let read = self.health().secret_expires;
        Report {
            id: self.asker.id.clone(),
            tenant: self.asker.tenant.clone(),
            client_id: self.asker.client_id.clone(),
            credential: self.asker.credential.kind(),
            token_issued: token.as_ref().map(|token| token.issued),
            token_ends: token.as_ref().map(|token| token.ends),
            roles: token.and_then(|token| token.roles.clone()),
            secret_expires: self.secret_expires.or(read).or(certificate_ends),
            ..self.health().report(self.clock().now())
        }
    }

    /// A token.
    ///
    /// # Errors
    /// [`ServiceError`]: Entra ID gave none.
    pub async fn token(&self, resource: Resource) -> Result<Arc<Token>, ServiceError> {
        self.slot(resource).get(&self.asker, resource).await
    }

    fn slot(&self, resource: Resource) -> &Arc<Slot> {
        match resource {
            Resource::Graph => &self.graph,
            Resource::Intune => &self.intune,
        }
    }

    /// Forgets a token that was not enough.
    pub(crate) fn forget_token(&self, resource: Resource, token: &Arc<Token>) {
        self.slot(resource).forget(token);
    }

    fn known_map(&self) -> Option<Arc<ServiceMap>> {
        self.map
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The services are looked up again before the next call.
    pub fn forget_services(&self) {
        *self.map.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Where Intune's services are.
    ///
    /// # Errors
    /// [`ServiceError`]: the list cannot be had.
    pub async fn services(&self) -> Result<Arc<ServiceMap>, ServiceError> {
        if let Some(map) = self.known_map() {
            return Ok(map);
        }
        let _alone = self.mapping.lock().await;
        if let Some(map) = self.known_map() {
            return Ok(map);
        }
        let map = Arc::new(self.discover().await?);
        *self.map.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&map));
        Ok(map)
    }

    async fn discover(&self) -> Result<ServiceMap, ServiceError> {
        let mut again = true;
        loop {
            let token = self.token(Resource::Graph).await?;
            let id = guid();
            let now = self.clock().now();
            let started = self.clock().instant();
            let found = discover(self.client(), self.places(), &token.bearer(), now, &id).await;
            self.called(Step::Discovery, found.is_ok(), started);
            match found {
                Err(error) if error.is_denied() => {
                    self.graph.forget(&token);
                    if !again {
                        return Err(error.lasting(GRAPH_DENIED));
                    }
                    again = false;
                }
                found => return found,
            }
        }
    }

    pub(crate) fn called(&self, step: Step, is_good: bool, started: std::time::Instant) {
        self.asker.called(step, is_good, started);
    }

    /// Posts to a service of Intune. Where the token is refused, token and service map are dropped and it is tried once more.
    pub(crate) async fn call(
        &self,
        step: Step,
        service: Service,
        path: &str,
        version: &str,
        body: &Value,
    ) -> Result<Called, ServiceError> {
        let called = self.try_call(step, service, path, version, body).await;
        let now = self.clock().now();
        let mut health = self.health();
        match &called {
            Ok(_) => {
                if health.well(now) {
                    tracing::info!(tenant = self.id(), "Intune's services answer again");
                }
            }
            Err(error) => {
                if health.ill(now, error) {
                    match error.is_lasting {
                        true => {
                            tracing::error!(tenant = self.id(), %error, "Intune cannot be asked until this is mended")
                        }
                        false => {
                            tracing::warn!(tenant = self.id(), %error, "Intune cannot be asked")
                        }
                    }
                }
            }
        }
        called
    }

    async fn try_call(
        &self,
        step: Step,
        service: Service,
        path: &str,
        version: &str,
        body: &Value,
    ) -> Result<Called, ServiceError> {
        let mut again = true;
        loop {
            let map = self.services().await?;
            // A service that is not listed may be so a minute later.
            let url = map.find(service).inspect_err(|_| self.forget_services())?;
            let url = crate::cloud::below(url, path).map_err(|why| ServiceError::new(step, why))?;
            let token = self.token(Resource::Intune).await?;
            let id = guid();
            let request = Request::post(url)
                .header("accept", "application/json")
                .header("api-version", version)
                .header("client-request-id", &id)
                .secret_header("authorization", &token.bearer())
                .json(body);
            let started = self.clock().instant();
            let answered = self.read(step, self.client().send(request).await, &id);
            self.called(step, answered.is_ok(), started);
            let error = match answered {
                Ok(body) => {
                    return Ok(Called {
                        body,
                        request_id: id,
                    });
                }
                Err(error) => error,
            };
            // The service may have moved.
            self.forget_services();
            if !error.is_denied() {
                return Err(error);
            }
            self.intune.forget(&token);
            if !again {
                let lacks = token
                    .roles
                    .as_ref()
                    .is_some_and(|roles| !roles.iter().any(|role| role == ROLE));
                return Err(error.lasting(if lacks { NO_ROLE } else { DENIED }));
            }
            again = false;
        }
    }

    pub(crate) fn read(
        &self,
        step: Step,
        sent: Result<Response, outbound::CallError>,
        id: &str,
    ) -> Result<Value, ServiceError> {
        let answer = sent.map_err(|error| ServiceError::of_call(step, &error, id))?;
        let now = self.clock().now();
        if let Some(date) = answer.date() {
            self.health().clock_difference = Some(now.saturating_sub(date));
        }
        if !answer.is_success() {
            return Err(ServiceError::of_answer(step, &answer, id, now));
        }
        let body: Value = answer
            .json()
            .map_err(|why| ServiceError::unreadable(step, &why, id))?;
        match body.is_object() {
            true => Ok(body),
            false => Err(ServiceError::unreadable(step, "it is no JSON object", id)),
        }
    }
}
