//! Everything that a tenant needs, asked once: for whoever sets one up.

use crate::discovery::Service;
use crate::error::ServiceError;
use crate::tenant::{ROLE, Tenant};
use crate::token::Resource;
use outbound::Request;
use std::time::Duration;

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What was asked.
    pub what: String,
    /// How long it took, where somebody was called.
    pub took: Option<Duration>,
    /// In words, good or bad.
    pub result: Result<String, String>,
}

/// A permission that a setting needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Roles of Graph, any of which is enough; the first is the least.
    pub any_of: &'static [&'static str],
    /// Which setting needs it.
    pub why: String,
}

/// What reads devices of Intune.
pub const MANAGED_DEVICES: &[&str] = &[
    "DeviceManagementManagedDevices.Read.All",
    "DeviceManagementManagedDevices.ReadWrite.All",
];

/// What reads devices of Entra ID.
pub const DIRECTORY_DEVICES: &[&str] = &[
    "Device.Read.All",
    "Device.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// What reads users.
pub const USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// Beyond this difference of clocks, in seconds, assertions are refused.
const MOST_DIFFERENCE: i64 = 240;

impl Tenant {
    /// Asks for tokens, services and each service, and says what came of it, and whether the app has what settings need.
    /// Changes nothing: Intune is asked about a request that is none, and revocations are not fetched.
    pub async fn try_out(&self, needed: &[Needed]) -> Vec<Answered> {
        let mut steps = Vec::new();
        for (resource, name) in [(Resource::Graph, "Graph"), (Resource::Intune, "Intune")] {
            let (token, took) = self.timed(self.token(resource)).await;
            let result = match &token {
                Ok(token) => of_roles(resource, token.roles.as_deref()),
                Err(error) => Err(error.to_string()),
            };
            steps.push(step(format!("token for {name}"), Some(took), result));
            let roles = token.ok().and_then(|token| token.roles.clone());
            if let (Resource::Graph, Some(roles)) = (resource, roles) {
                steps.extend(needed.iter().map(|needed| permission(needed, &roles)));
            }
        }
        let (map, took) = self.timed(self.services()).await;
        let listed = match &map {
            Ok(_) => Ok("Intune's services are listed".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        steps.push(step("discovery".to_owned(), Some(took), listed));
        let Ok(map) = map else { return steps };
        // A fetch of revocations would let nobody else have any for an hour, so that service is only reached.
        let revocation = Service::Revocation;
        let (reached, took) = self.timed(self.reach(&map, revocation)).await;
        let reached = reached.map_err(|error| error.to_string());
        steps.push(step(revocation.name().to_owned(), Some(took), reached));
        // A request that is none has its code, and with it the permission is proven.
        let (verdict, took) = self.timed(self.validate("scepd-test", &[0x30, 0x00])).await;
        let verdict = verdict.map(|verdict| match verdict.code {
            Some(code) => format!("Intune judges: {code} for a request that is none"),
            None => "Intune judges, without a code".to_owned(),
        });
        let verdict = verdict.map_err(|error| error.to_string());
        let validation = Service::Validation.name().to_owned();
        steps.push(step(validation, Some(took), verdict));
        if let Some(difference) = self.report().clock_difference {
            let words = format!("this clock differs from Microsoft's by {difference} s");
            let result = match difference.abs() > MOST_DIFFERENCE {
                true => Err(format!("{words}: set it right, or assertions are refused")),
                false => Ok(words),
            };
            steps.push(step("clock".to_owned(), None, result));
        }
        steps
    }

    /// Whether anything answers at a service's address.
    async fn reach(
        &self,
        map: &crate::discovery::ServiceMap,
        service: Service,
    ) -> Result<String, ServiceError> {
        let url = map.find(service)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = self.client().send(Request::get(url.clone())).await;
        match answer {
            Ok(answer) => Ok(format!("{host} answers (HTTP {})", answer.status())),
            Err(error) => Err(ServiceError::new(
                crate::error::Step::Discovery,
                format!("{host}: {error}"),
            )),
        }
    }

    async fn timed<T>(&self, asked: impl Future<Output = T>) -> (T, Duration) {
        let started = self.clock().instant();
        let answer = asked.await;
        let took = self.clock().instant().saturating_duration_since(started);
        (answer, took)
    }
}

/// What is to be said of a token's roles; `None` = they cannot be read.
fn of_roles(resource: Resource, roles: Option<&[String]>) -> Result<String, String> {
    let Some(roles) = roles else {
        return Ok("a token whose roles cannot be read".to_owned());
    };
    let words = match roles {
        [] => "a token without any role: admin consent is missing or not in force yet".to_owned(),
        roles => format!("a token with {}", roles.join(", ")),
    };
    match resource == Resource::Intune && !roles.iter().any(|role| role == ROLE) {
        true => Err(format!(
            "{words}; it needs {ROLE}: API permissions, Intune, with admin consent"
        )),
        false => Ok(words),
    }
}

/// Whether the token for Graph has what a setting needs.
fn permission(needed: &Needed, roles: &[String]) -> Answered {
    let had = |role: &&str| roles.iter().any(|had| had == role);
    let least = needed.any_of.first().copied().unwrap_or_default();
    let result = match needed.any_of.iter().copied().find(had) {
        Some(role) => Ok(format!("{role}, for {}", needed.why)),
        None => Err(format!(
            "the token lacks {least}, needed for {}: Entra admin center, App registrations, API permissions: add Microsoft Graph, {least} (application permission), and grant admin consent",
            needed.why
        )),
    };
    step(format!("permission {least}"), None, result)
}

fn step(what: String, took: Option<Duration>, result: Result<String, String>) -> Answered {
    Answered { what, took, result }
}
