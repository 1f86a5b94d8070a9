//! Challenges that are made for one device, as the admin API, the command line and the interfaces of MDMs have them made.

use std::time::Duration;

use actors::{
    ChallengeError, ChallengeWish, Challenges, Current, Directory, Minter, NewChallenge,
    OneTimeRules, challenge_id,
};
use challenge::Binding;
use std::sync::Arc;
use store::{ChallengeRecord, ChallengeState};

/// Why no challenge was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotMade {
    /// There is no such profile.
    #[error("there is no SCEP profile `{0}`")]
    NoProfile(String),
    /// The profile has no challenges that are made for one device.
    #[error(
        "profile `{0}` has no challenges that are made for one device; set one_time.enabled = true in it"
    )]
    Off(String),
    /// As it says.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
}

/// The profile with its rules for challenges that are made for one device.
pub(crate) fn profile(
    directory: &Directory,
    path_id: &str,
) -> Result<(Arc<Current>, OneTimeRules), NotMade> {
    let shown: String = path_id
        .chars()
        .take(64)
        .flat_map(char::escape_debug)
        .collect();
    let current = directory
        .find(path_id)
        .ok_or_else(|| NotMade::NoProfile(shown.clone()))?;
    let rules = current.spec.one_time.clone().ok_or(NotMade::Off(shown))?;
    Ok((current, rules))
}

/// Makes a challenge as somebody wants it.
pub(crate) async fn make(
    directory: &Directory,
    challenges: &Challenges,
    wanted: api::NewChallenge,
    interface: &'static str,
    by: &Minter,
) -> Result<api::ChallengeCreated, NotMade> {
    let (current, rules) = profile(directory, &wanted.profile)?;
    let longest = rules.lifetime.as_secs();
    if let Some(seconds) = wanted.lifetime_seconds
        && !(1..=longest).contains(&u64::from(seconds))
    {
        let words = format!(
            "a challenge of this profile is good for 1 to {longest} seconds (one_time.lifetime)"
        );
        return Err(ChallengeError::Request(words).into());
    }
    let wish = ChallengeWish {
        profile: current.spec.path_id.clone(),
        lifetime: wanted
            .lifetime_seconds
            .map(|seconds| Duration::from_secs(u64::from(seconds))),
        uses: wanted.uses.unwrap_or(1),
        binding: Binding {
            subject: wanted.subject,
            sans: wanted.sans,
            device: wanted.device,
            certificate_profile: wanted.certificate_profile,
            ..Binding::default()
        },
        interface,
        per_minute: None,
        note: wanted.note,
    };
    let NewChallenge { value, record } = challenges.make(&rules, &wish, by).await?;
    Ok(api::ChallengeCreated {
        challenge: value.to_string(),
        details: shown(&record, challenges.state(&record)),
    })
}

/// A challenge as the API shows it.
pub(crate) fn shown(record: &ChallengeRecord, state: ChallengeState) -> api::Challenge {
    api::Challenge {
        id: challenge_id(record),
        profile: record.profile.clone(),
        state: match state {
            ChallengeState::Open => api::ChallengeState::Open,
            ChallengeState::Used => api::ChallengeState::Used,
            ChallengeState::Expired => api::ChallengeState::Expired,
            ChallengeState::Withdrawn => api::ChallengeState::Withdrawn,
        },
        interface: record.interface.clone(),
        created_by: record.by.clone(),
        created_at: record.created,
        expires_at: record.expires,
        uses: record.uses,
        used: record.used,
        last_used_at: record.last_used,
        withdrawn_at: record.withdrawn,
        bound_to: serde_json::from_slice(&record.bound)
            .ok()
            .and_then(|binding| bound_to(&binding)),
    }
}

/// What a challenge is bound to, in words.
fn bound_to(binding: &Binding) -> Option<String> {
    let parts = [
        ("device", &binding.device),
        ("subject", &binding.subject),
        ("alternative names", &binding.sans),
        ("certificate profile", &binding.certificate_profile),
        ("configuration profile", &binding.payload_identifier),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
        .collect();
    let observed = if binding.observe { " (observed)" } else { "" };
    (!words.is_empty()).then(|| format!("{}{observed}", words.join(", ")))
}

/// The state that the store knows by this one's name.
pub(crate) const fn state_of(state: api::ChallengeState) -> ChallengeState {
    match state {
        api::ChallengeState::Open => ChallengeState::Open,
        api::ChallengeState::Used => ChallengeState::Used,
        api::ChallengeState::Expired => ChallengeState::Expired,
        api::ChallengeState::Withdrawn => ChallengeState::Withdrawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_challenge_is_bound_to_is_said_in_words() {
        assert_eq!(bound_to(&Binding::default()), None);
        let binding = Binding {
            device: Some("box-4".to_owned()),
            sans: Some("dns:box-4.example".to_owned()),
            observe: true,
            ..Binding::default()
        };
        assert_eq!(
            bound_to(&binding).as_deref(),
            Some("device box-4, alternative names dns:box-4.example (observed)")
        );
    }
}
