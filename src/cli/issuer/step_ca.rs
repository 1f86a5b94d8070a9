//! What prepares step-ca.

use issuer::CertificatePolicy;
use remote_issuers::step_ca::{TEMPLATE, recommended};

use crate::config::Issuer;
use crate::config::issuer_kinds::step_ca::StepCaAuth;

/// A template, a provisioner with it, and what ca.json then holds.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let step = &issuer.step_ca;
    let name = match step.provisioner.as_str() {
        "" => "scepd",
        name => name,
    };
    let settings = recommended(policy);
    let claim = |name: &str| {
        let value = settings.pointer(&format!("/claims/{name}"));
        value.and_then(|value| value.as_str()).unwrap_or_default()
    };
    let (longest, usual) = (claim("maxTLSCertDuration"), claim("defaultTLSCertDuration"));
    let profile = &policy.id;
    let (key, kind, shown) = match step.auth {
        StepCaAuth::Jwk => (
            "# The provisioner's key; the public half goes to step-ca, the private one to scepd.\n\
             step crypto jwk create scepd.pub.json scepd.key.json --kty EC --crv P-256\n"
                .to_owned(),
            "--type JWK --public-key scepd.pub.json",
            r#""type": "JWK", "key": the content of scepd.pub.json"#,
        ),
        StepCaAuth::X5c => (
            "# The roots that vouch for scepd's certificate (step_ca.x5c_cert_path) are in scepd-roots.pem.\n"
                .to_owned(),
            "--type X5C --x5c-roots scepd-roots.pem",
            r#""type": "X5C", "roots": scepd-roots.pem in base64"#,
        ),
    };
    let of_ca = serde_json::to_string_pretty(&settings).unwrap_or_default();
    format!(
        r#"# A provisioner that signs exactly what the certificate profile {profile} approves: its template writes what scepd's
# tokens say, and nothing else. Run this where `step` is set up for your step-ca.
{key}
cat > scepd.tpl <<'EOF'
{TEMPLATE}
EOF

# Without remote management it takes effect when step-ca is started again.
step ca provisioner add {name} {kind} \
    --x509-template scepd.tpl --x509-max-dur {longest} --x509-default-dur {usual} --disable-renewal

# By hand: a provisioner under authority.provisioners of ca.json has "name": "{name}", {shown}, and

{of_ca}
"#
    )
}
