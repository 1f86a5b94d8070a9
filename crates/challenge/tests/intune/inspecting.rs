//! The report: the same verdict as the gates, and why.

use crate::support::*;
use challenge::{CsrFacts, GateVerdict, IntuneSettings, Label, Report, inspect, verify};
use serde_json::json;

fn report(challenge: &str) -> Report {
    inspect(challenge, Some(&both()), &settings(), Some(&csr()), now())
}

fn verdicts(report: &Report) -> String {
    let letters = report.gates.iter().map(|gate| match gate.verdict {
        GateVerdict::Passes => 'p',
        GateVerdict::Refuses => 'r',
        GateVerdict::NotAsked => '-',
        GateVerdict::Depends => '?',
    });
    for (position, gate) in report.gates.iter().enumerate() {
        assert_eq!(usize::from(gate.gate), position + 1);
        assert!(!gate.words.is_empty() && !gate.name.is_empty());
    }
    letters.collect()
}

#[test]
fn a_good_one_passes_what_can_be_asked() {
    let report = report(&signed(&claims(), ec()));
    assert_eq!(verdicts(&report), "pppppp???");
    assert_eq!(
        (report.refused_by, report.label, report.authentic),
        (None, None, true)
    );
    assert_eq!(report.payload, Some(claims()));
    assert!(report.signed_by.unwrap().contains("EC connector"));
}

#[test]
fn every_fault_is_told_not_only_the_first() {
    let changes = json!({"exp": NOW - 1_000, "aud": "x", "device_name": "DC01"});
    let report = report(&signed(&claims_with(changes), stranger()));
    assert_eq!(verdicts(&report), "prprrr???");
    assert_eq!(
        (report.refused_by, report.label, report.fail_info),
        (Some(2), Some(Label::SignatureInvalid), Some(1))
    );
    assert!(!report.authentic);
    assert_eq!(report.mismatches.len(), 1);
    assert_eq!(report.gates[3].label, Some(Label::Expired));
}

#[test]
fn what_is_not_given_is_not_asked() {
    let challenge = signed(&claims(), ec());
    let report = inspect(&challenge, None, &settings(), None, now());
    assert_eq!(verdicts(&report), "p-ppp-???");
    assert_eq!((report.refused_by, report.authentic), (None, false));
    let none = with_header(r#"{"alg":"none"}"#, ec());
    let report = inspect(&none, None, &settings(), None, now());
    assert_eq!(
        (verdicts(&report).as_str(), report.refused_by),
        ("prppp-???", Some(2))
    );
}

#[test]
fn what_cannot_be_read_stops_there() {
    for (challenge, expected, gate) in [
        ("secret".to_owned(), "rr-------", 1),
        (format!("{}..", "!".repeat(250)), "pr-------", 2),
        (signed_text("[]", ec()), "rpr------", 1),
        (with_raw("x", "{\"a\":1,\"a\":1}"), "ppr------", 3),
        (
            signed(&claims_with(json!({"version": "v2"})), ec()),
            "ppr------",
            3,
        ),
        (with_raw("exp", "1.5"), "pppr-----", 4),
    ] {
        let report = report(&challenge);
        assert_eq!(
            (verdicts(&report).as_str(), report.refused_by),
            (expected, Some(gate)),
            "{challenge}"
        );
    }
}

#[test]
fn a_limit_of_zero_always_passes() {
    let settings = IntuneSettings {
        per_device_limit_24h: 0,
        audience: None,
        ..settings()
    };
    let report = inspect(
        &signed(&claims(), ec()),
        Some(&both()),
        &settings,
        None,
        now(),
    );
    assert_eq!(verdicts(&report), "ppppp-?p?");
}

#[test]
fn the_report_and_the_gates_agree() {
    let unlike = CsrFacts::default();
    for (challenge, csr) in [
        (signed(&claims(), rsa()), csr()),
        (signed(&claims(), stranger()), csr()),
        (signed(&claims(), ec()), unlike.clone()),
        (signed(&claims_with(json!({"iat": NOW + 100})), ec()), csr()),
        (signed(&claims_with(json!({"aud": null})), ec()), unlike),
        (with_header(r#"{"alg":"ES256","alg":"ES256"}"#, ec()), csr()),
        (with_raw("san_dns", "{}"), csr()),
    ] {
        let report = inspect(&challenge, Some(&both()), &settings(), Some(&csr), now());
        let verified = verify(&challenge, &both(), &settings(), &csr, now());
        assert_eq!(
            report.label,
            verified.as_ref().err().map(|refused| refused.label)
        );
        assert_eq!(
            report.refused_by,
            verified.as_ref().err().map(|refused| refused.gate)
        );
        if let Err(refused) = verified
            && refused.gate == 6
        {
            assert_eq!(report.mismatches, refused.mismatches);
        }
    }
}

#[test]
fn the_report_is_json_too() {
    let value = serde_json::to_value(report(&signed(&claims(), ec()))).unwrap();
    assert_eq!(value["gates"][6]["verdict"], "depends");
    assert_eq!(value["csr"]["san_upn"], json!(["ada@corp.example.com"]));
    assert_eq!(value["label"], json!(null));
}
