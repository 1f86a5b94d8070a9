//! A request as it came and an answer as it goes.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::text::guid;

/// Whose part the fake plays in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Service {
    /// Microsoft Entra ID: tokens.
    Entra,
    /// Microsoft Graph: discovery, devices, users.
    Graph,
    /// Intune's front end: validation, notification, revocation.
    Intune,
    /// Managed identity: IMDS, App Service and Azure Arc.
    Metadata,
    /// Somebody else, to whom a forged discovery leads.
    Thief,
}

/// What a call is about. Its name in JSON is the one that stands in the URL where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A token of Entra's v2 endpoint.
    Token,
    /// A token of a managed identity.
    ManagedIdentity,
    /// The endpoints of Intune's service principal.
    Discovery,
    /// `ScepActions/validateRequest`.
    ValidateRequest,
    /// `ScepActions/successNotification`.
    SuccessNotification,
    /// `ScepActions/failureNotification`.
    FailureNotification,
    /// `CertificateAuthorityRequests/downloadRevocationRequests`.
    DownloadRevocationRequests,
    /// `CertificateAuthorityRequests/uploadRevocationResults`.
    UploadRevocationResults,
    /// Devices of Entra.
    Devices,
    /// Devices of Intune.
    ManagedDevices,
    /// Users.
    Users,
    /// Users at risk.
    RiskyUsers,
    /// App registrations.
    Applications,
    /// Several questions in one.
    Batch,
    /// Nothing that Microsoft's services have.
    Other,
}

/// One request, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// The path with percent-encoding taken off.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Path and query as they came.
    pub(crate) target: String,
    /// The base URL under which the service was called.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) proxied: bool,
    pub(crate) batched: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut values = self.query.iter().filter(|(key, _)| key == name);
        values.next().map(|(_, value)| value.as_str())
    }

    /// The media type without parameters, lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let media = value.split(';').next().unwrap_or_default();
        media.trim().to_ascii_lowercase()
    }

    pub(crate) fn operation(&self) -> Operation {
        let path = self.path.as_str();
        match self.service {
            Service::Entra if path.ends_with("/oauth2/v2.0/token") => Operation::Token,
            Service::Metadata if path.ends_with("/token") => Operation::ManagedIdentity,
            Service::Intune => match path.rsplit('/').next().unwrap_or_default() {
                "validateRequest" => Operation::ValidateRequest,
                "successNotification" => Operation::SuccessNotification,
                "failureNotification" => Operation::FailureNotification,
                "downloadRevocationRequests" => Operation::DownloadRevocationRequests,
                "uploadRevocationResults" => Operation::UploadRevocationResults,
                _ => Operation::Other,
            },
            Service::Graph => graph_operation(path),
            _ => Operation::Other,
        }
    }
}

fn graph_operation(path: &str) -> Operation {
    let path = path
        .strip_prefix("/v1.0/")
        .or_else(|| path.strip_prefix("/beta/"))
        .unwrap_or_default();
    let begins = |name: &str| path.starts_with(name);
    if begins("servicePrincipals") && path.ends_with("/endpoints") {
        Operation::Discovery
    } else if begins("deviceManagement/managedDevices")
        || (begins("users") && path.ends_with("/managedDevices"))
    {
        Operation::ManagedDevices
    } else if begins("identityProtection/riskyUsers") {
        Operation::RiskyUsers
    } else if begins("devices") {
        Operation::Devices
    } else if begins("users") {
        Operation::Users
    } else if begins("applications") {
        Operation::Applications
    } else if path == "$batch" {
        Operation::Batch
    } else {
        Operation::Other
    }
}

/// One answer, and what the judge found wrong with its request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The id of the tenant that the request turned out to be of.
    pub(crate) tenant: Option<String>,
    /// What no program that keeps to Microsoft's documents sends.
    pub(crate) problems: Vec<String>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(
            status,
            "application/json; charset=utf-8",
            body.to_string().into_bytes(),
        )
    }

    pub(crate) fn of(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
            tenant: None,
            problems: Vec::new(),
        }
    }

    /// `{"error":{"code","message",..}}`, as Graph and Intune have it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            &json!({"error": {"code": code, "message": message,
                "innerError": {"request-id": guid(), "client-request-id": guid()}}}),
        )
    }

    /// Refused because no program that keeps to Microsoft's documents sends this.
    pub(crate) fn wrong(problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::error(400, "BadRequest", &problem).problem(problem)
    }

    pub(crate) fn problem(mut self, problem: impl Into<String>) -> Self {
        self.problems.push(problem.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn of_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// The body as JSON, if it is.
    pub(crate) fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Changes the members of a JSON body.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        if let Some(mut value) = self.value() {
            change(&mut value);
            self.body = value.to_string().into_bytes();
        }
    }
}
