//! What prepares Google Certificate Authority Service.

use issuer::CertificatePolicy;

use crate::config::Issuer;

/// An account for scepd, what it may do, and what the pool must let through.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let pool = match issuer.google_cas.pool.trim_matches('/') {
        "" => "projects/PROJECT/locations/LOCATION/caPools/POOL",
        pool => pool,
    };
    let part = |number: usize| pool.split('/').nth(number).unwrap_or_default();
    let (project, location, name) = (part(1), part(3), part(5));
    let profile = &policy.id;
    let seconds = policy.max_ttl.num_seconds();
    format!(
        r#"# An account for scepd.
gcloud iam service-accounts create scepd --project {project}

# It makes certificates, reads them and the CA, and revokes.
for role in roles/privateca.certificateManager roles/privateca.auditor; do
    gcloud privateca pools add-iam-policy-binding {name} --project {project} --location {location} \
        --member serviceAccount:scepd@{project}.iam.gserviceaccount.com --role $role
done

# With auth = "service_account": its key.
gcloud iam service-accounts keys create scepd-google.json --iam-account scepd@{project}.iam.gserviceaccount.com
chmod 600 scepd-google.json

# The pool
# - must be of the tier ENTERPRISE: DEVOPS keeps no certificates, so that none can be found again or revoked;
# - must allow config-based requests, copied or configured subjects and alternative names, and a lifetime of {seconds}s, for
#   what the certificate profile {profile} approves; baseline values of its issuance policy are added to every certificate.
gcloud privateca pools describe {name} --project {project} --location {location} --format "yaml(tier, issuancePolicy)"
"#
    )
}
