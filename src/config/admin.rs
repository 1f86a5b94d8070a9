//! `[admin]`: sessions, bad tokens, OIDC, metrics.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::server::optional_address;
use super::{AskedUrl, Secret, Span};

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Longest life of a session of the page.
    pub session_lifetime: Span,
    /// A session ends after this long without a request.
    pub session_idle: Span,
    /// Wrong tokens from one source within `bad_token_window` before it is answered 429; 0 = no limit.
    pub bad_token_limit: u32,
    /// The window of `bad_token_limit`.
    pub bad_token_window: Span,
    /// A listener of its own, plain http, for `/metrics`, `/healthz` and `/readyz`.
    /// When set, `/metrics` is there only.
    #[serde(deserialize_with = "optional_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// Bearer token that `/metrics` asks for.
    pub metrics_token: Option<Secret>,
    /// File that holds `metrics_token`.
    pub metrics_token_file: Option<PathBuf>,
    /// `[admin.oidc]`.
    pub oidc: Oidc,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            session_lifetime: Span::hours(8),
            session_idle: Span::minutes(30),
            bad_token_limit: 10,
            bad_token_window: Span::minutes(1),
            metrics_listen: None,
            metrics_token: None,
            metrics_token_file: None,
            oidc: Oidc::default(),
        }
    }
}

/// `[admin.oidc]`: JWTs of an OpenID Connect provider as admin tokens. Off while `issuer` is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// The `iss` that tokens must carry.
    #[serde(serialize_with = "shown")]
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry.
    pub audience: Option<String>,
    /// File with the provider's keys (a JWK set).
    pub keys_file: Option<PathBuf>,
    /// https address of the provider's keys (a JWK set); instead of `keys_file`.
    pub jwks_url: Option<AskedUrl>,
    /// How often `jwks_url` is asked again.
    pub jwks_refresh: Span,
    /// Claim that holds the roles, dotted for nested ones (`realm_access.roles`).
    pub role_claim: String,
    /// Values of the role claim that make an admin.
    pub admin_roles: Vec<String>,
    /// Values of the role claim that make a viewer.
    pub viewer_roles: Vec<String>,
    /// Claim that names the user in the audit.
    pub user_claim: String,
    /// Difference of clocks that is tolerated.
    pub clock_skew_tolerance: Span,
}

/// An address as it may be shown.
fn shown<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_deref().map(AskedUrl::new).serialize(serializer)
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            keys_file: None,
            jwks_url: None,
            jwks_refresh: Span::hours(1),
            role_claim: "roles".to_owned(),
            admin_roles: vec!["scepd-admin".to_owned()],
            viewer_roles: vec!["scepd-viewer".to_owned()],
            user_claim: "sub".to_owned(),
            clock_skew_tolerance: Span::seconds(60),
        }
    }
}
