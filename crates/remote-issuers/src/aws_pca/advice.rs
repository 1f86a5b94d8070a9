//! What to prepare at AWS.

/// The policy of IAM that scepd's role or user needs, as JSON.
#[must_use]
pub fn recommended(ca_arn: &str) -> String {
    let actions = [
        "IssueCertificate",
        "GetCertificate",
        "RevokeCertificate",
        "GetCertificateAuthorityCertificate",
        "DescribeCertificateAuthority",
    ]
    .map(|action| format!("\"acm-pca:{action}\""))
    .join(",\n        ");
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [
    {{
      "Effect": "Allow",
      "Action": [
        {actions}
      ],
      "Resource": "{ca_arn}"
    }}
  ]
}}
"#
    )
}
