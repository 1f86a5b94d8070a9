//! A request as it came and an answer as it goes.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of CA that there are fakes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// EJBCA's REST interface.
    Ejbca,
    /// Active Directory Certificate Services: CES (MS-WSTEP) and the pages of certsrv.
    Adcs,
    /// AWS Private CA.
    AwsPca,
    /// Google Certificate Authority Service.
    GoogleCas,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Ejbca, Self::Adcs, Self::AwsPca, Self::GoogleCas];

    /// Its name, as the program takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ejbca => "ejbca",
            Self::Adcs => "adcs",
            Self::AwsPca => "aws-pca",
            Self::GoogleCas => "google-cas",
        }
    }
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A token or credentials are asked for.
    Login,
    /// A certificate is asked for.
    Issue,
    /// What became of an earlier request.
    Collect,
    /// A search for a certificate.
    Find,
    /// A revocation.
    Revoke,
    /// Whether a certificate is revoked.
    Status,
    /// The CA's certificates, or what the CA is.
    Chain,
    /// The CRL.
    Crl,
    /// Whether the service is well.
    Health,
    /// A call that a redirect led to another host.
    Elsewhere,
    /// Nothing that the service has.
    Other,
}

/// Who listens where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The service, over TLS.
    Service,
    /// The metadata server of a virtual machine, plain HTTP.
    Metadata,
    /// Somebody else, to whom redirects lead.
    Elsewhere,
}

/// One request, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) listener: Listener,
    pub(crate) method: Method,
    /// Parts of the path between slashes, each with its percent-encoding taken off.
    pub(crate) parts: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// Path and query as they came.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The client's certificate, DER.
    pub(crate) client: Option<Vec<u8>>,
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

    /// The parts of the path, to be matched.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    /// The fields of a form.
    pub(crate) fn form(&self) -> Option<Vec<(String, String)>> {
        if self.media_type() != "application/x-www-form-urlencoded" {
            return None;
        }
        serde_urlencoded::from_bytes(&self.body).ok()
    }
}

/// One answer, and what the judge found wrong with its request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What no program that keeps to the service's documents sends.
    pub(crate) problems: Vec<String>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string().into_bytes())
    }

    pub(crate) fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn problem(mut self, problem: impl Into<String>) -> Self {
        self.problems.push(problem.into());
        self
    }

    /// Puts a header in the place of the one with its name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
