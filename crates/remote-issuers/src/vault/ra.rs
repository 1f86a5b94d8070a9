//! Certificates for scepd's own registration authorities, by a role of their own.

use super::{Fault, Vault, again, fields};
use crate::{pem, ra};
use chrono::{DateTime, Utc};
use issuer::IssueError;
use pki::{Certificate, Csr, oid};
use serde_json::json;

/// The settings of a role for RA certificates, as `bao write` and `vault write` take them.
#[must_use]
pub fn recommended_for_ras() -> Vec<String> {
    [
        "key_type=rsa",
        "use_csr_common_name=false",
        "use_csr_sans=false",
        "cn_validations=disabled",
        "enforce_hostnames=false",
        "allow_any_name=true",
        "server_flag=false",
        "client_flag=false",
        "key_usage=DigitalSignature,KeyEncipherment",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("ext_key_usage_oids={}", oid::EKU_REQUEST_AGENT)])
    .chain(["no_store=false", "generate_lease=false"].map(str::to_owned))
    .collect()
}

impl Vault {
    /// Has an RA certificate made for the key of a CSR, under the common name in it.
    pub(super) async fn sign_ra(
        &self,
        csr: &Csr,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, IssueError> {
        let settings = &self.server.settings;
        let Some(role) = &settings.ra_role else {
            return Err(IssueError::Refused(
                "no vault.ra_role is set, so it makes no RA certificates".to_owned(),
            ));
        };
        let authority = self.base.authority();
        let not_after = not_after.min(authority.certificate().not_after());
        let body = json!({
            "csr": pem::csr(csr.der()),
            "common_name": csr.subject().common_name().unwrap_or_default(),
            "exclude_cn_from_sans": true,
            "not_after": fields::moment(not_after),
            "format": "pem",
        });
        let path = self.server.sign_path(role);
        let reply = self.server.write(&path, &body).await;
        let reply = reply.map_err(|fault| match fault {
            Fault::Refused(words) => IssueError::Refused(words),
            fault => fault.later(&format!("signing by {path}")),
        })?;
        let certificate = super::certificate_of(&reply)?;
        match ra::is_of_use(&certificate, csr, &self.base.authority()) {
            Ok(()) => Ok(certificate),
            Err(wrong) => Err(again(&format!(
                "the certificate that the role {role} makes is of no use for an RA: {wrong} (`scepd issuer role` prints one that fits)"
            ))),
        }
    }
}
