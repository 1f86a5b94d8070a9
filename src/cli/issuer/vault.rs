//! What prepares Vault and OpenBao.

use issuer::CertificatePolicy;
use remote_issuers::vault::{recommended, recommended_for_ras};

use crate::config::Issuer;

/// Roles for devices and for RAs, and the policy of scepd's token.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let vault = &issuer.vault;
    let role = match vault.role.as_str() {
        "" => "scepd",
        role => role,
    };
    let mount = vault.mount.trim_matches('/');
    let ra_role = vault.ra_role.as_deref().unwrap_or("scepd-ra");
    let of_devices = recommended(policy).join(" \\\n    ");
    let of_ras = recommended_for_ras().join(" \\\n    ");
    let profile = &policy.id;
    format!(
        r#"# A role that signs exactly what the certificate profile {profile} approves. With HashiCorp Vault write vault for bao.
bao write {mount}/roles/{role} \
    {of_devices}

# A role for scepd's own RA certificates: with vault.ra_role = "{ra_role}" and ra = "auto" it keeps them by itself.
bao write {mount}/roles/{ra_role} \
    {of_ras}

# What scepd's token needs.
bao policy write scepd - <<'EOF'
path "{mount}/sign/{role}" {{ capabilities = ["update"] }}
path "{mount}/issuer/+/sign/{role}" {{ capabilities = ["update"] }}
path "{mount}/sign/{ra_role}" {{ capabilities = ["update"] }}
path "{mount}/revoke" {{ capabilities = ["update"] }}
path "{mount}/roles/{role}" {{ capabilities = ["read"] }}
EOF
"#
    )
}
