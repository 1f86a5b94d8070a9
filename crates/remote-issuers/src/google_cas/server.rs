//! The API: what it is asked, and what its statuses mean.

use super::login::Session;
use crate::base::{again, unheard};
use crate::pause::pause;
use crate::{chain, words};
use issuer::IssueError;
use outbound::{CallError, Client, Method, Request, Response, Url};
use pki::{Certificate, Crl, RevocationReason, Serial};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) struct Server {
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) session: Session,
    /// `projects/P/locations/L/caPools/C`.
    pub(super) pool: String,
    /// The CA of the pool that signs, where one is named.
    pub(super) ca: Option<String>,
}

/// What the pool says of the CA that signs.
pub(super) struct Seen {
    pub(super) chain: Vec<Certificate>,
    /// Where its CRL is.
    pub(super) crls: Vec<Url>,
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum Fault {
    /// 400: with its words.
    Refused(String),
    /// 401: the token was not taken.
    Token(String),
    /// 403: the account may not do this.
    Forbidden(String),
    /// 404.
    Missing(String),
    /// 409: it is there already.
    Exists,
    /// Anything that may be otherwise later.
    Later {
        why: String,
        after: Option<Duration>,
        unheard: bool,
    },
}

impl Fault {
    pub(super) fn later(self, doing: &str) -> IssueError {
        let (why, after, unheard) = match self {
            Self::Refused(words) | Self::Missing(words) | Self::Token(words) => {
                (words, None, false)
            }
            Self::Forbidden(words) => (
                format!(
                    "{words}; give scepd's account the roles that `scepd issuer role google-cas` prints"
                ),
                None,
                false,
            ),
            Self::Exists => ("it is there already".to_owned(), None, true),
            Self::Later {
                why,
                after,
                unheard,
            } => (why, after, unheard),
        };
        IssueError::Again {
            why: format!("{doing}: {why}"),
            after,
            unheard,
        }
    }
}

/// A certificate as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    #[serde(default)]
    pub(super) name: String,
    pem_certificate: String,
    #[serde(default)]
    revocation_details: Option<Value>,
}

impl Shown {
    pub(super) fn certificate(&self) -> Result<Certificate, IssueError> {
        Certificate::from_pem(self.pem_certificate.as_bytes())
            .map_err(|_| unheard("its answer holds no certificate that can be read"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Authority {
    name: String,
    state: String,
    pem_ca_certificates: Vec<String>,
    access_urls: Urls,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Urls {
    crl_access_urls: Vec<String>,
}

impl Server {
    /// A call with the token. One that is not taken is exchanged once.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, Fault> {
        let later = |error: IssueError| Fault::Later {
            why: error.to_string(),
            after: None,
            unheard: false,
        };
        let token = self.session.token().await.map_err(later)?;
        let first = self.once(method.clone(), path, query, body, &token).await;
        if !matches!(first, Err(Fault::Token(_))) {
            return first;
        }
        self.session.refused(&token).await;
        let token = self.session.token().await.map_err(later)?;
        self.once(method, path, query, body, &token).await
    }

    async fn once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        token: &str,
    ) -> Result<T, Fault> {
        let mut url = self.base.clone();
        url.set_path(&format!("/v1/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let bearer = zeroize::Zeroizing::new(format!("Bearer {token}"));
        let mut request = Request::new(method, url).secret_header("authorization", &bearer);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.client.send(request).await.map_err(of_call)?;
        match response.status() {
            200..=299 => response.json().map_err(|what| Fault::Later {
                why: format!("its answer cannot be read: {what}"),
                after: None,
                unheard: true,
            }),
            status => Err(of_status(status, &response)),
        }
    }

    /// The CA that signs: the one that is named, or the only one that is enabled.
    pub(super) async fn look(&self, above: &[Certificate]) -> Result<Seen, IssueError> {
        let authority = match &self.ca {
            Some(ca) => {
                let path = format!("{}/certificateAuthorities/{ca}", self.pool);
                let asked = self.call(Method::GET, &path, &[], None).await;
                asked.map_err(|fault| fault.later("reading the CA"))?
            }
            None => self.only_enabled().await?,
        };
        if authority.state != "ENABLED" {
            return Err(again(&format!(
                "the CA {} is {}, not ENABLED",
                words::quoted(&authority.name),
                words::excerpt(&authority.state)
            )));
        }
        let read = |pem: &String| Certificate::from_pem(pem.as_bytes());
        let shown: Result<Vec<_>, _> = authority.pem_ca_certificates.iter().map(read).collect();
        let shown = shown.map_err(|error| {
            again(&format!(
                "a CA certificate that it shows cannot be read: {error}"
            ))
        })?;
        let Some((first, rest)) = shown.split_first() else {
            return Err(again("it shows no CA certificate"));
        };
        let pool: Vec<Certificate> = rest.iter().chain(above).cloned().collect();
        let chain = chain::ordered(first.clone(), &pool).map_err(|what| again(&what))?;
        let urls = authority.access_urls.crl_access_urls.iter();
        let crls = urls.filter_map(|url| Url::parse(url).ok()).collect();
        Ok(Seen { chain, crls })
    }

    async fn only_enabled(&self) -> Result<Authority, IssueError> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct All {
            certificate_authorities: Vec<Authority>,
        }
        let path = format!("{}/certificateAuthorities", self.pool);
        let asked: Result<All, Fault> = self.call(Method::GET, &path, &[], None).await;
        let all = asked.map_err(|fault| fault.later("reading the CAs of the pool"))?;
        let mut enabled = all
            .certificate_authorities
            .into_iter()
            .filter(|one| one.state == "ENABLED");
        match (enabled.next(), enabled.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(again("no CA of the pool is enabled: enable one")),
            (Some(_), Some(_)) => Err(again(
                "several CAs of the pool are enabled, and any of them would sign: name one by google_cas.ca",
            )),
        }
    }

    /// Has a certificate made under this id, or finds the one that is there.
    pub(super) async fn create(
        &self,
        id: &str,
        request_id: &str,
        body: &Value,
    ) -> Result<Shown, IssueError> {
        let path = format!("{}/certificates", self.pool);
        let mut query = vec![("certificateId", id), ("requestId", request_id)];
        if let Some(ca) = &self.ca {
            query.push(("issuingCertificateAuthorityId", ca));
        }
        match self.call(Method::POST, &path, &query, Some(body)).await {
            Ok(shown) => Ok(shown),
            Err(Fault::Exists) => match self.find(id).await? {
                Some(shown) => Ok(shown),
                None => Err(again(
                    "it says that the certificate is there, and shows none",
                )),
            },
            Err(Fault::Refused(words)) => Err(IssueError::Refused(words)),
            Err(fault) => Err(fault.later("creating the certificate")),
        }
    }

    /// The certificate with this id.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Shown>, IssueError> {
        let path = format!("{}/certificates/{id}", self.pool);
        match self.call(Method::GET, &path, &[], None).await {
            Ok(shown) => Ok(Some(shown)),
            Err(Fault::Missing(_)) => Ok(None),
            Err(fault) => Err(fault.later("looking for the certificate")),
        }
    }

    pub(super) async fn revoke(
        &self,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), IssueError> {
        let Some(shown) = self.by_serial(certificate).await? else {
            return Err(IssueError::Refused(
                "the pool shows no certificate with this serial number: one of the DevOps tier keeps none".to_owned(),
            ));
        };
        if shown.revocation_details.is_some() {
            return Ok(());
        }
        let path = format!("{}:revoke", shown.name);
        let body = json!({"reason": name_of(reason)});
        let revoked: Result<Value, Fault> = self.call(Method::POST, &path, &[], Some(&body)).await;
        match revoked {
            Ok(_) => Ok(()),
            Err(Fault::Refused(words)) => Err(IssueError::Refused(words)),
            Err(fault) => Err(fault.later("revoking")),
        }
    }

    async fn by_serial(&self, certificate: &Certificate) -> Result<Option<Shown>, IssueError> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct All {
            certificates: Vec<Shown>,
        }
        let serial = plain_hex(certificate.serial());
        let filter =
            format!("certificate_description.subject_description.hex_serial_number:{serial}");
        let path = format!("{}/certificates", self.pool);
        let query = [("filter", filter.as_str()), ("pageSize", "50")];
        let asked: Result<All, Fault> = self.call(Method::GET, &path, &query, None).await;
        let all = asked.map_err(|fault| fault.later("looking for the certificate"))?;
        let is_it = |shown: &Shown| {
            let prefix = format!("{}/certificates/", self.pool);
            // What is sent back as it came must be one of this pool.
            shown.name.starts_with(&prefix)
                && !shown.name.contains(['?', '#', '%'])
                && shown.certificate().is_ok_and(|one| one == *certificate)
        };
        Ok(all.certificates.into_iter().find(is_it))
    }

    /// Fetches a CRL from where the CA publishes it; nobody has to log in there.
    pub(super) async fn crl(&self, urls: &[Url]) -> Result<Option<Crl>, IssueError> {
        let Some(url) = urls.first() else {
            return Ok(None);
        };
        let response = self.client.send(Request::get(url.clone())).await;
        let response = response.map_err(|error| again(&format!("reading the CRL: {error}")))?;
        match response.status() {
            200 => {}
            // Before its first CRL there is nothing.
            404 => return Ok(None),
            status => return Err(again(&format!("reading the CRL: status {status}"))),
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }
}

fn plain_hex(serial: &Serial) -> String {
    let octets = serial.minimal();
    let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
    hex::encode(octets)
}

fn name_of(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::KeyCompromise => "KEY_COMPROMISE",
        RevocationReason::CaCompromise => "CERTIFICATE_AUTHORITY_COMPROMISE",
        RevocationReason::AffiliationChanged => "AFFILIATION_CHANGED",
        RevocationReason::Superseded => "SUPERSEDED",
        RevocationReason::CessationOfOperation => "CESSATION_OF_OPERATION",
        RevocationReason::CertificateHold => "CERTIFICATE_HOLD",
        RevocationReason::PrivilegeWithdrawn => "PRIVILEGE_WITHDRAWN",
        RevocationReason::AaCompromise => "ATTRIBUTE_AUTHORITY_COMPROMISE",
        RevocationReason::Unspecified | RevocationReason::RemoveFromCrl => {
            "REVOCATION_REASON_UNSPECIFIED"
        }
    }
}

fn of_call(error: CallError) -> Fault {
    Fault::Later {
        why: error.to_string(),
        after: None,
        unheard: error.may_have_arrived(),
    }
}

/// `{"error": {"code": 400, "message": "..", "status": "INVALID_ARGUMENT"}}`.
fn of_status(status: u16, response: &Response) -> Fault {
    let said: Value = response.json().unwrap_or_default();
    let text = |name: &str| {
        said.pointer(&format!("/error/{name}"))
            .and_then(Value::as_str)
    };
    let message = text("message").map(words::excerpt).unwrap_or_default();
    let named = text("status").unwrap_or_default();
    let words = match message.is_empty() {
        true => format!("status {status}"),
        false => message,
    };
    let later = |why: String, unheard: bool| Fault::Later {
        why,
        after: pause(response),
        unheard,
    };
    match (status, named) {
        // A CA that is disabled, a pool that is full: nothing of the request's.
        (400, "FAILED_PRECONDITION") => later(words, false),
        (400, _) => Fault::Refused(words),
        (401, _) => Fault::Token(words),
        (403, _) => Fault::Forbidden(words),
        (404, _) => Fault::Missing(words),
        (409, "ALREADY_EXISTS") => Fault::Exists,
        (409, _) => later(words, false),
        (300..=399, _) => later(
            format!("it sends elsewhere (status {status}), which is not followed: correct `url`"),
            false,
        ),
        (429, _) => later(format!("too many requests: {words}"), false),
        (503, _) => later(format!("not available: {words}"), true),
        (500..=599, _) => later(format!("it failed with status {status}: {words}"), true),
        _ => later(words, false),
    }
}
