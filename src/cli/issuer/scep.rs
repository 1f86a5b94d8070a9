//! What prepares another SCEP server.

use issuer::CertificatePolicy;

use crate::config::Issuer;

/// scepd's signer, and what the other server has to be told.
pub(super) fn preparation(_: &Issuer, policy: &CertificatePolicy) -> String {
    let profile = &policy.id;
    let days = policy.max_ttl.num_days();
    format!(
        r#"# scepd's own signer: an RSA key, and a certificate that the other server is told to trust.
openssl req -x509 -newkey rsa:3072 -nodes -keyout scep-signer.key -out scep-signer.pem -days 3650 \
    -subj "/CN=scepd" -addext "keyUsage=critical,digitalSignature,keyEncipherment"
chmod 600 scep-signer.key

# The other server
# - takes PKCSReq that scep-signer.pem signs, although the CSR has another key: at scepd `signers_path`, at OpenXPKI
#   `authorized_signer`; most other servers look at the challenge alone;
# - takes the challenge that devices bring, which is in their CSRs and cannot be taken out, or none from this signer;
# - makes certificates as the certificate profile {profile} approves them: names as in the CSR, its usages, and a lifetime of
#   at most {days} days. With accept_shorter_validity = true a shorter one will do.
"#
    )
}
