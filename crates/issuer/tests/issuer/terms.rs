//! What whoever vouches may ask of a certificate beside the policy: shorter, without a SID, or with its extension.

use super::support::*;
use chrono::{Duration, SubsecRound};
use issuer::{CertificateRequest, LocalSigner};
use pki::{Extension, oid};

const SID: &str = "S-1-5-21-1496966362-3320961333-4044918980-1105";

#[test]
fn a_life_is_cut_and_never_prolonged() {
    let csr = csr("dns:box-4.example.org", &[]);
    let approved = approve(&policy(), &csr).unwrap();
    let whole = approved.not_after();
    let short = approved.clone().no_longer_than(Duration::hours(12), now());
    // Certificates know whole seconds.
    let end = (now() + Duration::hours(12)).trunc_subsecs(0);
    assert_eq!(short.not_after(), end);
    assert_eq!(short.not_before(), approved.not_before());
    assert!(
        short
            .notes()
            .iter()
            .any(|note| note.contains("valid until"))
    );
    let long = approved.no_longer_than(Duration::days(10_000), now());
    assert_eq!(long.not_after(), whole);
    let certificate = ca().sign_approved(&short, now()).unwrap();
    assert_eq!(certificate.not_after(), short.not_after());
    assert_eq!(short.matches(&certificate), Ok(()));
}

#[test]
fn a_life_that_begins_tomorrow_has_not_begun() {
    let csr = csr("dns:box-4.example.org", &[]);
    let approved = approve(&policy(), &csr).unwrap();
    // Signed later, it begins later; a clock may be ahead by a little.
    let signed_at = |at| {
        let then = policy().approve(request(&csr), at).unwrap();
        ca().sign_approved(&then, at).unwrap()
    };
    for (ahead, begun) in [
        (Duration::zero(), true),
        (Duration::minutes(9), true),
        (Duration::minutes(11), false),
        (Duration::hours(23), false),
    ] {
        // Backdated by five minutes.
        let certificate = signed_at(now() + ahead);
        let compared = approved.has_begun(&certificate, now());
        assert_eq!(compared.is_ok(), begun, "{ahead}: {compared:?}");
        if let Err(difference) = compared {
            assert_eq!(difference.field, "notBefore");
        }
        // Whoever decided a day later has it begin a day later.
        assert_eq!(approved.has_begun(&certificate, now() + ahead), Ok(()));
    }
}

#[test]
fn a_sid_is_left_out_and_nothing_else_is() {
    let uri = format!("tag:microsoft.com,2022-09-14:sid:{SID}");
    let names = format!("dns:box-4.example.org, uri:https://example.org, uri:{uri}");
    let csr = csr(&names, &[]);
    let request = CertificateRequest {
        vouched_sid: Some(SID),
        ..request(&csr)
    };
    let approved = policy().approve(request, now()).unwrap();
    assert_eq!(approved.sans().uri.len(), 2);
    let without = approved.without_sid();
    assert_eq!(without.sans().uri, ["https://example.org"]);
    assert_eq!(without.sans().dns, ["box-4.example.org"]);
}

#[test]
fn the_extension_names_the_sid_that_was_given_and_no_other_matches() {
    let csr = csr("dns:box-4.example.org", &[]);
    let plain = approve(&policy(), &csr).unwrap();
    let with = plain.clone().with_sid(SID);
    let certificate = ca().sign_approved(&with, now()).unwrap();
    let expected = Extension::ms_sid(SID).unwrap().value;
    assert_eq!(certificate.extension(oid::MS_SID), Some(&*expected));
    assert_eq!(with.matches(&certificate), Ok(()));
    assert!(plain.matches(&certificate).is_err(), "nobody approved it");
    let other = plain.clone().with_sid("S-1-5-21-1-2-3-500");
    assert!(other.matches(&certificate).is_err());
    let without = ca().sign_approved(&plain, now()).unwrap();
    assert!(with.matches(&without).is_err(), "it lacks it");
}
