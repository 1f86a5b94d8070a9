//! AWS Private CA.
//!
//! | module | holds |
//! |---|---|
//! | `api` | calls of the API, and what its errors mean |
//! | `sigv4` | their signatures |
//! | `credentials` | the keys by which they are signed, and where they come from |
//! | `fields` | from what was approved to the fields of the API |
//! | `arn` | what the CA's ARN says |
//! | `advice` | what to prepare there |
//!
//! The template is one of those without any field of its own (`BlankEndEntityCertificate_APIPassthrough`), so that a
//! certificate is what the call says. A certificate is ordered first and fetched afterwards. The service knows an order again
//! for five minutes, by the enrollment's id.
//! Sources: docs.aws.amazon.com/privateca, the model of the service in aws-sdk-acmpca 1.126.0.

mod advice;
mod api;
mod arn;
mod credentials;
mod fields;
mod sigv4;

pub use advice::recommended;
pub use arn::Place;
pub use credentials::Source;

use crate::base::{Base, Opening, again, unheard};
use crate::{Ticks, asked, chain, pem, ra};
use api::Api;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use credentials::Keyring;
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Found, Handle, Health, Inexpressible,
    Issuance, IssueError, Issuer, Objection, Order, RemoteCa,
};
use outbound::{Client, Request, Url};
use pki::{Certificate, Crl, Csr, Curve, KeyKind, RevocationReason, oid};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// When to look for a certificate that was ordered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// For how long the service knows an order again, less a while for the call itself.
const KNOWN_AGAIN: Duration = Duration::from_secs(270);

/// How often an RA's certificate is looked for.
const RA_TRIES: u32 = 20;

/// Days that certificates of a CA for short-lived ones may live.
const SHORT_LIVED: i64 = 7;

/// What `[issuer.aws_pca]` says.
pub struct Settings {
    /// The CA.
    pub ca_arn: String,
    /// Its region and partition.
    pub place: Place,
    /// Where keys come from.
    pub source: Source,
    /// Where the CRL is.
    pub crl: Option<(Client, Url)>,
}

/// An issuer of this kind.
pub struct AwsPca {
    base: Base,
    api: Api,
    settings: Settings,
    ticks: Ticks,
    /// Whether it makes short-lived certificates alone; `None` where that may not be read.
    is_short_lived: RwLock<Option<bool>>,
    /// When orders were first sent.
    sent: Mutex<HashMap<[u8; 16], Instant>>,
}

/// What the service says of the CA.
struct Seen {
    chain: Vec<Certificate>,
    is_short_lived: Option<bool>,
}

async fn look(api: &Api, ca_arn: &str, above: &[Certificate]) -> Result<Seen, IssueError> {
    let which = json!({"CertificateAuthorityArn": ca_arn});
    let described = match api.call("DescribeCertificateAuthority", &which).await {
        Ok(described) => Some(described),
        Err(fault) if fault.is("AccessDeniedException") => None,
        Err(fault) => return Err(fault.later("asking how it is")),
    };
    let of_ca = |name: &str| {
        let ca = described.as_ref()?.get("CertificateAuthority")?;
        Some(ca.get(name)?.as_str()?.to_owned())
    };
    if let Some(status) = of_ca("Status").filter(|status| status != "ACTIVE") {
        return Err(again(&format!(
            "the CA is {}, not ACTIVE: enable it, or renew its certificate",
            crate::words::quoted(&status)
        )));
    }
    let shown = api.call("GetCertificateAuthorityCertificate", &which).await;
    let shown = shown.map_err(|fault| fault.later("reading the CA certificate"))?;
    let pem = |name: &str| shown.get(name).and_then(Value::as_str).map(str::as_bytes);
    let first = pem("Certificate").and_then(|pem| Certificate::from_pem(pem).ok());
    let first = first.ok_or_else(|| again("it shows no CA certificate that can be read"))?;
    let pool = pem("CertificateChain").and_then(|pem| Certificate::bundle_from_pem(pem).ok());
    let pool: Vec<Certificate> = pool
        .unwrap_or_default()
        .into_iter()
        .chain(above.iter().cloned())
        .collect();
    Ok(Seen {
        chain: chain::ordered(first, &pool).map_err(|what| again(&what))?,
        is_short_lived: described
            .is_some()
            .then(|| of_ca("UsageMode").as_deref() == Some("SHORT_LIVED_CERTIFICATE")),
    })
}

impl AwsPca {
    /// Reaches the service and reads the CA's chain. Where that fails and a chain is known from before, the issuer is there
    /// all the same: [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let api = Api {
            client: opening.client.clone(),
            url: opening.url.clone(),
            region: settings.place.region.clone(),
            clock: Arc::clone(&opening.clock),
            keyring: Keyring::new(settings.source.clone(), Arc::clone(&opening.clock)),
        };
        let ticks = Arc::clone(&opening.ticks);
        let (chain, is_short_lived) = match look(&api, &settings.ca_arn, &opening.above).await {
            Ok(seen) => (Ok(seen.chain), seen.is_short_lived),
            Err(error) => (Err(error), None),
        };
        Ok(Self {
            base: Base::new(opening, &chain)?,
            api,
            settings,
            ticks,
            is_short_lived: RwLock::new(is_short_lived),
            sent: Mutex::default(),
        })
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let seen = look(&self.api, &self.settings.ca_arn, &self.base.above).await;
        let (chain, is_short_lived) = match seen {
            Ok(seen) => (Ok(seen.chain), seen.is_short_lived),
            Err(error) => (Err(error), None),
        };
        self.base.take(&chain);
        if is_short_lived.is_some() {
            let known = self.is_short_lived.write();
            *known.unwrap_or_else(PoisonError::into_inner) = is_short_lived;
        }
        chain.map(drop)
    }

    /// What is the same in every order.
    fn order(&self, csr: &[u8], passthrough: &Value) -> Value {
        let kind = self.base.authority();
        let algorithm = match kind.certificate().public_key().kind() {
            KeyKind::Ec(Curve::P384) => "SHA384WITHECDSA",
            KeyKind::Ec(_) => "SHA256WITHECDSA",
            KeyKind::Rsa { .. } | KeyKind::Other(_) => "SHA256WITHRSA",
        };
        json!({
            "CertificateAuthorityArn": self.settings.ca_arn,
            "Csr": STANDARD.encode(pem::csr(csr)),
            "SigningAlgorithm": algorithm,
            "TemplateArn": template(&self.settings.place.partition),
            "ApiPassthrough": passthrough,
        })
    }

    async fn issue_one(&self, order: &Order) -> Result<Issuance, IssueError> {
        let refused = |error: Inexpressible| IssueError::Refused(error.to_string());
        let csr =
            Csr::from_der(&order.csr).map_err(|error| IssueError::Refused(error.to_string()))?;
        let approved = &order.approved;
        self.can_express(approved).map_err(refused)?;
        fields::leaves_nothing(approved, &csr).map_err(refused)?;
        let authority = self.base.authority();
        let end = approved
            .not_after()
            .min(authority.certificate().not_after());
        let mut body = self.order(&order.csr, &fields::passthrough(approved));
        body["Validity"] = json!({"Type": "ABSOLUTE", "Value": end.timestamp()});
        body["ValidityNotBefore"] =
            json!({"Type": "ABSOLUTE", "Value": approved.not_before().timestamp()});
        body["IdempotencyToken"] = hex::encode(order.id).into();
        self.note_sent(order);
        let arn = self.ordered(&body).await?;
        match self.fetch(arn.clone()).await {
            // It was ordered: it is fetched later.
            Err(IssueError::Again { .. }) => Ok(later(arn)),
            fetched => fetched,
        }
    }

    fn note_sent(&self, order: &Order) {
        let now = (self.ticks)();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|_, since| now.saturating_duration_since(*since) < KNOWN_AGAIN);
        sent.entry(order.id).or_insert(now);
    }

    /// Orders a certificate; gives the ARN by which it is fetched.
    async fn ordered(&self, body: &Value) -> Result<String, IssueError> {
        let reply = self.api.call("IssueCertificate", body).await;
        let reply = reply.map_err(|fault| fault.of_order("ordering"))?;
        let arn = reply.get("CertificateArn").and_then(Value::as_str);
        arn.map(str::to_owned)
            .ok_or_else(|| unheard("its answer names no certificate"))
    }

    async fn fetch(&self, arn: String) -> Result<Issuance, IssueError> {
        let which = json!({"CertificateAuthorityArn": self.settings.ca_arn, "CertificateArn": arn});
        let reply = match self.api.call("GetCertificate", &which).await {
            Ok(reply) => reply,
            Err(fault) if fault.is("RequestInProgressException") => return Ok(later(arn)),
            Err(fault) => return Err(fault.of_order("fetching")),
        };
        let pem = reply.get("Certificate").and_then(Value::as_str);
        let certificate = pem.and_then(|pem| Certificate::from_pem(pem.as_bytes()).ok());
        let certificate = certificate
            .ok_or_else(|| unheard("its answer holds no certificate that can be read"))?;
        if self.base.authority().made(&certificate).is_err() {
            self.refresh().await?;
        }
        Ok(Issuance::Issued(certificate))
    }

    async fn have_revoked(
        &self,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), IssueError> {
        let octets = certificate.serial().minimal();
        let serial: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let body = json!({
            "CertificateAuthorityArn": self.settings.ca_arn,
            "CertificateSerial": serial.join(":"),
            "RevocationReason": reason_name(reason),
        });
        match self.api.call("RevokeCertificate", &body).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.is("RequestAlreadyProcessedException") => Ok(()),
            Err(fault) => Err(fault.of_order("revoking")),
        }
    }

    async fn make_ra(
        &self,
        csr: &Csr,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, IssueError> {
        let authority = self.base.authority();
        let end = not_after.min(authority.certificate().not_after());
        let name = csr.subject().common_name().unwrap_or_default();
        let usages = [oid::EKU_REQUEST_AGENT.to_owned()];
        let passthrough = json!({
            "Subject": {"CustomAttributes": [{"ObjectIdentifier": oid::COMMON_NAME, "Value": name}]},
            "Extensions": fields::extensions(ra::NEEDED, &usages, None, false),
        });
        let mut body = self.order(csr.der(), &passthrough);
        body["Validity"] = json!({"Type": "ABSOLUTE", "Value": end.timestamp()});
        let mut arn = self.ordered(&body).await?;
        for _ in 0..RA_TRIES {
            match self.fetch(arn).await? {
                Issuance::Issued(made) => {
                    let useful = ra::is_of_use(&made, csr, &self.base.authority());
                    useful.map_err(|wrong| ra::useless("the CA", &wrong))?;
                    return Ok(made);
                }
                Issuance::Later { handle, after } => {
                    arn = handle.0;
                    tokio::time::sleep(after).await;
                }
            }
        }
        Err(again("the RA's certificate was ordered and does not come"))
    }

    async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        let Some((client, url)) = &self.settings.crl else {
            return Ok(None);
        };
        let response = client.send(Request::get(url.clone())).await;
        let response = response.map_err(|error| again(&format!("reading the CRL: {error}")))?;
        if !response.is_success() {
            let status = response.status();
            return Err(again(&format!(
                "reading the CRL: status {status}; correct aws_pca.crl_url"
            )));
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }
}

/// The template that adds nothing of its own but what makes a certificate one of no CA.
fn template(partition: &str) -> String {
    format!("arn:{partition}:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1")
}

fn later(arn: String) -> Issuance {
    Issuance::Later {
        handle: Handle(arn),
        after: LOOK_AGAIN,
    }
}

/// A reason as the API writes it; it knows no hold.
fn reason_name(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::KeyCompromise => "KEY_COMPROMISE",
        RevocationReason::CaCompromise => "CERTIFICATE_AUTHORITY_COMPROMISE",
        RevocationReason::AffiliationChanged => "AFFILIATION_CHANGED",
        RevocationReason::Superseded => "SUPERSEDED",
        RevocationReason::CessationOfOperation => "CESSATION_OF_OPERATION",
        RevocationReason::PrivilegeWithdrawn => "PRIVILEGE_WITHDRAWN",
        RevocationReason::AaCompromise => "A_A_COMPROMISE",
        RevocationReason::Unspecified
        | RevocationReason::CertificateHold
        | RevocationReason::RemoveFromCrl => "UNSPECIFIED",
    }
}

impl Issuer for AwsPca {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.issue_one(order)))
    }

    fn resume<'a>(&'a self, _: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.fetch(handle.0.clone())))
    }

    /// While the service knows an order again, asking again gives the same certificate: as if there were none.
    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let since = sent.get(&order.id).copied();
        let now = (self.ticks)();
        let found = match since {
            Some(since) if now.saturating_duration_since(since) < KNOWN_AGAIN => Found::Nothing,
            _ => Found::CannotTell,
        };
        Box::pin(std::future::ready(Ok(found)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        reason: RevocationReason,
    ) -> Answering<'a, ()> {
        Box::pin(self.base.revoking(self.have_revoked(certificate, reason)))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for AwsPca {
    fn kind(&self) -> &'static str {
        "aws-pca"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        fields::can_express(approved)?;
        let authority = self.base.authority();
        let shorter = self.accepts_shorter_validity();
        asked::ends_with_the_ca(approved, authority.certificate(), shorter)
    }

    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        let known = self.is_short_lived.read();
        let is_short_lived = known
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_default();
        let days = policy.max_ttl.num_days();
        let too_long = (is_short_lived && days > SHORT_LIVED).then(|| Objection {
            is_fatal: true,
            setting: "max_ttl",
            what: format!(
                "it approves {days} days, and this CA makes short-lived certificates of at most {SHORT_LIVED}"
            ),
            remedy: "set max_ttl = \"7d\", or use a general-purpose CA".to_owned(),
        });
        too_long.into_iter().collect()
    }

    fn findings(&self) -> Vec<Objection> {
        let none = self.settings.crl.is_none().then(|| Objection {
            is_fatal: false,
            setting: "",
            what: "no aws_pca.crl_url is set: GetCRL is refused".to_owned(),
            remedy: "set it to the CRL of the CA, if it publishes one".to_owned(),
        });
        none.into_iter().collect()
    }

    fn accepts_shorter_validity(&self) -> bool {
        self.base.accepts_shorter_validity
    }

    fn revokes(&self) -> bool {
        true
    }

    fn makes_ras(&self) -> bool {
        true
    }

    fn certify_ra<'a>(
        &'a self,
        csr: &'a Csr,
        not_after: DateTime<Utc>,
    ) -> Answering<'a, Certificate> {
        Box::pin(self.base.noted(self.make_ra(csr, not_after)))
    }

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        Box::pin(self.base.newest_crl(now, self.crl()))
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}
