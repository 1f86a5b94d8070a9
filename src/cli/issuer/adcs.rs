//! What prepares ADCS.

use issuer::CertificatePolicy;
use remote_issuers::adcs::recommended;

use crate::config::Issuer;

/// The template, and what is set at the CA and at the web server.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let adcs = &issuer.adcs;
    let template = adcs.template.as_deref().unwrap_or("ScepdDevice");
    let is_signed = adcs.agent_cert_path.is_some();
    let lines = recommended(policy, template, is_signed).join("\n");
    format!(
        "# What makes exactly what the certificate profile {} approves, in the words of the consoles.\n{lines}\n",
        policy.id
    )
}
