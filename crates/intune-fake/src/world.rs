//! All that the fake knows: tenants, tokens, challenges, transactions, devices, revocations, calls.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::challenge::{Mint, Minted, new_challenge};
use crate::directory::{Device, Directory};
use crate::fault::Script;
use crate::journal::Journal;
use crate::revocation::Queue;
use crate::scep::Transaction;
use crate::text::guid_from;
use crate::throttle::Throttle;
use crate::token::Tokens;

/// A tenant and the app that is registered in it. JSON in the control API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Tenant {
    /// The tenant's GUID.
    pub id: String,
    /// Its domain, also good for a name.
    pub domain: String,
    /// The app's client id.
    pub client_id: String,
    /// The app's secrets.
    pub secrets: Vec<Secret>,
    /// Certificates registered on the app, PEM.
    pub certificates: Vec<String>,
    /// A federated credential of the app.
    pub federated: Option<Federated>,
    /// Roles with admin consent, of Intune and Graph.
    pub roles: Vec<String>,
    /// False: the app is disabled.
    pub enabled: bool,
}

/// A client secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Secret {
    /// Its value.
    pub value: String,
    /// When it expires, in seconds since 1970.
    pub expires: i64,
}

/// Which foreign tokens an app takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Federated {
    /// Their `iss`.
    pub issuer: String,
    /// Their `sub`.
    pub subject: String,
    /// Their `aud`.
    pub audience: String,
}

/// Every role that the product may ask for.
pub(crate) const ROLES: [&str; 7] = [
    "scep_challenge_provider",
    "Application.Read.All",
    "Device.Read.All",
    "Directory.Read.All",
    "User.Read.All",
    "DeviceManagementManagedDevices.Read.All",
    "IdentityRiskyUser.Read.All",
];

impl Default for Tenant {
    fn default() -> Self {
        Self::named("contoso")
    }
}

impl Tenant {
    /// The tenant `NAME.onmicrosoft.com` with a secret `NAME-secret` of two years, all roles, and ids made of the name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let secret = Secret {
            value: format!("{name}-secret"),
            expires: i64::MAX,
        };
        Self {
            id: guid_from(&format!("tenant {name}")),
            domain: format!("{name}.onmicrosoft.com"),
            client_id: guid_from(&format!("app {name}")),
            secrets: vec![secret],
            certificates: Vec::new(),
            federated: Some(Federated {
                issuer: "https://issuer.fake.example/".to_owned(),
                subject: format!("system:serviceaccount:scepd:{name}"),
                audience: "api://AzureADTokenExchange".to_owned(),
            }),
            roles: ROLES.map(str::to_owned).to_vec(),
            enabled: true,
        }
    }

    /// By its GUID or its domain, as Microsoft names it.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.domain.eq_ignore_ascii_case(name)
    }

    /// Also by the first part of its domain, as the fake's own interface names it.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let short = self.domain.split('.').next();
        self.is(name) || short.is_some_and(|short| short.eq_ignore_ascii_case(name))
    }
}

/// How often one challenge is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChallengeUse {
    /// For as long as it lives.
    Repeatable,
    /// For one certificate request, which may ask again.
    OneRequest,
    /// For one validation.
    Once,
}

/// How the services behave. JSON in the control API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// How often one challenge is good.
    pub challenge_use: ChallengeUse,
    /// Any challenge is good, also one that was not minted here.
    pub any_challenge: bool,
    /// The life of a token in seconds.
    pub token_seconds: i64,
    /// How long nothing is handed out after a download of revocation requests, in seconds.
    pub cool_down_seconds: i64,
    /// Requests about Intune's devices in 20 seconds.
    pub intune_requests: u64,
    /// Resource units of the directory in 10 seconds.
    pub directory_units: u64,
    /// Requests about users at risk in a second.
    pub risk_requests: u64,
    /// How many objects a page of Graph has.
    pub page_size: usize,
    /// Where discovery says that Intune's services are; the fake's own URL when left out.
    pub services_base: Option<String>,
    /// How often the services moved to another host.
    pub moves: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            challenge_use: ChallengeUse::Repeatable,
            any_challenge: false,
            token_seconds: 3599,
            cool_down_seconds: 3600,
            intune_requests: 2000,
            directory_units: 3500,
            risk_requests: 1,
            page_size: 100,
            services_base: None,
            moves: 0,
        }
    }
}

/// Where the fake is. JSON in the control API.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Urls {
    /// The authority: tokens.
    pub entra: String,
    /// Graph.
    pub graph: String,
    /// Intune's services, as discovery names them.
    pub intune: String,
    /// Managed identity: IMDS and Azure Arc under their own paths, App Service at `/msi/token`.
    pub metadata: String,
    /// To whom a forged discovery leads.
    pub thief: String,
    /// An HTTP proxy, also for CONNECT.
    pub proxy: String,
}

/// All that the fake knows.
pub(crate) struct World {
    pub(crate) urls: Urls,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) settings: Settings,
    pub(crate) script: Script,
    pub(crate) journal: Journal,
    pub(crate) tokens: Tokens,
    pub(crate) challenges: HashMap<String, Minted>,
    /// By tenant and transactionId.
    pub(crate) transactions: BTreeMap<(String, String), Transaction>,
    /// By tenant.
    pub(crate) directories: HashMap<String, Directory>,
    /// By tenant.
    pub(crate) queues: HashMap<String, Queue>,
    pub(crate) throttle: Throttle,
    /// Identifiers of assertions (`jti`) that were used.
    pub(crate) assertions: HashMap<String, i64>,
    /// What App Service gives programs in `IDENTITY_HEADER`.
    pub(crate) identity_header: String,
    /// Where Azure Arc puts keys, and the last one put there.
    pub(crate) arc: crate::identity::Arc,
}

impl World {
    /// The tenant with this id or domain.
    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.is(name))
    }

    /// The id of the tenant that is called so; of the first one without a name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn tenant_id(&self, name: Option<&str>) -> Result<String, String> {
        let tenant = match name {
            Some(name) => self.tenants.iter().find(|tenant| tenant.is_called(name)),
            None => self.tenants.first(),
        };
        tenant
            .map(|tenant| tenant.id.clone())
            .ok_or_else(|| format!("there is no tenant {}", name.unwrap_or("at all")))
    }

    /// What was sent that no program that keeps to Microsoft's documents sends.
    pub(crate) fn problems(&self) -> Vec<String> {
        let calls = self.journal.calls.iter();
        calls
            .flat_map(|call| {
                let problems = call.problems.iter();
                problems.map(|problem| format!("{:?} {}: {problem}", call.operation, call.id))
            })
            .collect()
    }

    /// What stands in front of the paths of Intune's services: each move gives a new one.
    pub(crate) fn services_prefix(&self) -> String {
        match self.settings.moves {
            0 => String::new(),
            moves => format!("/moved-{moves}"),
        }
    }

    /// A new challenge.
    ///
    /// # Errors
    /// There is no such tenant.
    pub(crate) fn mint(&mut self, mut wanted: Mint, now: i64) -> Result<String, String> {
        let tenant = self.tenant_id(wanted.tenant.as_deref())?;
        let directory = self.directories.entry(tenant.clone()).or_default();
        if let Some(id) = &wanted.device {
            let known = directory.device(id);
            if known.is_none() {
                directory.put(Device {
                    user: wanted.user.clone(),
                    ..Device::with_intune_id(id, now)
                });
            }
        }
        wanted.tenant = Some(tenant.clone());
        let challenge = new_challenge(wanted.octets.unwrap_or(6000));
        let minted = Minted {
            tenant,
            issued: now,
            expires: now.saturating_add(wanted.valid_seconds.unwrap_or(3600)),
            wanted,
            used: Vec::new(),
        };
        self.challenges.insert(challenge.clone(), minted);
        Ok(challenge)
    }
}
