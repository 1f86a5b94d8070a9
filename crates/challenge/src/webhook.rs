//! How a webhook's questions are signed.

use ring::hmac;
use std::fmt;

/// The secret shared with a webhook's receiver.
///
/// The signature covers the time and the body, so that a question can neither be altered nor
/// asked again later: `v1=` and the hexadecimal HMAC-SHA-256 over the time in decimal seconds
/// since the epoch, a dot, and the body.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// Any secret; 32 random octets are a good one.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The signature of a body sent at `timestamp`, in seconds since the epoch.
    #[must_use]
    pub fn signature(&self, timestamp: i64, body: &[u8]) -> String {
        format!(
            "v1={}",
            hex::encode(hmac::sign(&self.0, &signed(timestamp, body)))
        )
    }

    /// The hexadecimal HMAC-SHA-256 of the body alone, as step-ca's webhooks are signed.
    #[must_use]
    pub fn body_signature(&self, body: &[u8]) -> String {
        hex::encode(hmac::sign(&self.0, body))
    }

    /// Whether `signature` is that of the body sent at `timestamp`; in constant time. For
    /// receivers, who also look whether the time is a recent one.
    #[must_use]
    pub fn is_signature(&self, timestamp: i64, body: &[u8], signature: &str) -> bool {
        signature
            .strip_prefix("v1=")
            .and_then(|digits| hex::decode(digits).ok())
            .is_some_and(|tag| hmac::verify(&self.0, &signed(timestamp, body), &tag).is_ok())
    }
}

fn signed(timestamp: i64, body: &[u8]) -> Vec<u8> {
    [timestamp.to_string().as_bytes(), b".", body].concat()
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(<set>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_body_and_secret_count() {
        let key = WebhookKey::new(b"secret");
        let signature = key.signature(1_800_000_000, b"{}");
        assert!(key.is_signature(1_800_000_000, b"{}", &signature));
        assert!(!key.is_signature(1_800_000_001, b"{}", &signature));
        assert!(!key.is_signature(1_800_000_000, b"{} ", &signature));
        assert!(!WebhookKey::new(b"other").is_signature(1_800_000_000, b"{}", &signature));
        for bad in ["", "v1=", "v1=zz", &signature[3..], &signature[..60]] {
            assert!(!key.is_signature(1_800_000_000, b"{}", bad), "{bad}");
        }
    }

    /// Receivers are written against this.
    #[test]
    fn the_signature_is_as_documented() {
        let signature = WebhookKey::new(b"secret").signature(1_800_000_000, b"{\"a\":1}");
        assert_eq!(
            signature,
            "v1=440dfbb83aabca24d9e5027629cfd81cb45254690f8d410bb28f1cc17c990dbc"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(
            format!("{:?}", WebhookKey::new(b"canary")),
            "WebhookKey(<set>)"
        );
    }
}
