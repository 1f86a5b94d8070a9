//! A caller who is known, and the proofs of permission that handlers ask for.

use std::fmt;

use chrono::{DateTime, Utc};

/// How a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// A token of `scepd token`, presented itself or by a session made with it.
    ApiKey,
    /// A JWT of the OIDC provider, presented itself or by a session made with it.
    Oidc,
}

impl CallerKind {
    /// The word in replies and audit events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "APIKey",
            Self::Oidc => "OIDC",
        }
    }
}

/// Somebody whose credentials are good.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, or the user claim of the JWT.
    pub name: String,
    /// What they may do. `None`: the provider knows them, and gives them none of scepd's roles; they may sign in, and
    /// no more.
    pub role: Option<api::Role>,
    /// The SCEP profile that the challenge role is limited to.
    pub profile: Option<String>,
    /// How they are known.
    pub kind: CallerKind,
    /// From when on the credentials are no longer good, where that is known.
    pub until: Option<DateTime<Utc>>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Some(api::Role::Admin) => "admin",
            Some(api::Role::Viewer) => "viewer",
            Some(api::Role::Challenge) => "challenge",
            None => "no role",
        };
        write!(f, "{} {} ({role})", self.kind.as_str(), self.name)
    }
}

/// Proof that a request came from a known caller, whatever the role. Made by the [`Gate`](super::Gate) alone.
#[derive(Debug, Clone)]
pub struct SignedIn(Caller);

impl SignedIn {
    pub(super) fn new(caller: Caller) -> Self {
        Self(caller)
    }

    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.0
    }

    /// Whether the admin routes are open to them.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.role == Some(api::Role::Admin)
    }

    /// The proof that an admin route asks for.
    ///
    /// # Errors
    /// [`Denied`] without the admin role.
    pub fn admin(&self) -> Result<Admin, Denied> {
        let name = || self.0.name.clone();
        match self.0.role {
            Some(api::Role::Admin) => Ok(Admin(self.0.clone())),
            Some(api::Role::Viewer) => Err(Denied::Viewer { name: name() }),
            Some(api::Role::Challenge) => Err(Denied::ChallengesAlone { name: name() }),
            None => Err(Denied::NoRole { name: name() }),
        }
    }

    /// The proof that the routes of challenges for one device ask for.
    ///
    /// # Errors
    /// [`Denied`] without the admin role and the challenge role.
    pub fn challenge_maker(&self) -> Result<ChallengeMaker, Denied> {
        match self.0.role {
            Some(api::Role::Admin | api::Role::Challenge) => Ok(ChallengeMaker(self.0.clone())),
            _ => self.admin().map(|Admin(caller)| ChallengeMaker(caller)),
        }
    }
}

/// Proof that a request came from somebody who may have challenges made. There is no other way to get it than
/// [`SignedIn::challenge_maker`].
#[derive(Debug, Clone)]
pub struct ChallengeMaker(Caller);

impl ChallengeMaker {
    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.0
    }

    /// The one SCEP profile that they may have challenges made for; `None`: any.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.0.profile.as_deref()
    }
}

/// Proof that a request came from an admin. Handlers of admin routes take one; there is no other way to get it than
/// [`SignedIn::admin`].
#[derive(Debug, Clone)]
pub struct Admin(Caller);

impl Admin {
    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

/// The caller is known and may not do this: HTTP 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// They have the viewer role.
    #[error(
        "this needs the admin role, and `{name}` has the viewer role; use a token made with --role admin"
    )]
    Viewer {
        /// The caller's name.
        name: String,
    },
    /// They have the challenge role.
    #[error(
        "this needs the admin role, and `{name}` may have challenges made and nothing else; use a token made with --role admin"
    )]
    ChallengesAlone {
        /// The caller's name.
        name: String,
    },
    /// Their token is good, and its roles are none of scepd's.
    #[error(
        "this needs the admin role, and the provider's token for `{name}` has no role that admin.oidc names; ask for one of its admin_roles"
    )]
    NoRole {
        /// The caller's name.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_admin_role_opens_admin_routes() {
        let caller = |role| {
            SignedIn::new(Caller {
                name: "ops".to_owned(),
                role,
                profile: None,
                kind: CallerKind::ApiKey,
                until: None,
            })
        };
        assert!(caller(Some(api::Role::Admin)).admin().is_ok());
        let name = "ops".to_owned();
        let denied = caller(Some(api::Role::Viewer)).admin().map(|_| ());
        assert_eq!(denied, Err(Denied::Viewer { name: name.clone() }));
        let maker = caller(Some(api::Role::Challenge));
        assert!(maker.challenge_maker().is_ok() && maker.admin().is_err());
        assert!(caller(Some(api::Role::Admin)).challenge_maker().is_ok());
        assert!(caller(Some(api::Role::Viewer)).challenge_maker().is_err());
        let denied = caller(None).admin().map(|_| ());
        assert_eq!(denied, Err(Denied::NoRole { name }));
    }
}
