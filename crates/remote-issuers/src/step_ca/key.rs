//! The key by which tokens are signed: a JWK as `step` makes it, open or encrypted, or a certificate with its key.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use josekit::jwe::{self, JweDecrypter};
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, ES512, EdDSA, JwsHeader, JwsSigner, PS256, RS256};
use pki::{Certificate, Curve, KeyKind, PrivateKey};
use serde_json::Value;

/// Signs tokens.
pub(super) struct Signing {
    pub(super) signer: Box<dyn JwsSigner + Send + Sync>,
    /// `kid`, or `x5c`.
    pub(super) header: JwsHeader,
    /// The key's id; empty for a certificate.
    pub(super) kid: String,
    /// From when to when the certificate is valid.
    pub(super) valid: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The signing key of a JWK provisioner, of what its file holds.
///
/// # Errors
/// What is wrong, without any of the content.
pub(super) fn of_jwk(text: &str, password: Option<&str>) -> Result<Signing, String> {
    let opened;
    let octets = match is_open(text) {
        true => text.as_bytes(),
        false => {
            opened = decrypted(text, password)?;
            &opened
        }
    };
    let jwk = Jwk::from_bytes(octets).map_err(|_| {
        "the key is no JWK: `step crypto jwk create` makes one, and the file with the private key is the one that belongs here".to_owned()
    })?;
    let signer = signer(&jwk)?;
    let kid = match jwk.key_id() {
        Some(kid) if !kid.is_empty() => kid.to_owned(),
        _ => thumbprint(&jwk)?,
    };
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    header.set_key_id(&kid);
    Ok(Signing {
        signer,
        header,
        kid,
        valid: None,
    })
}

/// The signing key of an X5C provisioner.
///
/// # Errors
/// What is wrong, without any of the content.
pub(super) fn of_certificate(chain: &str, key: &str) -> Result<Signing, String> {
    let chain = Certificate::bundle_from_pem(chain.as_bytes())
        .map_err(|error| format!("the certificate of the provisioner cannot be read: {error}"))?;
    let leaf = chain
        .first()
        .ok_or("there is no certificate of the provisioner")?;
    let key = PrivateKey::from_pem(key.as_bytes())
        .map_err(|error| format!("the key of the provisioner cannot be read: {error}"))?;
    if key.public_key().spki_der() != leaf.public_key().spki_der() {
        return Err("the key of the provisioner is not that of its certificate".to_owned());
    }
    let der = key.to_pkcs8_der().map_err(|error| error.to_string())?;
    let failed = |_| format!("keys of the kind {} cannot sign tokens", key.kind());
    let signer: Box<dyn JwsSigner + Send + Sync> = match key.kind() {
        KeyKind::Rsa { .. } => Box::new(RS256.signer_from_der(&*der).map_err(failed)?),
        KeyKind::Ec(Curve::P256) => Box::new(ES256.signer_from_der(&*der).map_err(failed)?),
        KeyKind::Ec(Curve::P384) => Box::new(ES384.signer_from_der(&*der).map_err(failed)?),
        other => return Err(format!("keys of the kind {other} cannot sign tokens")),
    };
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    let shown: Vec<Value> = chain
        .iter()
        .map(|one| STANDARD.encode(one.der()).into())
        .collect();
    header
        .set_claim("x5c", Some(Value::Array(shown)))
        .map_err(|_| "the token's header cannot be written".to_owned())?;
    Ok(Signing {
        signer,
        header,
        kid: String::new(),
        valid: Some((leaf.not_before(), leaf.not_after())),
    })
}

/// Whether it is a JWK as it stands: a JWE has no `kty`.
fn is_open(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.get("kty").is_some())
}

fn decrypted(text: &str, password: Option<&str>) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let password =
        password.ok_or("the key is encrypted: set `step_ca.password_file` to its password")?;
    let wrong = "the key cannot be opened with this password".to_owned();
    let make = |algorithm: jwe::alg::pbes2_hmac_aeskw::Pbes2HmacAeskwJweAlgorithm| {
        algorithm.decrypter_from_bytes(password.as_bytes())
    };
    for algorithm in [
        jwe::PBES2_HS256_A128KW,
        jwe::PBES2_HS384_A192KW,
        jwe::PBES2_HS512_A256KW,
    ] {
        let decrypter = make(algorithm).map_err(|_| wrong.clone())?;
        if let Some(open) = open(text.trim(), &decrypter) {
            return Ok(open);
        }
    }
    Err(wrong)
}

fn open(text: &str, decrypter: &dyn JweDecrypter) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let opened = match text.starts_with('{') {
        true => jwe::deserialize_json(text, decrypter).map(|(octets, _)| octets),
        false => jwe::deserialize_compact(text, decrypter).map(|(octets, _)| octets),
    };
    opened.ok().map(zeroize::Zeroizing::new)
}

/// The algorithm is the key's own, or the usual one of its kind.
fn signer(jwk: &Jwk) -> Result<Box<dyn JwsSigner + Send + Sync>, String> {
    let failed = |_| {
        "the JWK cannot sign: it must be a private key of the kind EC, RSA or OKP (Ed25519)"
            .to_owned()
    };
    Ok(match (jwk.key_type(), jwk.curve(), jwk.algorithm()) {
        ("EC", Some("P-256"), _) => Box::new(ES256.signer_from_jwk(jwk).map_err(failed)?),
        ("EC", Some("P-384"), _) => Box::new(ES384.signer_from_jwk(jwk).map_err(failed)?),
        ("EC", Some("P-521"), _) => Box::new(ES512.signer_from_jwk(jwk).map_err(failed)?),
        ("RSA", _, Some("PS256")) => Box::new(PS256.signer_from_jwk(jwk).map_err(failed)?),
        ("RSA", _, _) => Box::new(RS256.signer_from_jwk(jwk).map_err(failed)?),
        ("OKP", _, _) => Box::new(EdDSA.signer_from_jwk(jwk).map_err(failed)?),
        (kind, _, _) => {
            let kind = crate::words::quoted(kind);
            return Err(format!(
                "the JWK is of the kind {kind}, which signs no tokens"
            ));
        }
    })
}

/// What names a key that has no id of its own (RFC 7638).
fn thumbprint(jwk: &Jwk) -> Result<String, String> {
    let members: &[&str] = match jwk.key_type() {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        _ => &["crv", "kty", "x"],
    };
    let mut texts = Vec::new();
    for name in members {
        let value = match *name {
            "kty" => Some(jwk.key_type()),
            name => jwk.parameter(name).and_then(Value::as_str),
        };
        let value = value.ok_or("the JWK is not whole")?;
        texts.push(format!("{}:{}", Value::from(*name), Value::from(value)));
    }
    let canonical = format!("{{{}}}", texts.join(","));
    Ok(URL_SAFE_NO_PAD.encode(pki::sha256(canonical.as_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 7638, section 3.1.
    #[test]
    fn a_thumbprint_is_that_of_the_rfc() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256"}}"#);
        let jwk = Jwk::from_bytes(jwk).unwrap();
        assert_eq!(
            thumbprint(&jwk).unwrap(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn what_is_no_key_says_so_without_its_content() {
        for text in [
            "",
            "canary",
            "{\"kty\":\"oct\",\"k\":\"canary\"}",
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"canary\"}",
        ] {
            let said = of_jwk(text, Some("canary")).err().unwrap();
            assert!(!said.contains("canary"), "{said}");
        }
        let said = of_jwk("a.b.c.d.e", None).err().unwrap();
        assert!(said.contains("step_ca.password_file"), "{said}");
    }
}
