//! What prepares EJBCA.

use issuer::CertificatePolicy;
use remote_issuers::ejbca::{Profiles, recommended};

use crate::config::Issuer;

/// Profiles, role and protocols, in the words of its pages.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let ejbca = &issuer.ejbca;
    let or = |name: &Option<String>, usual: &str| name.clone().unwrap_or_else(|| usual.to_owned());
    let profiles = Profiles {
        certificate: or(&ejbca.certificate_profile, "scepd-device"),
        end_entity: or(&ejbca.end_entity_profile, "scepd"),
    };
    let lines = recommended(policy, &or(&ejbca.ca, "CA"), &profiles).join("\n");
    format!(
        "# What makes exactly what the certificate profile {} approves, in the words of EJBCA's pages.\n{lines}\n",
        policy.id
    )
}
