//! Numbers and times of a profile: what is too small, too large, or does not fit together.

use challenge::IntuneSettings;

use super::problem::{Findings, Location};
use crate::config::{Profile, Span};

/// Says which of a profile's numbers are out of range.
pub(super) fn of_profile(profile: &Profile, location: &Location, findings: &mut Findings) {
    super::count(
        profile.max_in_flight,
        1..=100_000,
        &location.at("max_in_flight"),
        findings,
    );
    super::count(
        profile.limits.max_csr_bytes,
        1024..=1_048_576,
        &location.at("limits.max_csr_bytes"),
        findings,
    );
    if profile.approval {
        super::range(
            profile.approval_timeout,
            "1m",
            "366d",
            &location.at("approval_timeout"),
            findings,
        );
    }
    super::range(
        profile.renewal.revoke_previous_after,
        "0s",
        "366d",
        &location.at("renewal.revoke_previous_after"),
        findings,
    );
    super::range(
        profile.answer_within,
        "1s",
        "10m",
        &location.at("answer_within"),
        findings,
    );
    of_outside(profile, location, findings);
    let intune = &profile.intune;
    if !intune.enabled {
        return;
    }
    super::range(
        intune.challenge_validity,
        "0s",
        "30d",
        &location.at("intune.challenge_validity"),
        findings,
    );
    let most_skew = IntuneSettings::LARGEST_CLOCK_SKEW;
    super::range(
        intune.clock_skew_tolerance,
        "0s",
        &Span::seconds(most_skew.num_seconds().unsigned_abs()).to_string(),
        &location.at("intune.clock_skew_tolerance"),
        findings,
    );
    super::range(
        intune.retransmission_window,
        "0s",
        "1d",
        &location.at("intune.retransmission_window"),
        findings,
    );
    let limit = usize::try_from(intune.per_device_rate_limit_24h).unwrap_or(usize::MAX);
    super::count(
        limit,
        0..=10_000,
        &location.at("intune.per_device_rate_limit_24h"),
        findings,
    );
    if !intune.challenge_validity.is_zero()
        && intune.clock_skew_tolerance >= intune.challenge_validity
    {
        findings.fail(
            &location.at("intune.clock_skew_tolerance"),
            format!(
                "{} is not less than challenge_validity, {}",
                intune.clock_skew_tolerance, intune.challenge_validity
            ),
            "make it smaller",
        );
    }
    if intune
        .audience
        .as_ref()
        .is_some_and(|audience| audience.trim().is_empty())
    {
        let what = "it is empty, and no challenge has an empty audience";
        findings.fail(
            &location.at("intune.audience"),
            what,
            "set it, or remove it so that it is not looked at",
        );
    }
    if !intune.challenge_validity.is_zero()
        && intune.challenge_validity < intune.retransmission_window
    {
        findings.warn(
            &location.at("intune.retransmission_window"),
            "it is longer than challenge_validity: a repeated message gets its certificate again also when its \
             challenge has expired",
            "make it shorter",
        );
    }
}

/// Says which numbers of a profile's calls to the outside are out of range.
fn of_outside(profile: &Profile, location: &Location, findings: &mut Findings) {
    let outside = &profile.outside;
    for (span, least, most, setting) in [
        (outside.call_timeout, "100ms", "5m", "outside.call_timeout"),
        (outside.budget, "10s", "7d", "outside.budget"),
        (outside.first_pause, "10ms", "10m", "outside.first_pause"),
        (outside.longest_pause, "10ms", "1d", "outside.longest_pause"),
        (outside.rest, "1s", "1d", "outside.rest"),
    ] {
        super::range(span, least, most, &location.at(setting), findings);
    }
    let failures = usize::try_from(outside.failures).unwrap_or(usize::MAX);
    for (number, least, most, setting) in [
        (failures, 1, 1_000_000, "outside.failures"),
        (outside.calls, 1, 10_000, "outside.calls"),
    ] {
        super::count(number, least..=most, &location.at(setting), findings);
    }
    if outside.longest_pause < outside.first_pause {
        findings.fail(
            &location.at("outside.longest_pause"),
            format!(
                "{} is less than first_pause, {}",
                outside.longest_pause, outside.first_pause
            ),
            "make it longer",
        );
    }
    if outside.budget < outside.call_timeout {
        findings.fail(
            &location.at("outside.budget"),
            format!(
                "{} is less than call_timeout, {}: no call could end in time",
                outside.budget, outside.call_timeout
            ),
            "make it longer",
        );
    }
}
