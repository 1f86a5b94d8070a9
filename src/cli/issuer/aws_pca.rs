//! What prepares AWS Private CA.

use issuer::CertificatePolicy;
use remote_issuers::aws_pca::{Place, recommended};

use crate::config::Issuer;

/// What scepd may do there, and what the CA must be.
pub(super) fn preparation(issuer: &Issuer, policy: &CertificatePolicy) -> String {
    let ca_arn = match issuer.aws_pca.ca_arn.trim() {
        "" => "arn:aws:acm-pca:REGION:ACCOUNT:certificate-authority/ID",
        ca_arn => ca_arn,
    };
    let place = Place::of(ca_arn);
    let partition = place.as_ref().map_or("aws", |place| &place.partition);
    let region = place.as_ref().map_or("REGION", |place| &place.region);
    let statements = recommended(ca_arn, partition);
    let (profile, days) = (&policy.id, policy.max_ttl.num_days());
    format!(
        r#"# What scepd may do: certificates of this CA, by the one template that takes every field from the call, and no other.
cat > scepd-pca.json <<'EOF'
{statements}
EOF

# On an instance, in a container or in a pod: add it to the role that is there already.
aws iam put-role-policy --role-name scepd --policy-name scepd-pca --policy-document file://scepd-pca.json

# Elsewhere: a user for scepd, and its key (aws_pca.auth = "keys").
aws iam create-user --user-name scepd
aws iam put-user-policy --user-name scepd --policy-name scepd-pca --policy-document file://scepd-pca.json
aws iam create-access-key --user-name scepd

# The CA
# - must be ACTIVE, and live longer than the {days} days that the certificate profile {profile} approves;
# - must be for general purposes (UsageMode GENERAL_PURPOSE), unless max_ttl is 7 days or less;
# - publishes a CRL for GetCRL, a complete one; the last lines say so, where the bucket lets AWS Private CA write.
aws acm-pca describe-certificate-authority --region {region} --certificate-authority-arn {ca_arn} \
    --query 'CertificateAuthority.[Status, UsageMode, NotAfter, RevocationConfiguration]'
aws acm-pca update-certificate-authority --region {region} --certificate-authority-arn {ca_arn} \
    --revocation-configuration 'CrlConfiguration={{Enabled=true,ExpirationInDays=7,S3BucketName=BUCKET,CrlType=COMPLETE}}'
"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_printed_is_for_the_ca_that_is_configured() {
        let policy = CertificatePolicy::new("device");
        let mut issuer = Issuer::default();
        let printed = preparation(&issuer, &policy);
        assert!(
            printed.contains("--region REGION --certificate-authority-arn arn:aws:acm-pca:REGION:")
        );
        let arn = "arn:aws-cn:acm-pca:cn-north-1:123456789012:certificate-authority/0d5a";
        issuer.aws_pca.ca_arn = arn.to_owned();
        let printed = preparation(&issuer, &policy);
        let (_, statements) = printed.split_once("<<'EOF'\n").unwrap();
        let (statements, commands) = statements.split_once("\nEOF\n").unwrap();
        let statements: serde_json::Value = serde_json::from_str(statements).unwrap();
        assert_eq!(statements["Statement"][1]["Resource"], arn);
        assert_eq!(
            statements["Statement"][0]["Condition"]["StringLike"]["acm-pca:TemplateArn"],
            "arn:aws-cn:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1"
        );
        assert!(commands.contains(&format!(
            "--region cn-north-1 --certificate-authority-arn {arn} "
        )));
        assert!(commands.contains("the 365 days that the certificate profile device approves"));
    }
}
