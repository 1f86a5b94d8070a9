//! Signature Version 4 of AWS, for a POST to `/` without a query.
//! Source: "Signature Version 4 signing process", docs.aws.amazon.com.

use super::credentials::Keys;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

/// What is signed.
pub(super) struct ToSign<'a> {
    /// The host of the address, with its port where that is not the usual one.
    pub(super) host: &'a str,
    /// Which region's service is asked.
    pub(super) region: &'a str,
    /// Its name in signatures.
    pub(super) service: &'a str,
    /// Further headers: names in lower case, in order.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) at: DateTime<Utc>,
}

/// The headers that make a request a signed one.
pub(super) struct Signed {
    /// `x-amz-date`.
    pub(super) date: String,
    /// `authorization`.
    pub(super) authorization: Zeroizing<String>,
}

/// Signs.
pub(super) fn sign(request: &ToSign<'_>, keys: &Keys) -> Signed {
    let date = request.at.format("%Y%m%dT%H%M%SZ").to_string();
    let day = request.at.format("%Y%m%d").to_string();
    let mut headers = vec![("host", request.host), ("x-amz-date", date.as_str())];
    headers.extend(request.headers);
    if let Some(token) = &keys.session_token {
        headers.push(("x-amz-security-token", token.as_str()));
    }
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = Zeroizing::new(String::from("POST\n/\n\n"));
    for (name, value) in &headers {
        canonical.push_str(name);
        canonical.push(':');
        canonical.push_str(value.trim());
        canonical.push('\n');
    }
    let body = hex::encode(pki::sha256(request.body));
    canonical.push_str(&format!("\n{names}\n{body}"));
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex::encode(pki::sha256(canonical.as_bytes()))
    );
    let first = Zeroizing::new(format!("AWS4{}", keys.secret_access_key.as_str()));
    let mut key = Zeroizing::new(pki::hmac_sha256(first.as_bytes(), day.as_bytes()));
    for part in [request.region, request.service, "aws4_request"] {
        key = Zeroizing::new(pki::hmac_sha256(key.as_slice(), part.as_bytes()));
    }
    let signature = hex::encode(pki::hmac_sha256(key.as_slice(), to_sign.as_bytes()));
    Signed {
        authorization: Zeroizing::new(format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            keys.access_key_id
        )),
        date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `post-vanilla` and `post-sts-token/post-sts-header-before` of AWS's own test suite.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let mut keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Zeroizing::new(
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            ),
            session_token: None,
            ends: None,
        };
        let request = ToSign {
            host: "example.amazonaws.com",
            region: "us-east-1",
            service: "service",
            headers: &[],
            body: b"",
            at: "2015-08-30T12:36:00Z".parse().unwrap(),
        };
        let signed = sign(&request, &keys);
        assert_eq!(signed.date, "20150830T123600Z");
        assert_eq!(
            signed.authorization.as_str(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        keys.session_token = Some(Zeroizing::new("AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==".to_owned()));
        let signed = sign(&request, &keys);
        assert!(
            signed
                .authorization
                .contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "),
        );
        assert!(
            signed.authorization.ends_with(
                "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
            ),
            "{}",
            signed.authorization.as_str()
        );
    }
}
