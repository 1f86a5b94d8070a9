//! The compact serialisation (RFC 7515, section 3.1), taken apart without re-encoding anything.

use super::quoted::quoted;
use super::refused::Refused;
use crate::{Label, json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A signature algorithm that a challenge may name (RFC 7518, section 3.1). There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, for RSA anchors of 2048 bits and more.
    Rs256,
    /// ECDSA with SHA-256, for P-256 anchors.
    Es256,
}

impl Algorithm {
    /// As the header names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A challenge in its three parts. Nothing in it is trusted yet.
pub(crate) struct Jws<'a> {
    /// Segment 1, a dot, segment 2, exactly as they came: what is signed.
    pub(crate) signing_input: &'a [u8],
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Splits and decodes.
    pub(crate) fn parse(challenge: &'a str) -> Result<Self, Refused> {
        let malformed = |reason| Refused::new(Label::Malformed, reason);
        let mut segments = challenge.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(malformed(
                "the challenge does not have three segments".into(),
            ));
        };
        let signing_input = challenge
            .get(..header.len() + 1 + payload.len())
            .unwrap_or_default();
        let header = decode("header", header).map_err(malformed)?;
        let payload = decode("payload", payload).map_err(malformed)?;
        let signature = decode("signature", signature).map_err(malformed)?;
        let header = json::described(&header)
            .map_err(|error| malformed(format!("the header is {error}")))?;
        Ok(Self {
            signing_input: signing_input.as_bytes(),
            header,
            payload,
            signature,
        })
    }

    /// The algorithm, if it is one that is allowed and nothing in the header stands against it.
    pub(crate) fn algorithm(&self) -> Result<Algorithm, Refused> {
        let refuse = |reason| Err(Refused::new(Label::SignatureInvalid, reason));
        if self.header.contains_key("crit") {
            return refuse("the header has `crit`, which is not supported".into());
        }
        match self.header.get("alg") {
            Some(Value::String(name)) => {
                match [Algorithm::Rs256, Algorithm::Es256]
                    .into_iter()
                    .find(|alg| alg.as_str() == name)
                {
                    Some(algorithm) => Ok(algorithm),
                    None => refuse(format!("the algorithm {} is not allowed", quoted(name))),
                }
            }
            Some(other) => refuse(format!(
                "the header's `alg` is {}, not a string",
                json::kind(other)
            )),
            None => refuse("the header names no algorithm".into()),
        }
    }
}

/// base64url with or without its padding; nothing else: no other alphabet, no white space, no
/// stray bits.
fn decode(what: &str, segment: &str) -> Result<Vec<u8>, String> {
    let bare = match segment.trim_end_matches('=') {
        bare if bare.len() == segment.len() => bare,
        bare if segment.len().is_multiple_of(4) && segment.len() - bare.len() <= 2 => bare,
        _ => return Err(format!("the {what} is not base64url: wrong padding")),
    };
    URL_SAFE_NO_PAD
        .decode(bare)
        .map_err(|error| format!("the {what} is not base64url: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_is_taken_where_it_is_right() {
        for (text, expected) in [
            ("", Some(&b""[..])),
            ("QQ", Some(b"A")),
            ("QQ==", Some(b"A")),
            ("QUI", Some(b"AB")),
            ("QUI=", Some(b"AB")),
            ("QUJD", Some(b"ABC")),
            ("-_8", Some(&[0xfb, 0xff])),
            ("QQ=", None),
            ("QQ===", None),
            ("=", None),
            ("====", None),
            ("QUJD====", None),
            ("QR", None), // stray bits
            ("Q", None),
            ("+/8", None),
            ("QU JD", None),
            ("QUJD\n", None),
            ("Q=UJ", None),
        ] {
            assert_eq!(decode("x", text).ok().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_signing_input_is_the_text_itself() {
        let jws = Jws::parse("eyJhIjoxfQ==.e30=.AA").unwrap();
        assert_eq!(jws.signing_input, b"eyJhIjoxfQ==.e30=");
        assert_eq!(
            (jws.payload.as_slice(), jws.signature.as_slice()),
            (&b"{}"[..], &[0][..])
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}") {
            if let Ok(jws) = Jws::parse(&text) {
                let _ = jws.algorithm();
            }
        }

        #[test]
        fn every_encoding_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let bare = URL_SAFE_NO_PAD.encode(&bytes);
            let padded = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
            prop_assert_eq!(decode("x", &bare).unwrap(), bytes.clone());
            prop_assert_eq!(decode("x", &padded).unwrap(), bytes);
        }
    }
}
