//! Where Intune's services are: they differ from tenant to tenant, and move.

use crate::cloud::{Places, below};
use crate::error::{ServiceError, Step, excerpt};
use crate::json::member;
use outbound::{Client, Request, Url};
use serde_json::Value;
use zeroize::Zeroizing;

/// The app whose endpoints are listed: Intune's own.
const INTUNE_APP: &str = "0000000a-0000-0000-c000-000000000000";

/// Pages that are read of one list.
const MOST_PAGES: usize = 20;

/// A service of Intune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Validates challenges and is told what became of them.
    Validation,
    /// Hands out revocations.
    Revocation,
}

impl Service {
    /// As it is listed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "ScepRequestValidationFEService",
            Self::Revocation => "PkiConnectorFEService",
        }
    }
}

/// Where the services are. One that is missing is an error only for whoever needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceMap {
    validation: Option<Url>,
    revocation: Option<Url>,
    /// Services that are listed on a host that may not be called, and the host.
    refused: Vec<(Service, String)>,
    /// How many services were listed.
    listed: usize,
}

impl ServiceMap {
    /// The address of a service.
    ///
    /// # Errors
    /// It is not listed, or on a host that may not be called.
    pub fn find(&self, service: Service) -> Result<&Url, ServiceError> {
        let found = match service {
            Service::Validation => &self.validation,
            Service::Revocation => &self.revocation,
        };
        if let Some(url) = found {
            return Ok(url);
        }
        let refused = self.refused.iter().find(|(refused, _)| *refused == service);
        if let Some((_, host)) = refused {
            let words = format!(
                "the service {} is listed on the host `{}`, which is not among `allowed_hosts`",
                service.name(),
                excerpt(host)
            );
            return Err(ServiceError::new(Step::Discovery, words)
                .lasting("if that host is Microsoft's, add it to the tenant's `allowed_hosts`"));
        }
        let words = format!(
            "the service {} is not among the {} that are listed",
            service.name(),
            self.listed
        );
        Err(ServiceError::new(Step::Discovery, words).lasting(
            "look whether Intune is licensed and set up in this tenant, and whether the app has both permissions with admin consent",
        ))
    }

    /// A service's host, for whoever reports.
    #[must_use]
    pub fn host(&self, service: Service) -> Option<&str> {
        match service {
            Service::Validation => self.validation.as_ref()?.host_str(),
            Service::Revocation => self.revocation.as_ref()?.host_str(),
        }
    }

    fn note(&mut self, places: &Places, item: &Value) {
        self.listed += 1;
        let name = member(item, "providerName").or_else(|| member(item, "serviceName"));
        let name = name.and_then(Value::as_str).unwrap_or_default();
        let services = [Service::Validation, Service::Revocation];
        let service = services
            .into_iter()
            .find(|service| service.name().eq_ignore_ascii_case(name));
        let (Some(service), Some(uri)) = (service, member(item, "uri").and_then(Value::as_str))
        else {
            return;
        };
        let Ok(url) = Url::parse(uri.trim().trim_end_matches('/')) else {
            return;
        };
        if !places.may_call(&url) {
            let host = url.host_str().unwrap_or_default().to_owned();
            self.refused.push((service, host));
            return;
        }
        let place = match service {
            Service::Validation => &mut self.validation,
            Service::Revocation => &mut self.revocation,
        };
        place.get_or_insert(url);
    }
}

/// Reads the list.
pub(crate) async fn discover(
    client: &Client,
    places: &Places,
    bearer: &Zeroizing<String>,
    now: i64,
    id: &str,
) -> Result<ServiceMap, ServiceError> {
    let first = match &places.discovery {
        Some(url) => Ok(url.clone()),
        None => below(
            &places.graph,
            &format!("/v1.0/servicePrincipals/appId={INTUNE_APP}/endpoints"),
        ),
    };
    let mut url = first.map_err(|why| ServiceError::new(Step::Discovery, why))?;
    let mut map = ServiceMap::default();
    for _ in 0..MOST_PAGES {
        let request = Request::get(url.clone())
            .header("accept", "application/json")
            .header("client-request-id", id)
            .secret_header("authorization", bearer);
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| ServiceError::of_call(Step::Discovery, &error, id))?;
        if !answer.is_success() {
            let error = ServiceError::of_answer(Step::Discovery, &answer, id, now);
            return Err(match answer.status() {
                404 => error.lasting(
                    "Intune is not set up in this tenant, or the discovery address is wrong: look at `tenant` and `cloud`",
                ),
                _ => error,
            });
        }
        let body: Value = answer
            .json()
            .map_err(|why| ServiceError::unreadable(Step::Discovery, &why, id))?;
        let Some(items) = member(&body, "value").and_then(Value::as_array) else {
            let why = "there is no list in it";
            return Err(ServiceError::unreadable(Step::Discovery, why, id));
        };
        for item in items {
            map.note(places, item);
        }
        let Some(next) = body["@odata.nextLink"].as_str() else {
            return Ok(map);
        };
        url = next_page(&url, next).ok_or_else(|| {
            ServiceError::unreadable(Step::Discovery, "its next page is elsewhere", id)
        })?;
    }
    Ok(map)
}

/// The next page of a list, if it is on the same server: the token goes nowhere else.
pub(crate) fn next_page(present: &Url, next: &str) -> Option<Url> {
    let next = Url::parse(next).ok()?;
    (next.origin() == present.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cloud::{Cloud, Overrides};
    use serde_json::json;

    #[test]
    fn services_are_found_by_name_without_case() {
        let places = Places::new(Cloud::Global, &Overrides::default()).unwrap();
        let mut map = ServiceMap::default();
        for item in [
            json!({"providerName": "SomethingElse", "uri": "https://x.manage.microsoft.com/a"}),
            json!({"ProviderName": "scepREQUESTValidationFEService",
                   "uri": "https://fef.msuc02.manage.microsoft.com/RACerts/S/"}),
            json!({"serviceName": "PkiConnectorFEService", "uri": "https://evil.example.org/R"}),
        ] {
            map.note(&places, &item);
        }
        assert_eq!(
            map.find(Service::Validation).unwrap().as_str(),
            "https://fef.msuc02.manage.microsoft.com/RACerts/S"
        );
        let error = map.find(Service::Revocation).unwrap_err();
        assert!(error.words.contains("evil.example.org"), "{error}");
        assert!(error.is_lasting);
    }

    #[test]
    fn a_list_goes_on_on_the_same_server() {
        let url = Url::parse("https://graph.microsoft.com/v1.0/x").unwrap();
        assert!(next_page(&url, "https://graph.microsoft.com/v1.0/x?$skiptoken=1").is_some());
        assert!(next_page(&url, "https://graph.example.org/v1.0/x").is_none());
        assert!(next_page(&url, "http://graph.microsoft.com/v1.0/x").is_none());
    }
}
