//! What EJBCA says of the CA: its names, its chain, its CRL.

use super::Ejbca;
use super::api::{Api, Call, Fault};
use crate::base::again;
use crate::{chain, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use issuer::IssueError;
use pki::{Certificate, Crl, RevocationReason};
use serde::Deserialize;
use std::sync::PoisonError;

/// What the server says of itself.
pub(super) struct Seen {
    /// The subject of the CA, as EJBCA writes it: its other calls know the CA by that.
    pub(super) dn: String,
    pub(super) chain: Vec<Certificate>,
}

#[derive(Deserialize)]
struct Cas {
    certificate_authorities: Vec<Ca>,
}

#[derive(Deserialize)]
struct Ca {
    name: String,
    subject_dn: String,
}

/// Whether it is at work, and the chain of the CA of this name.
pub(super) async fn look(api: &Api, name: &str, above: &[Certificate]) -> Result<Seen, IssueError> {
    let status = api.call(Call::get(&["v1", "certificate", "status"])).await;
    status.map_err(|fault| match fault {
        Fault::Missing(_) => again(
            "there is no REST API at this address: correct `url`, and enable REST Certificate Management under System Configuration, Protocol Configuration",
        ),
        Fault::Forbidden(words) => again(&format!(
            "it does not let scepd in: {words}; see to the login, to the role's members and its access rules (`scepd issuer role ejbca`), and to REST Certificate Management under System Configuration, Protocol Configuration"
        )),
        fault => fault.later("asking how it is"),
    })?;
    let cas = api.json::<Cas>(Call::get(&["v1", "ca"])).await;
    let cas = cas.map_err(|fault| match fault {
        Fault::Missing(_) => again(
            "it shows no CAs: enable REST CA Management under System Configuration, Protocol Configuration",
        ),
        fault => fault.later("reading its CAs"),
    })?;
    let cas = cas.certificate_authorities;
    let Some(ca) = cas.iter().find(|ca| ca.name == name) else {
        let names: Vec<String> = cas.iter().map(|ca| words::quoted(&ca.name)).collect();
        return Err(again(&format!(
            "it shows scepd no CA {}, but {}; correct `ejbca.ca`, or let scepd's role have access to the CA",
            words::quoted(name),
            match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            }
        )));
    };
    let path = [
        "v1",
        "ca",
        ca.subject_dn.as_str(),
        "certificate",
        "download",
    ];
    let pem = api.call(Call::get(&path)).await;
    let pem = pem.map_err(|fault| fault.later("reading the CA certificate"))?;
    let shown = Certificate::bundle_from_pem(pem.body());
    let shown = shown.map_err(|_| again("it shows no CA certificate that can be read"))?;
    let first = chain::lowest(&shown).ok_or_else(|| again("it shows no CA certificate"))?;
    let pool: Vec<Certificate> = shown.iter().chain(above).cloned().collect();
    Ok(Seen {
        dn: ca.subject_dn.clone(),
        chain: chain::ordered(first.clone(), &pool).map_err(|what| again(&what))?,
    })
}

impl Ejbca {
    /// The CA's name as EJBCA writes it.
    fn dn(&self) -> Result<String, IssueError> {
        let dn = self.dn.read().unwrap_or_else(PoisonError::into_inner);
        dn.clone()
            .ok_or_else(|| again("its CA was not seen since this start"))
    }

    pub(super) async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        #[derive(Deserialize)]
        struct Shown {
            crl: Option<String>,
        }
        let dn = self.dn()?;
        let path = ["v1", "ca", dn.as_str(), "getLatestCrl"];
        let call = Call {
            query: &[("deltaCrl", "false"), ("crlPartitionIndex", "0")],
            ..Call::get(&path)
        };
        let shown: Shown = match self.api.json(call).await {
            Ok(shown) => shown,
            Err(Fault::Missing(_)) => return Ok(None),
            Err(fault) => return Err(fault.later("reading the CRL")),
        };
        let Some(text) = shown.crl.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let octets = STANDARD
            .decode(text)
            .map_err(|_| again("its CRL is not base64"))?;
        Crl::from_der_or_pem(&octets)
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }

    pub(super) async fn have_revoked(
        &self,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), IssueError> {
        let ca = self.base.authority();
        if !certificate.issuer().matches(ca.certificate().subject()) {
            return Err(IssueError::Refused(format!(
                "it was issued by {}, which is not the CA of now: revoke it at EJBCA",
                words::quoted(&certificate.issuer().to_string())
            )));
        }
        let dn = self.dn()?;
        let serial = hex::encode_upper(certificate.serial().minimal());
        let path = ["v1", "certificate", dn.as_str(), serial.as_str(), "revoke"];
        let call = Call {
            method: outbound::Method::PUT,
            path: &path,
            query: &[("reason", reason_name(reason))],
            body: None,
        };
        let waits = || again("the revocation waits for an approval at EJBCA");
        match self.api.call(call).await {
            Ok(response) if response.status() == 202 => Err(waits()),
            Ok(_) | Err(Fault::Already(_)) => Ok(()),
            Err(Fault::Refused(words)) if words.to_ascii_lowercase().contains("approv") => {
                Err(waits())
            }
            Err(Fault::Refused(words) | Fault::Missing(words)) => Err(IssueError::Refused(words)),
            Err(fault) => Err(fault.later("revoking")),
        }
    }
}

/// A reason as the API writes it.
fn reason_name(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "UNSPECIFIED",
        RevocationReason::KeyCompromise => "KEY_COMPROMISE",
        RevocationReason::CaCompromise => "CA_COMPROMISE",
        RevocationReason::AffiliationChanged => "AFFILIATION_CHANGED",
        RevocationReason::Superseded => "SUPERSEDED",
        RevocationReason::CessationOfOperation => "CESSATION_OF_OPERATION",
        RevocationReason::CertificateHold => "CERTIFICATE_HOLD",
        RevocationReason::RemoveFromCrl => "REMOVE_FROM_CRL",
        RevocationReason::PrivilegeWithdrawn => "PRIVILEGES_WITHDRAWN",
        RevocationReason::AaCompromise => "AA_COMPROMISE",
    }
}
