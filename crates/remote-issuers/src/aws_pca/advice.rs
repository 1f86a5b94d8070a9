//! What to prepare at AWS.

use serde_json::json;

/// The policy of IAM that scepd's role or user needs, as JSON: certificates of one CA, by the one template that takes every
/// field from the call.
#[must_use]
pub fn recommended(ca_arn: &str, partition: &str) -> String {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "acm-pca:IssueCertificate",
                "Resource": ca_arn,
                "Condition": {"StringLike": {"acm-pca:TemplateArn": super::template(partition)}},
            },
            {
                "Effect": "Allow",
                "Action": [
                    "acm-pca:GetCertificate",
                    "acm-pca:RevokeCertificate",
                    "acm-pca:GetCertificateAuthorityCertificate",
                    "acm-pca:DescribeCertificateAuthority",
                ],
                "Resource": ca_arn,
            },
        ],
    });
    format!("{policy:#}")
}
