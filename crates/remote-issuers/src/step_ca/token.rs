//! One-time tokens: each is for one call, and is bound to what the call is about.

use super::key::{self, Signing};
use crate::{Clock, Credential};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use josekit::jws;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Seconds that a token is good for, as `step` has it.
const LIFE: i64 = 300;

/// Seconds that a token begins in the past: for clocks over there that are behind.
const LEEWAY: i64 = 60;

/// By what a provisioner knows scepd.
#[derive(Clone)]
pub enum Proof {
    /// A JWK provisioner's key.
    Jwk {
        /// The JWK in JSON, or encrypted as a JWE.
        key: Credential,
        /// Its password, where it is encrypted.
        password: Option<Credential>,
    },
    /// A certificate that an X5C provisioner's roots vouch for.
    X5c {
        /// The certificate with its chain, PEM.
        chain: Credential,
        /// Its key, PEM.
        key: Credential,
    },
}

/// Makes tokens.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Inner>);

struct Inner {
    provisioner: String,
    /// Where tokens are for, without a slash at its end.
    audience: String,
    proof: Proof,
    clock: Clock,
    /// The key of the content that was read last: opening one that is encrypted takes a while.
    last: Mutex<Option<Arc<Opened>>>,
}

struct Opened {
    digest: [u8; 32],
    signing: Signing,
}

/// What a token says beside what all say.
pub(super) struct Claims {
    /// `sign` or `revoke`.
    pub(super) call: &'static str,
    pub(super) subject: String,
    pub(super) more: Map<String, Value>,
}

impl Tokens {
    pub(super) fn new(provisioner: String, audience: &str, proof: Proof, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            provisioner,
            audience: audience.trim_end_matches('/').to_owned(),
            proof,
            clock,
            last: Mutex::default(),
        }))
    }

    /// Which kind of provisioner takes the tokens, as step-ca calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self.0.proof {
            Proof::Jwk { .. } => "JWK",
            Proof::X5c { .. } => "X5C",
        }
    }

    /// The id of the key that signs now; empty for a certificate.
    ///
    /// # Errors
    /// The key cannot be read: why, without any of its content.
    pub(super) async fn kid(&self) -> Result<String, String> {
        self.beside(|inner| Ok(inner.open()?.signing.kid.clone()))
            .await
    }

    /// From when to when the certificate that signed last is valid; `None` for a JWK.
    pub(super) fn valid(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().and_then(|opened| opened.signing.valid)
    }

    /// A token.
    ///
    /// # Errors
    /// The key cannot be read: why, without any of its content.
    pub(super) async fn mint(&self, claims: Claims) -> Result<Zeroizing<String>, String> {
        self.beside(move |inner| inner.mint(claims)).await
    }

    /// Beside the async threads: a file system may hang, and opening a key takes a while.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(_) => Err("making the token was broken off".to_owned()),
        }
    }
}

impl Inner {
    fn open(&self) -> Result<Arc<Opened>, String> {
        let (first, second) = match &self.proof {
            Proof::Jwk { key, password } => (
                key()?,
                password.as_ref().map(|password| password()).transpose()?,
            ),
            Proof::X5c { chain, key } => (chain()?, Some(key()?)),
        };
        let both = Zeroizing::new(format!(
            "{}\0{}",
            *first,
            second.as_ref().map_or("", |text| text.as_str())
        ));
        let digest = pki::sha256(both.as_bytes());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = last.as_ref().filter(|opened| opened.digest == digest) {
            return Ok(Arc::clone(opened));
        }
        let second = second.as_ref().map(|text| text.as_str());
        let signing = match self.proof {
            Proof::Jwk { .. } => key::of_jwk(&first, second)?,
            Proof::X5c { .. } => key::of_certificate(&first, second.unwrap_or_default())?,
        };
        let opened = Arc::new(Opened { digest, signing });
        *last = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn mint(&self, claims: Claims) -> Result<Zeroizing<String>, String> {
        let opened = self.open()?;
        let id = pki::random::<32>().map_err(|error| error.to_string())?;
        let now = (self.clock)().timestamp();
        // An X5C provisioner is looked up by the fragment (authority/provisioner/x5c.go).
        let fragment = match self.proof {
            Proof::Jwk { .. } => String::new(),
            Proof::X5c { .. } => format!("#x5c/{}", self.provisioner),
        };
        let mut payload = claims.more;
        for (name, value) in [
            ("iss", json!(self.provisioner)),
            (
                "aud",
                json!(format!("{}/1.0/{}{fragment}", self.audience, claims.call)),
            ),
            ("sub", json!(claims.subject)),
            // Not before the server's start, or it is refused: the moment itself, and no leeway.
            ("iat", json!(now)),
            ("nbf", json!(now.saturating_sub(LEEWAY))),
            ("exp", json!(now.saturating_add(LIFE))),
            ("jti", json!(URL_SAFE_NO_PAD.encode(id))),
        ] {
            payload.insert(name.to_owned(), value);
        }
        let payload = Value::Object(payload).to_string();
        jws::serialize_compact(
            payload.as_bytes(),
            &opened.signing.header,
            &*opened.signing.signer,
        )
        .map(Zeroizing::new)
        .map_err(|_| "the token could not be signed".to_owned())
    }
}
