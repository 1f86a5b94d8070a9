//! The tokens of `scepd token`: making and revoking them, whoever asks (the API, the control socket of a running
//! server, or the command line with the store to itself).
//!
//! A token's secret is shown once. The store holds its SHA-256.

use chrono::{DateTime, Duration, Utc};
use store::{AuditDetails, AuditEvent, Change, Op, Outcome, TokenRecord, TokenRole};

use super::secret::SecretText;

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;
/// The longest life that can be asked for, in days.
const LONGEST_LIFE: u32 = 3650;

/// Why a token was not made or revoked. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The name cannot be used.
    #[error(
        "a token's name has 1 to {LONGEST_NAME} characters, no space at either end and no control character"
    )]
    Name,
    /// The life cannot be used.
    #[error("a token ends after 1 to {LONGEST_LIFE} days, or never")]
    Life,
    /// A profile that it cannot be limited to.
    #[error(
        "only a token with the role challenge is limited to a profile, and a profile's path id has a-z, 0-9 and hyphens"
    )]
    Profile,
    /// Another token in force has the name.
    #[error("there is a token named `{0}` already; revoke it first or choose another name")]
    Taken(String),
    /// There is no such token in force.
    #[error("there is no token `{0}` in force")]
    Unknown(String),
    /// It is revoked already.
    #[error("the token `{0}` is revoked already")]
    Revoked(String),
    /// The system has no random octets.
    #[error("no random octets are to be had")]
    Random,
    /// The store failed.
    #[error("the token could not be stored: {0}")]
    Store(String),
}

/// A wish for a token.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it is called; the actor's name in audit events.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// The SCEP profile that it is limited to, with the challenge role.
    pub profile: Option<String>,
    /// Days until it ends by itself.
    pub days: Option<u32>,
}

/// Who makes or revokes a token, for the audit.
#[derive(Debug, Clone)]
pub struct By {
    /// Their name.
    pub name: String,
    /// `APIKey`, `OIDC`, `CLI` or `System`.
    pub kind: &'static str,
    /// The id of the request, where there is one.
    pub request_id: Option<String>,
}

/// A token just made. It is in force once `change` is durable.
pub struct Minted {
    /// The secret, to be shown this once.
    pub secret: SecretText,
    /// What is kept.
    pub record: TokenRecord,
    /// The record and its audit event.
    pub change: Change,
}

/// Makes a token. `known` is every token there is.
///
/// # Errors
/// [`TokenError`]: the wish cannot be met.
pub fn mint(
    wanted: &Wanted,
    known: &[TokenRecord],
    by: &By,
    now: DateTime<Utc>,
) -> Result<Minted, TokenError> {
    let name = wanted.name.as_str();
    let bad = name.is_empty()
        || name.chars().count() > LONGEST_NAME
        || name.chars().any(char::is_control)
        || name.starts_with(' ')
        || name.ends_with(' ');
    if bad {
        return Err(TokenError::Name);
    }
    let limited = wanted.profile.as_deref();
    if limited.is_some_and(|profile| wanted.role != TokenRole::Challenge || !is_path_id(profile)) {
        return Err(TokenError::Profile);
    }
    if known
        .iter()
        .any(|token| token.name == name && token.usable_at(now))
    {
        return Err(TokenError::Taken(name.to_owned()));
    }
    let expires_at = match wanted.days {
        None => None,
        Some(days @ 1..=LONGEST_LIFE) => Some(
            now.checked_add_signed(Duration::days(i64::from(days)))
                .ok_or(TokenError::Life)?,
        ),
        Some(_) => return Err(TokenError::Life),
    };
    let secret = SecretText::token().map_err(|_| TokenError::Random)?;
    let id = hex::encode(pki::random::<6>().map_err(|_| TokenError::Random)?);
    let record = TokenRecord {
        id,
        name: name.to_owned(),
        role: wanted.role,
        profile: wanted.profile.clone(),
        hash: *secret.digest().octets(),
        created_at: now,
        created_by: by.name.clone(),
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let words = format!("token made with the role {}", role_word(wanted.role));
    let change =
        Change::new()
            .with(record.clone())
            .with(event("token_create", &record, by, &words, now));
    Ok(Minted {
        secret,
        record,
        change,
    })
}

/// Whether this may be a profile's path id; that of the root profile is empty.
fn is_path_id(text: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    text.len() <= 64 && text.bytes().all(allowed)
}

/// Revokes the token with this id or, for the command line, this name. Gives its record and what makes it durable.
///
/// Only where no token has the id, revoked ones included, is it taken for a name: who revokes an id twice must not
/// meet a token that somebody named after it.
///
/// # Errors
/// [`TokenError::Revoked`]: that of a token with this id; [`TokenError::Unknown`]: no token in force is called so.
pub fn revoke(
    id_or_name: &str,
    known: &[TokenRecord],
    by: &By,
    now: DateTime<Utc>,
) -> Result<(TokenRecord, Change), TokenError> {
    let token = match known.iter().find(|token| token.id == id_or_name) {
        Some(token) if token.revoked_at.is_some() => {
            return Err(TokenError::Revoked(id_or_name.to_owned()));
        }
        Some(token) => token,
        None => known
            .iter()
            .find(|token| token.name == id_or_name && token.usable_at(now))
            .ok_or_else(|| TokenError::Unknown(id_or_name.to_owned()))?,
    };
    let change = Change::new()
        .with(Op::RevokeToken {
            id: token.id.clone(),
            at: now,
        })
        .with(event("token_revoke", token, by, "token revoked", now));
    Ok((
        TokenRecord {
            revoked_at: Some(now),
            ..token.clone()
        },
        change,
    ))
}

fn event(
    action: &str,
    token: &TokenRecord,
    by: &By,
    words: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let extra = [
        ("token_name", token.name.as_str()),
        ("role", role_word(token.role)),
    ];
    AuditEvent {
        timestamp: now,
        actor: by.name.clone(),
        actor_type: by.kind.to_owned(),
        action: action.to_owned(),
        resource_type: "token".to_owned(),
        resource_id: token.id.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(words.to_owned()),
            request_id: by.request_id.clone(),
            extra: extra
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..AuditDetails::default()
        },
    }
}

/// The role's word, as the command line and the API write it.
#[must_use]
pub const fn role_word(role: TokenRole) -> &'static str {
    match role {
        TokenRole::Admin => "admin",
        TokenRole::Viewer => "viewer",
        TokenRole::Challenge => "challenge",
    }
}

/// The role as the API knows it.
pub(crate) const fn api_role(role: TokenRole) -> api::Role {
    match role {
        TokenRole::Admin => api::Role::Admin,
        TokenRole::Viewer => api::Role::Viewer,
        TokenRole::Challenge => api::Role::Challenge,
    }
}

/// A token as the API and `scepd token list` show it.
#[must_use]
pub fn shown(record: &TokenRecord) -> api::Token {
    api::Token {
        id: record.id.clone(),
        name: record.name.clone(),
        role: api_role(record.role),
        profile: record.profile.clone(),
        created_at: record.created_at,
        expires_at: record.expires_at,
        last_used_at: record.last_used_at,
        revoked_at: record.revoked_at,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use chrono::TimeZone;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).unwrap()
    }

    fn by() -> By {
        By {
            name: "root".to_owned(),
            kind: "CLI",
            request_id: None,
        }
    }

    fn wanted(name: &str, days: Option<u32>) -> Wanted {
        Wanted {
            name: name.to_owned(),
            role: TokenRole::Admin,
            profile: None,
            days,
        }
    }

    fn error(wanted: &Wanted, known: &[TokenRecord]) -> TokenError {
        match mint(wanted, known, &by(), now()) {
            Ok(_) => panic!("was made"),
            Err(error) => error,
        }
    }

    #[test]
    fn what_is_kept_is_the_digest_alone() {
        let minted = mint(&wanted("ops", Some(30)), &[], &by(), now()).unwrap();
        assert_eq!(minted.record.name, "ops");
        assert_eq!(minted.record.expires_at, Some(now() + Duration::days(30)));
        assert!(minted.secret.digest().matches(&minted.record.hash));
        let written = format!("{:?}", minted.change);
        assert!(!written.contains(minted.secret.expose()));
        assert!(written.contains("token_create"));
    }

    #[test]
    fn names_are_unique_among_tokens_in_force() {
        let first = mint(&wanted("ops", Some(1)), &[], &by(), now())
            .unwrap()
            .record;
        assert_eq!(
            error(&wanted("ops", None), std::slice::from_ref(&first)),
            TokenError::Taken("ops".to_owned())
        );
        let revoked = TokenRecord {
            revoked_at: Some(now()),
            ..first.clone()
        };
        assert!(mint(&wanted("ops", None), &[revoked], &by(), now()).is_ok());
        let later = now() + Duration::days(2);
        assert!(mint(&wanted("ops", None), &[first], &by(), later).is_ok());
    }

    #[test]
    fn names_and_lives_that_make_no_sense_are_refused() {
        for name in ["", "  ", " ops", "ops ", "a\nb", &"x".repeat(65)] {
            assert_eq!(
                error(&wanted(name, None), &[]),
                TokenError::Name,
                "{name:?}"
            );
        }
        for days in [0, 3651, u32::MAX] {
            assert_eq!(
                error(&wanted("ops", Some(days)), &[]),
                TokenError::Life,
                "{days}"
            );
        }
    }

    #[test]
    fn only_the_challenge_role_is_limited_to_a_profile() {
        let limited = |role, profile: &str| Wanted {
            role,
            profile: Some(profile.to_owned()),
            ..wanted("mdm", None)
        };
        let made = mint(&limited(TokenRole::Challenge, "corp"), &[], &by(), now()).unwrap();
        assert_eq!(made.record.profile.as_deref(), Some("corp"));
        for wrong in [
            limited(TokenRole::Admin, "corp"),
            limited(TokenRole::Viewer, "corp"),
            limited(TokenRole::Challenge, "Corp/1"),
        ] {
            assert_eq!(error(&wrong, &[]), TokenError::Profile);
        }
    }

    #[test]
    fn a_token_is_revoked_by_id_or_name_once() {
        let token = mint(&wanted("ops", None), &[], &by(), now())
            .unwrap()
            .record;
        let known = [token.clone()];
        for by_what in [token.id.as_str(), "ops"] {
            let (revoked, change) = revoke(by_what, &known, &by(), now()).unwrap();
            assert_eq!(revoked.revoked_at, Some(now()));
            assert!(
                matches!(change.0.first(), Some(Op::RevokeToken { id, .. }) if *id == token.id)
            );
        }
        let gone = [TokenRecord {
            revoked_at: Some(now()),
            ..token.clone()
        }];
        assert_eq!(
            revoke(&token.id, &gone, &by(), now()).map(|_| ()),
            Err(TokenError::Revoked(token.id.clone()))
        );
    }

    #[test]
    fn a_token_named_after_anothers_id_is_not_revoked_in_its_place() {
        let first = mint(&wanted("ops", None), &[], &by(), now())
            .unwrap()
            .record;
        let namesake = mint(&wanted(&first.id, None), &[], &by(), now())
            .unwrap()
            .record;
        let mut known = [namesake, first.clone()];
        let (revoked, _) = revoke(&first.id, &known, &by(), now()).unwrap();
        assert_eq!(revoked.id, first.id);
        known[1].revoked_at = Some(now());
        assert_eq!(
            revoke(&first.id, &known, &by(), now()).map(|_| ()),
            Err(TokenError::Revoked(first.id))
        );
    }
}
