//! Short digests by which challenges and devices are remembered.

use super::claim::Claim;
use ring::hmac;
use std::fmt;

/// Names one challenge, however its signature is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayKey(pub [u8; 16]);

/// Names one device of one issuer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey(pub [u8; 16]);

impl ReplayKey {
    /// By issuer and nonce; where there is no nonce, by the signed octets.
    ///
    /// Never by the signature: anyone can turn one valid ECDSA signature into another.
    pub(crate) fn of(claim: &Claim, signing_input: &[u8]) -> Self {
        match &claim.nonce {
            Some(nonce) => Self(digest(
                "replay by nonce",
                &[claim.iss.as_bytes(), nonce.as_bytes()],
            )),
            None => Self(digest("replay by signing input", &[signing_input])),
        }
    }
}

impl DeviceKey {
    /// By `sub` and `iss`.
    #[must_use]
    pub fn of(sub: &str, iss: &str) -> Self {
        Self(digest("device", &[sub.as_bytes(), iss.as_bytes()]))
    }
}

/// HMAC-SHA-256 under the purpose's name, cut to 128 bits. Each part is preceded by its length,
/// so that no two lists of parts run together alike. The digests are in the store: changing
/// anything here forgets what was used.
fn digest(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, purpose.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut short = [0; 16];
    for (out, octet) in short.iter_mut().zip(context.sign().as_ref()) {
        *out = *octet;
    }
    short
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayKey({})", hex::encode(self.0))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(iss: &str, nonce: Option<&str>) -> Claim {
        Claim {
            iss: iss.into(),
            nonce: nonce.map(Into::into),
            ..Claim::default()
        }
    }

    #[test]
    fn issuer_and_nonce_make_the_key() {
        let key = ReplayKey::of(&claim("a", Some("n")), b"one");
        assert_eq!(key, ReplayKey::of(&claim("a", Some("n")), b"two"));
        assert_ne!(key, ReplayKey::of(&claim("b", Some("n")), b"one"));
        assert_ne!(key, ReplayKey::of(&claim("a", Some("m")), b"one"));
        assert_ne!(
            key,
            ReplayKey::of(&claim("an", Some("")), b"one"),
            "parts do not run together"
        );
    }

    #[test]
    fn without_a_nonce_the_signed_octets_make_the_key() {
        let key = ReplayKey::of(&claim("a", None), b"one");
        assert_eq!(key, ReplayKey::of(&claim("b", None), b"one"));
        assert_ne!(key, ReplayKey::of(&claim("a", None), b"two"));
    }

    #[test]
    fn devices_differ_by_subject_and_issuer() {
        let key = DeviceKey::of("device", "issuer");
        assert_ne!(key, DeviceKey::of("issuer", "device"));
        assert_ne!(key, DeviceKey::of("devicei", "ssuer"));
    }

    /// The store holds these: they must not change from one release to the next.
    #[test]
    fn digests_are_stable() {
        assert_eq!(
            hex::encode(DeviceKey::of("device", "issuer").0),
            "9e08aee806ab9ff90e0e755916bfc319"
        );
        assert_eq!(
            hex::encode(ReplayKey::of(&claim("a", Some("n")), b"").0),
            "35d2bbc6034cd929ed6340cfef80d9d7"
        );
        assert_eq!(
            hex::encode(ReplayKey::of(&claim("a", None), b"one").0),
            "83acc5e2dca7f31823fb1a69577ee0ae"
        );
    }
}
