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

/// Beyond this difference of clocks, in seconds, assertions are refused.
const MOST_DIFFERENCE: i64 = 240;

impl Tenant {
    /// Asks for tokens, services and each service, and says what came of it. Changes nothing: Intune is asked about a request
    /// that is none, and revocations are not fetched.
    pub async fn try_out(&self) -> Vec<Answered> {
        let mut steps = Vec::new();
        for (resource, name) in [(Resource::Graph, "Graph"), (Resource::Intune, "Intune")] {
            let (token, took) = self.timed(self.token(resource)).await;
            let result = token.map(|token| match &token.roles {
                Some(roles) if roles.is_empty() => {
                    "a token without any role: admin consent is missing or not in force yet"
                        .to_owned()
                }
                Some(roles) => format!("a token with {}", roles.join(", ")),
                None => "a token whose roles cannot be read".to_owned(),
            });
            let result = match (resource, self.report().roles) {
                (Resource::Intune, Some(roles)) if !roles.iter().any(|role| role == ROLE) => result
                    .and_then(|words| {
                        Err(lacking(&format!(
                            "{words}; it needs {ROLE}: API permissions, Intune, with admin consent"
                        )))
                    }),
                _ => result,
            };
            steps.push(step(format!("token for {name}"), Some(took), result));
        }
        let (map, took) = self.timed(self.services()).await;
        let listed = map
            .as_ref()
            .map(|_| "Intune's services are listed".to_owned());
        steps.push(step(
            "discovery".to_owned(),
            Some(took),
            listed.map_err(Clone::clone),
        ));
        let Ok(map) = map else { return steps };
        for service in [Service::Validation, Service::Revocation] {
            let (reached, took) = self.timed(self.reach(&map, service)).await;
            steps.push(step(service.name().to_owned(), Some(took), reached));
        }
        // A request that is none has its code, and with it the permission is proven.
        let (verdict, took) = self.timed(self.validate("scepd-test", &[0x30, 0x00])).await;
        let verdict = verdict.map(|verdict| match verdict.code {
            Some(code) => format!("Intune judges: {code} for a request that is none"),
            None => "Intune judges, without a code".to_owned(),
        });
        steps.push(step("validateRequest".to_owned(), Some(took), verdict));
        if let Some(difference) = self.report().clock_difference {
            let words = format!("this clock differs from Microsoft's by {difference} s");
            let result = match difference.abs() > MOST_DIFFERENCE {
                true => Err(lacking(&words)),
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

fn lacking(words: &str) -> ServiceError {
    ServiceError::new(crate::error::Step::Token, words)
}

fn step(what: String, took: Option<Duration>, result: Result<String, ServiceError>) -> Answered {
    Answered {
        what,
        took,
        result: result.map_err(|error| error.to_string()),
    }
}
