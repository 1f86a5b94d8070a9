//! The examples of `docs/extending.md`: a gate and a validator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "tests"
)]

use challenge::{
    Check, CsrFacts, Facts, Gate, Grounds, Input, IntuneSettings, Judged, Label, NotVouched,
    Proven, Refused, Request, Reservation, Seen, Validator,
};
use chrono::{DateTime, TimeDelta, Timelike, Utc};

/// Refuses what comes outside of working hours.
fn in_working_hours<'a>(input: &Input<'a>, _: &mut Facts<'a>) -> Result<Seen, Refused> {
    match input.now.hour() {
        6..18 => Ok(Seen::Passes),
        hour => Err(Refused {
            label: Label::NotYetValid,
            reason: format!("it is {hour} o'clock, and devices enroll from 6 to 18"),
            claim: None,
            authentic: false,
            gate: 0,
            mismatches: Vec::new(),
        }),
    }
}

static WORKING_HOURS: Gate = Gate {
    number: 10,
    name: "working hours",
    labels: &[Label::NotYetValid],
    judged: Judged::Here {
        check: in_working_hours,
        words: |_, _| "it came in working hours".into(),
    },
};

#[test]
fn a_gate_is_a_value() {
    let settings = IntuneSettings::default();
    let at = |hour: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
    let ask = |hour| {
        let input = Input {
            challenge: "",
            anchors: None,
            settings: &settings,
            csr: None,
            now: at(hour),
        };
        let Judged::Here { check, .. } = &WORKING_HOURS.judged else {
            panic!("it is judged here");
        };
        check(&input, &mut Facts::default())
    };
    assert!(matches!(ask(9), Ok(Seen::Passes)));
    let refused = ask(3).err().unwrap();
    assert!(WORKING_HOURS.labels.contains(&refused.label));
}

/// Challenges that somebody else has made and handed out, each good for one enrollment: `voucher:` and a number that
/// ends with its own check digit.
struct Vouchers;

impl Validator for Vouchers {
    fn id(&self) -> &str {
        "vouchers"
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        challenge.is_some_and(|text| text.starts_with("voucher:"))
    }

    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check {
        let text = request.challenge.unwrap_or_default();
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
        let good = digits.len() == 10 && digits.iter().sum::<u32>() % 10 == 0;
        if !good {
            return Check::Refused(Box::new(NotVouched {
                reason: "voucher",
                is_guess: true,
                ..NotVouched::of_challenge("this voucher was never handed out")
            }));
        }
        let mut key = [0; 16];
        key.copy_from_slice(&pki::sha256(text.as_bytes())[..16]);
        Check::Proven(Box::new(Proven {
            grounds: Grounds {
                device: Some(text.to_owned()),
                ..Grounds::default()
            },
            reservations: vec![Reservation::Once {
                key,
                until: now + TimeDelta::days(365),
            }],
        }))
    }
}

#[test]
fn a_validator_says_what_an_enrollment_takes() {
    let names = CsrFacts::default();
    let check = |challenge| {
        assert!(Vouchers.recognises(Some(challenge)));
        let request = Request {
            challenge: Some(challenge),
            names: &names,
            transaction_id: "1",
            csr: &[],
            source: None,
        };
        Vouchers.check(&request, DateTime::UNIX_EPOCH)
    };
    match check("voucher:1234567895") {
        Check::Proven(proven) => assert_eq!(proven.reservations.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(check("voucher:1234567890"), Check::Refused(_)));
    assert!(!Vouchers.recognises(Some("secret")) && !Vouchers.is_remote());
}
