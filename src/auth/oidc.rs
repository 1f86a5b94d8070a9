//! JWTs of an OpenID Connect provider as credentials (RFC 7519, RFC 7515).
//!
//! Keys come from a file or from the provider's JWK set, never from the token. The algorithm must be one of the
//! asymmetric ones and fit the key; `none`, HMAC and `crit` are refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::{
    ES256, ES384, JwsHeader, JwsVerifier, PS256, PS384, PS512, RS256, RS384, RS512,
};
use josekit::jwt;
use serde_json::{Map, Value};

use super::caller::{Caller, CallerKind};
use super::secret::Digest;
use challenge::json;

/// Keys of a provider are not asked for more often than this, whatever tokens come.
const SOONEST_REFRESH: Duration = Duration::from_secs(30);
/// A JWT longer than this is none of ours.
const LONGEST_TOKEN: usize = 16 * 1024;
/// The longest user name that goes into audit events, in characters.
const LONGEST_USER: usize = 128;

/// What a token must say.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The `iss` claim, exactly.
    pub issuer: String,
    /// What the `aud` claim must hold.
    pub audience: String,
    /// Claim with the roles, dotted for nested ones.
    pub role_claim: String,
    /// Values that make an admin.
    pub admin_roles: Vec<String>,
    /// Values that make a viewer.
    pub viewer_roles: Vec<String>,
    /// Claim with the user's name.
    pub user_claim: String,
    /// Difference of clocks that is tolerated.
    pub skew: chrono::Duration,
    /// How often a provider's keys are asked for again.
    pub refresh: Duration,
}

impl OidcSettings {
    /// The digest of all that decides whom the provider lets in, and as what. `keys` says which keys.
    fn digest(&self, keys: &str) -> Digest {
        let text = serde_json::json!([
            self.issuer,
            self.audience,
            self.role_claim,
            self.admin_roles,
            self.viewer_roles,
            self.user_claim,
            keys,
        ]);
        Digest::of(&text.to_string())
    }
}

/// A JWK set on its way; the error is in words.
pub type KeysFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Where a provider's keys are fetched from.
pub trait KeySource: Send + Sync {
    /// Where that is; another address is another provider.
    fn address(&self) -> String;

    /// Fetches the JWK set, JSON.
    fn fetch(&self) -> KeysFuture;
}

/// Why a JWT is not good. The words are for the log; callers are told only that it is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It is no JWT.
    #[error("it cannot be read as a signed JWT, or names a member twice")]
    Malformed,
    /// The algorithm is not allowed, or does not fit the key.
    #[error("the algorithm `{0}` is not allowed")]
    Algorithm(String),
    /// No known key signed it.
    #[error("no key of the provider has signed it")]
    Signature,
    /// A claim is missing or says something else.
    #[error("the claim `{0}` is missing or not as configured")]
    Claim(String),
    /// It has ended.
    #[error("it expired at {0}")]
    Expired(DateTime<Utc>),
    /// It has not started.
    #[error("it is not valid before {0}")]
    NotYetValid(DateTime<Utc>),
    /// The provider's keys could not be had.
    #[error("the provider's keys cannot be had: {0}")]
    Keys(String),
}

/// Checks JWTs of one provider.
pub struct Oidc {
    settings: OidcSettings,
    configuration: Digest,
    keys: ArcSwapOption<Vec<Jwk>>,
    source: Option<Source>,
}

struct Source {
    from: Arc<dyn KeySource>,
    /// When keys were last asked for, and why they did not come.
    state: tokio::sync::Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    tried: Option<Instant>,
    failure: Option<String>,
}

impl Oidc {
    /// A provider whose keys were read from a file: a JWK set, JSON.
    ///
    /// # Errors
    /// [`OidcError::Keys`]: no usable key is in it.
    pub fn with_keys(settings: OidcSettings, key_set: &[u8]) -> Result<Self, OidcError> {
        let keys = usable_keys(key_set).map_err(OidcError::Keys)?;
        Ok(Self {
            configuration: settings.digest(&hex::encode(pki::sha256(key_set))),
            settings,
            keys: ArcSwapOption::from_pointee(keys),
            source: None,
        })
    }

    /// A provider whose keys are fetched when they are first needed, again every `refresh`, and when a token names an
    /// unknown key.
    #[must_use]
    pub fn with_source(settings: OidcSettings, from: Arc<dyn KeySource>) -> Self {
        let state = tokio::sync::Mutex::new(Asked::default());
        Self {
            configuration: settings.digest(&from.address()),
            settings,
            keys: ArcSwapOption::empty(),
            source: Some(Source { from, state }),
        }
    }

    /// What it was configured with: who was let in under one configuration has not been let in under another.
    #[must_use]
    pub fn configuration(&self) -> Digest {
        self.configuration
    }

    /// Checks a JWT at `now` (`instant` on the monotonic clock) and says whose it is.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn verify(
        self: &Arc<Self>,
        token: &str,
        now: DateTime<Utc>,
        instant: Instant,
    ) -> Result<Caller, OidcError> {
        let header = header_of(token)?;
        let payload = match self.payload(token, &header) {
            Err(OidcError::Signature) if self.source.is_some() => {
                self.refresh(instant, SOONEST_REFRESH).await?;
                self.payload(token, &header)?
            }
            Ok(payload) if self.source.is_some() => {
                // What is at hand decides; nobody waits for newer keys.
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    this.refresh(instant, this.settings.refresh.max(SOONEST_REFRESH))
                        .await
                });
                payload
            }
            other => other?,
        };
        self.caller(&payload, now)
    }

    /// The claims, if one of the keys at hand signed them.
    fn payload(&self, token: &str, header: &Header) -> Result<Map<String, Value>, OidcError> {
        let keys = self.keys.load_full().unwrap_or_default();
        for key in keys.iter().filter(|key| header.may_mean(key)) {
            let Some(verifier) = verifier(&header.algorithm, key) else {
                continue;
            };
            if let Ok((payload, _)) = jwt::decode_with_verifier(token, verifier.as_ref()) {
                return Ok(payload.claims_set().clone());
            }
        }
        Err(OidcError::Signature)
    }

    /// Asks for the keys, unless they were asked for less than `pause` ago.
    async fn refresh(&self, instant: Instant, pause: Duration) -> Result<(), OidcError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        // One asks, the others wait for what it gets.
        let mut asked = source.state.lock().await;
        if asked
            .tried
            .is_some_and(|tried| instant.saturating_duration_since(tried) < pause)
        {
            return match &asked.failure {
                Some(failure) if self.keys.load().is_none() => {
                    Err(OidcError::Keys(failure.clone()))
                }
                _ => Ok(()),
            };
        }
        asked.tried = Some(instant);
        match source.from.fetch().await.and_then(|set| usable_keys(&set)) {
            Ok(keys) => {
                asked.failure = None;
                self.keys.store(Some(Arc::new(keys)));
                Ok(())
            }
            Err(failure) => {
                tracing::warn!(%failure, "the OIDC provider's keys cannot be had; what is known stays in use");
                asked.failure = Some(failure.clone());
                Err(OidcError::Keys(failure))
            }
        }
    }

    fn caller(&self, claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<Caller, OidcError> {
        let settings = &self.settings;
        let wrong = |claim: &str| OidcError::Claim(claim.to_owned());
        if claims.get("iss").and_then(Value::as_str) != Some(settings.issuer.as_str()) {
            return Err(wrong("iss"));
        }
        if !texts(claims.get("aud")).any(|audience| audience == settings.audience) {
            return Err(wrong("aud"));
        }
        let date = |claim: &str| match claims.get(claim) {
            None => Ok(None),
            Some(value) => seconds(value).map(Some).ok_or_else(|| wrong(claim)),
        };
        let expires = date("exp")?.ok_or_else(|| wrong("exp"))?;
        let until = expires
            .checked_add_signed(settings.skew)
            .ok_or_else(|| wrong("exp"))?;
        if now >= until {
            return Err(OidcError::Expired(expires));
        }
        if let Some(from) = date("nbf")?
            && now
                .checked_add_signed(settings.skew)
                .is_none_or(|latest| latest < from)
        {
            return Err(OidcError::NotYetValid(from));
        }
        let user = at(claims, &settings.user_claim)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if user.is_empty() || user.chars().any(char::is_control) {
            return Err(wrong(&settings.user_claim));
        }
        let has = |roles: &[String]| {
            texts(at(claims, &settings.role_claim))
                .any(|role| roles.iter().any(|known| known == role))
        };
        let role = if has(&settings.admin_roles) {
            Some(api::Role::Admin)
        } else if has(&settings.viewer_roles) {
            Some(api::Role::Viewer)
        } else {
            None
        };
        Ok(Caller {
            profile: None,
            name: user.chars().take(LONGEST_USER).collect(),
            role,
            kind: CallerKind::Oidc,
            until: Some(until),
        })
    }
}

struct Header {
    algorithm: String,
    key_id: Option<String>,
}

impl Header {
    fn may_mean(&self, key: &Jwk) -> bool {
        match (self.key_id.as_deref(), key.key_id()) {
            (Some(named), Some(known)) => named == known,
            _ => true,
        }
    }
}

fn header_of(token: &str) -> Result<Header, OidcError> {
    if token.len() > LONGEST_TOKEN {
        return Err(OidcError::Malformed);
    }
    // josekit takes the last of two members with one name; others that read this token may take the first.
    for part in token.split('.').take(2) {
        let octets = URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| OidcError::Malformed)?;
        json::object(&octets).map_err(|_| OidcError::Malformed)?;
    }
    let header = jwt::decode_header(token).map_err(|_| OidcError::Malformed)?;
    let header = header
        .as_any()
        .downcast_ref::<JwsHeader>()
        .ok_or(OidcError::Malformed)?;
    if header.claim("crit").is_some() || header.claim("b64").is_some() {
        return Err(OidcError::Malformed);
    }
    let algorithm = header
        .claim("alg")
        .and_then(Value::as_str)
        .ok_or(OidcError::Malformed)?;
    if !ALLOWED.contains(&algorithm) {
        return Err(OidcError::Algorithm(
            algorithm
                .chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .take(16)
                .collect(),
        ));
    }
    Ok(Header {
        algorithm: algorithm.to_owned(),
        key_id: header.key_id().map(str::to_owned),
    })
}

const ALLOWED: [&str; 8] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
];

/// A verifier when the key is of the algorithm's kind and not meant for something else.
fn verifier(algorithm: &str, key: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    if key.key_use().is_some_and(|purpose| purpose != "sig")
        || key.algorithm().is_some_and(|only| only != algorithm)
    {
        return None;
    }
    let boxed = |verifier: Result<_, josekit::JoseError>| verifier.ok();
    let rsa = key.key_type() == "RSA";
    // The header's kid was compared already, also where the header has none.
    let mut key = key.clone();
    let _ = key.set_parameter("kid", None);
    match (algorithm, key.curve()) {
        ("RS256", _) if rsa => boxed(
            RS256
                .verifier_from_jwk(&key)
                .map(|v| Box::new(v) as Box<dyn JwsVerifier>),
        ),
        ("RS384", _) if rsa => boxed(RS384.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("RS512", _) if rsa => boxed(RS512.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("PS256", _) if rsa => boxed(PS256.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("PS384", _) if rsa => boxed(PS384.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("PS512", _) if rsa => boxed(PS512.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("ES256", Some("P-256")) => boxed(ES256.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        ("ES384", Some("P-384")) => boxed(ES384.verifier_from_jwk(&key).map(|v| Box::new(v) as _)),
        _ => None,
    }
}

/// The keys of a JWK set that some allowed algorithm can use. Others are skipped: providers list all kinds.
fn usable_keys(key_set: &[u8]) -> Result<Vec<Jwk>, String> {
    let set = JwkSet::from_bytes(key_set).map_err(|_| "it is not a JWK set".to_owned())?;
    let keys: Vec<Jwk> = set
        .keys()
        .into_iter()
        .filter(|key| {
            ALLOWED
                .iter()
                .any(|algorithm| verifier(algorithm, key).is_some())
        })
        .cloned()
        .collect();
    if keys.is_empty() {
        return Err(
            "the JWK set holds no RSA (2048 bits or more) or EC (P-256, P-384) signature key"
                .to_owned(),
        );
    }
    Ok(keys)
}

/// A claim by its dotted path; a claim whose own name has dots (`https://example.com/roles`) is found first.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    at(claims.get(first)?.as_object()?, rest)
}

/// A text, or each text of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match value {
        Some(Value::String(text)) => (Some(text.as_str()), &[][..]),
        Some(Value::Array(list)) => (None, list.as_slice()),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// Seconds since 1970, whole or not.
fn seconds(value: &Value) -> Option<DateTime<Utc>> {
    let whole = match value.as_i64() {
        Some(whole) => whole,
        // Bounds far inside i64 and chrono's range.
        None => value
            .as_f64()
            .filter(|float| float.abs() < 1e12)
            .map(|float| float.trunc() as i64)?,
    };
    DateTime::from_timestamp(whole, 0)
}

#[cfg(test)]
mod tests;
