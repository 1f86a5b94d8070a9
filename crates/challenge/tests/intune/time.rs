//! Gate 4 at its edges, and the rotation of clocks.

use crate::support::*;
use challenge::{CsrFacts, IntuneSettings, Label, Refused, verify};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;

fn label_at(
    changes: serde_json::Value,
    settings: &IntuneSettings,
    now: DateTime<Utc>,
) -> Result<(), Label> {
    let challenge = signed(&claims_with(changes), ec());
    verify(&challenge, &both(), settings, &csr(), now)
        .map(|_| ())
        .map_err(|refused| refused.label)
}

#[test]
fn edges_are_where_the_rule_puts_them() {
    let exact = IntuneSettings {
        clock_skew: Duration::zero(),
        ..settings()
    };
    let loose = settings();
    let millisecond = Duration::milliseconds(1);
    for (name, changes, settings, now, expected) in [
        (
            "iat now, no tolerance",
            json!({"iat": NOW}),
            &exact,
            now(),
            Ok(()),
        ),
        (
            "iat a moment ahead",
            json!({"iat": NOW}),
            &exact,
            now() - millisecond,
            Err(Label::NotYetValid),
        ),
        (
            "exp next second",
            json!({"exp": NOW + 1}),
            &exact,
            now(),
            Ok(()),
        ),
        (
            "a moment before exp",
            json!({"exp": NOW}),
            &exact,
            now() - millisecond,
            Ok(()),
        ),
        (
            "exp now",
            json!({"exp": NOW}),
            &exact,
            now(),
            Err(Label::Expired),
        ),
        (
            "iat ahead by the tolerance",
            json!({"iat": NOW + 60}),
            &loose,
            now(),
            Ok(()),
        ),
        (
            "iat ahead by more",
            json!({"iat": NOW + 60}),
            &loose,
            now() - millisecond,
            Err(Label::NotYetValid),
        ),
        (
            "exp gone by less than the tolerance",
            json!({"exp": NOW - 59}),
            &loose,
            now(),
            Ok(()),
        ),
        (
            "a moment less than the tolerance",
            json!({"exp": NOW - 60}),
            &loose,
            now() - millisecond,
            Ok(()),
        ),
        (
            "exp gone by the tolerance",
            json!({"exp": NOW - 60}),
            &loose,
            now(),
            Err(Label::Expired),
        ),
        (
            "as old as allowed",
            json!({"iat": NOW - 3600}),
            &loose,
            now(),
            Ok(()),
        ),
        (
            "a moment older",
            json!({"iat": NOW - 3600}),
            &loose,
            now() + millisecond,
            Err(Label::Expired),
        ),
    ] {
        assert_eq!(label_at(changes, settings, now), expected, "{name}");
    }
}

#[test]
fn without_a_validity_age_does_not_matter() {
    let settings = IntuneSettings {
        challenge_validity: None,
        ..settings()
    };
    assert_eq!(label_at(json!({"iat": 0}), &settings, now()), Ok(()));
    assert_eq!(
        label_at(json!({"iat": 0, "exp": NOW - 61}), &settings, now()),
        Err(Label::Expired)
    );
}

#[test]
fn extreme_settings_and_clocks_do_not_overflow() {
    let huge = IntuneSettings {
        clock_skew: Duration::MAX,
        challenge_validity: Some(Duration::MAX),
        ..settings()
    };
    assert_eq!(label_at(json!({}), &huge, now()), Ok(()));
    assert_eq!(
        label_at(json!({"iat": 253_402_300_799_i64, "exp": 0}), &huge, now()),
        Ok(())
    );
    let negative = IntuneSettings {
        clock_skew: Duration::MIN,
        challenge_validity: Some(Duration::MIN),
        ..settings()
    };
    assert_eq!(label_at(json!({}), &negative, now()), Err(Label::Expired));
    for clock in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        assert!(label_at(json!({}), &settings(), clock).is_err(), "{clock}");
    }
}

#[test]
fn remembered_for_longer_than_it_can_be_used() {
    for (exp, skew) in [
        (NOW + 600, 60),
        (NOW + 1, 0),
        (NOW + 600, 3600),
        (253_402_300_799, 60),
    ] {
        let settings = IntuneSettings {
            clock_skew: Duration::seconds(skew),
            ..settings()
        };
        let challenge = signed(&claims_with(json!({"exp": exp})), ec());
        let verified = verify(&challenge, &both(), &settings, &csr(), now()).unwrap();
        let last_use = at(exp) + Duration::seconds(skew);
        assert!(verified.remember_until >= last_use);
        assert!(verified.remember_until <= at(exp) + Duration::hours(2));
        // Also after a reload that allows the most.
        let refused: Result<_, Refused> = verify(
            &challenge,
            &both(),
            &IntuneSettings {
                challenge_validity: None,
                clock_skew: IntuneSettings::LARGEST_CLOCK_SKEW,
                ..settings
            },
            &CsrFacts::default(),
            verified.remember_until,
        );
        assert!(refused.is_err(), "still usable when forgotten");
    }
}
