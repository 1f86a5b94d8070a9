//! Who is asking: the check, and the page's session.
//!
//! A session is a cookie ([`SESSION_COOKIE`]: HttpOnly, Secure, SameSite=Strict, Path=/). Every
//! request under it that changes something carries the session's CSRF token in [`CSRF_HEADER`].
//! A request with a bearer token needs neither.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The header that carries [`Session::csrf_token`] on changes made under a session cookie.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// The session cookie's name; the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub const SESSION_COOKIE: &str = "__Host-scepd_session";

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthCheck {
    /// Always `authenticated`: anything else is a 401.
    #[schema(schema_with = crate::constant::authenticated)]
    pub status: String,
    /// The token's name, or the subject of an OIDC token.
    pub user: String,
    /// Whether the admin routes are open to this caller.
    pub admin: bool,
    /// How the caller signed in: `APIKey` (a token, or a session made with one) or `OIDC`.
    pub actor_type: String,
}

impl AuthCheck {
    /// The reply for a caller who is known.
    pub fn authenticated(user: String, admin: bool, actor_type: String) -> Self {
        Self {
            status: "authenticated".to_owned(),
            user,
            admin,
            actor_type,
        }
    }
}

/// What to sign in with.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The token as `scepd token create` printed it, or an OIDC JWT.
    pub token: String,
}

/// A session of the page.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// As in `AuthCheck`.
    pub user: String,
    /// As in `AuthCheck`.
    pub admin: bool,
    /// As in `AuthCheck`.
    pub actor_type: String,
    /// To be sent in `X-CSRF-Token` with every change.
    pub csrf_token: String,
    /// When the session ends by itself.
    #[serde(with = "crate::time")]
    pub expires_at: DateTime<Utc>,
}
