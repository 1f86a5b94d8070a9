//! Gate 6: exactly the names that the challenge vouches for.

use crate::support::*;
use challenge::{CsrFacts, Dimension, ExtraNames, IntuneSettings, Refused, SID_URI_PREFIX, verify};
use pki::SubjectAltNames;
use serde_json::{Value, json};

fn bind(claims: &Value, csr: &CsrFacts, settings: &IntuneSettings) -> Result<(), Refused> {
    verify(&signed(claims, ec()), &both(), settings, csr, now()).map(|_| ())
}

/// The dimensions in which a changed CSR differs from the unchanged claims.
fn differing(change: impl FnOnce(&mut CsrFacts)) -> Vec<Dimension> {
    let mut csr = csr();
    change(&mut csr);
    dimensions(bind(&claims(), &csr, &settings()))
}

fn dimensions(result: Result<(), Refused>) -> Vec<Dimension> {
    match result {
        Ok(()) => Vec::new(),
        Err(refused) => {
            assert_eq!(
                (refused.gate, refused.label, refused.fail_info()),
                (6, challenge::Label::ClaimMismatch, 2)
            );
            assert!(refused.claim.is_some(), "the audit wants the claim");
            for mismatch in &refused.mismatches {
                assert!(
                    refused.reason.contains(mismatch.dimension.as_str()),
                    "{}",
                    refused.reason
                );
            }
            refused
                .mismatches
                .iter()
                .map(|mismatch| mismatch.dimension)
                .collect()
        }
    }
}

#[test]
fn nothing_missing_and_nothing_extra_in_any_dimension() {
    use Dimension::*;
    assert_eq!(differing(|_| ()), []);
    // Missing.
    assert_eq!(differing(|csr| csr.common_names.clear()), [DeviceName]);
    assert_eq!(differing(|csr| csr.sans.dns.clear()), [SanDns]);
    assert_eq!(differing(|csr| csr.sans.email.clear()), [SanRfc822]);
    assert_eq!(differing(|csr| csr.sans.upn.clear()), [SanUpn]);
    // Extra.
    assert_eq!(
        differing(|csr| csr.common_names.push("DC01".into())),
        [DeviceName]
    );
    assert_eq!(
        differing(|csr| csr.sans.dns.push("dc01.corp.example.com".into())),
        [SanDns]
    );
    assert_eq!(
        differing(|csr| csr.sans.email.push("root@example.com".into())),
        [SanRfc822]
    );
    assert_eq!(
        differing(|csr| csr.sans.upn.push("administrator@corp.example.com".into())),
        [SanUpn]
    );
    assert_eq!(
        differing(|csr| csr.sans.ip.push("10.0.0.1".parse().unwrap())),
        [SanIp]
    );
    assert_eq!(differing(|csr| csr.sans.uri.push("urn:x".into())), [SanUri]);
    assert_eq!(
        differing(|csr| csr.sans.other.push("directoryName".into())),
        [SanOther]
    );
    // Another.
    assert_eq!(
        differing(|csr| csr.common_names = strings(&["DC01"])),
        [DeviceName]
    );
    assert_eq!(
        differing(|csr| csr.sans.dns = strings(&["dc01.corp.example.com"])),
        [SanDns]
    );
    assert_eq!(
        differing(|csr| csr.sans.upn = strings(&["administrator@corp.example.com"])),
        [SanUpn]
    );
    // In the wrong dimension.
    assert_eq!(
        differing(|csr| std::mem::swap(&mut csr.sans.email, &mut csr.sans.upn)),
        [SanRfc822, SanUpn]
    );
    // Everything at once is said at once.
    let all = differing(|csr| {
        *csr = CsrFacts {
            common_names: strings(&["x"]),
            ..CsrFacts::default()
        }
    });
    assert_eq!(all, [DeviceName, SanDns, SanRfc822, SanUpn]);
}

#[test]
fn dns_email_and_upn_fold_case_spaces_and_repetition() {
    let same = differing(|csr| {
        csr.sans.dns = strings(&[" LAPTOP-7.Corp.Example.COM\t", "laptop-7.corp.example.com"]);
        csr.sans.email = strings(&["ADA@EXAMPLE.COM"]);
        csr.sans.upn = strings(&["Ada@corp.example.com ", "ada@corp.example.com"]);
    });
    assert_eq!(same, []);
    let mut claims = claims_with(json!({"san_dns": ["b.example", "A.example", " a.EXAMPLE "]}));
    let mut csr = csr();
    csr.sans.dns = strings(&["a.example", "B.example"]);
    assert_eq!(dimensions(bind(&claims, &csr, &settings())), []);
    claims["san_dns"] = json!(["b.example"]);
    assert_eq!(
        dimensions(bind(&claims, &csr, &settings())),
        [Dimension::SanDns]
    );
}

#[test]
fn what_only_looks_alike_is_another_name() {
    use Dimension::*;
    for (name, dns) in [
        ("a NUL", "laptop-7.corp.example.com\0"),
        ("a NUL and more", "laptop-7.corp.example.com\0.evil.example"),
        ("a dot at the end", "laptop-7.corp.example.com."),
        ("a no-break space", "laptop-7.corp.example.com\u{a0}"),
        ("a zero-width space", "laptop-7\u{200b}.corp.example.com"),
        ("a Cyrillic a", "l\u{430}ptop-7.corp.example.com"),
        ("a wildcard", "*.corp.example.com"),
        ("nothing", ""),
    ] {
        assert_eq!(
            differing(|csr| csr.sans.dns = strings(&[dns])),
            [SanDns],
            "{name}"
        );
    }
    // To Unicode the Kelvin sign is a k, the long s an S, and a capital I with a dot nearly an i.
    for (said, asked) in [
        ("kiosk", "\u{212a}iosk"),
        ("kiosk", "kio\u{17f}k"),
        ("kiosk", "k\u{130}osk"),
        ("KIOSK", "k\u{131}osk"),
    ] {
        let claims = claims_with(json!({"san_upn": [said]}));
        let mut csr = csr();
        csr.sans.upn = strings(&[asked]);
        assert_eq!(
            dimensions(bind(&claims, &csr, &settings())),
            [SanUpn],
            "{asked}"
        );
    }
}

#[test]
fn letters_beyond_ascii_fold_their_case_too() {
    let claims = claims_with(json!({"san_upn": ["J\u{d6}RG@b.example"]}));
    let mut csr = csr();
    csr.sans.upn = strings(&["j\u{f6}rg@B.example"]);
    assert_eq!(dimensions(bind(&claims, &csr, &settings())), []);
}

#[test]
fn the_device_name_is_compared_exactly() {
    for name in [
        "laptop-7",
        " LAPTOP-7",
        "LAPTOP-7 ",
        "LAPTOP-7\0",
        "",
        "LAPTOP",
    ] {
        let found = differing(|csr| csr.common_names = strings(&[name]));
        assert_eq!(found, [Dimension::DeviceName], "{name:?}");
    }
    // The same name twice is one name.
    assert_eq!(
        differing(|csr| csr.common_names = strings(&["LAPTOP-7", "LAPTOP-7"])),
        []
    );
}

#[test]
fn what_the_claim_leaves_out_must_be_empty() {
    use Dimension::*;
    for (name, dimension) in [
        ("san_dns", SanDns),
        ("san_rfc822", SanRfc822),
        ("san_upn", SanUpn),
    ] {
        for absent in [
            claims_with(json!({name: null})),
            claims_with(json!({name: []})),
        ] {
            let refused = bind(&absent, &csr(), &settings()).unwrap_err();
            assert_eq!(refused.mismatches.len(), 1);
            assert_eq!(refused.mismatches[0].dimension, dimension);
            assert!(
                refused.mismatches[0].claim.is_empty() && !refused.mismatches[0].csr.is_empty()
            );
        }
    }
}

#[test]
fn with_pinned_only_what_the_claim_leaves_out_is_free() {
    let pinned = IntuneSettings {
        pinned_only: true,
        ..settings()
    };
    for name in ["san_dns", "san_rfc822", "san_upn"] {
        assert_eq!(
            dimensions(bind(&claims_with(json!({name: null})), &csr(), &pinned)),
            [],
            "{name}"
        );
        // An empty list pins: there must be none.
        assert_eq!(
            dimensions(bind(&claims_with(json!({name: []})), &csr(), &pinned)).len(),
            1,
            "{name}"
        );
    }
    let mut extra = csr();
    extra.sans.upn.push("administrator@corp.example.com".into());
    assert_eq!(
        dimensions(bind(&claims(), &extra, &pinned)),
        [Dimension::SanUpn],
        "pinned stays exact"
    );
    // The common name never is free.
    let claims = claims_with(json!({"device_name": null}));
    assert_eq!(
        dimensions(bind(&claims, &csr(), &pinned)),
        [Dimension::DeviceName]
    );
}

#[test]
fn without_a_device_name_the_common_name_is_one_of_the_others() {
    for absent in [json!({"device_name": null}), json!({"device_name": ""})] {
        let claims = claims_with(absent);
        for (common_names, passes) in [
            (&[][..], true),
            (&["laptop-7.corp.example.com"], true),
            (&["Laptop-7.CORP.example.com"], true),
            (&["ada@example.com"], true),
            (&["ada@corp.example.com"], true),
            (&["ada@example.com", "ada@corp.example.com"], true),
            (&["LAPTOP-7"], false),
            (&["ada@example.com", "DC01"], false),
            (&[""], false),
        ] {
            let csr = CsrFacts {
                common_names: strings(common_names),
                ..csr()
            };
            let found = dimensions(bind(&claims, &csr, &settings()));
            assert_eq!(found.is_empty(), passes, "{common_names:?}: {found:?}");
        }
    }
}

#[test]
fn a_claim_of_nothing_binds_a_csr_of_nothing() {
    let claims = claims_with(
        json!({"device_name": null, "san_dns": null, "san_rfc822": null, "san_upn": null}),
    );
    assert_eq!(
        dimensions(bind(&claims, &CsrFacts::default(), &settings())),
        []
    );
    assert_eq!(dimensions(bind(&claims, &csr(), &settings())).len(), 4);
}

#[test]
fn names_without_a_claim_pass_only_where_allowed() {
    let mut csr = csr();
    csr.sans = SubjectAltNames {
        ip: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        uri: strings(&["urn:x"]),
        other: strings(&["registeredID"]),
        ..csr.sans
    };
    use Dimension::*;
    for (extra_names, expected) in [
        (ExtraNames::default(), vec![SanUri, SanIp, SanOther]),
        (
            ExtraNames {
                ip: true,
                ..ExtraNames::default()
            },
            vec![SanUri, SanOther],
        ),
        (
            ExtraNames {
                ip: true,
                uri: true,
                other: false,
            },
            vec![SanOther],
        ),
        (
            ExtraNames {
                ip: true,
                uri: true,
                other: true,
            },
            vec![],
        ),
    ] {
        let settings = IntuneSettings {
            extra_names,
            ..settings()
        };
        assert_eq!(dimensions(bind(&claims(), &csr, &settings)), expected);
    }
}

#[test]
fn a_sid_that_nobody_vouches_for_is_refused_even_where_uris_are_allowed() {
    let settings = IntuneSettings {
        extra_names: ExtraNames {
            ip: true,
            uri: true,
            other: true,
        },
        ..settings()
    };
    for prefix in [
        SID_URI_PREFIX.to_owned(),
        SID_URI_PREFIX.to_ascii_uppercase(),
    ] {
        let mut csr = csr();
        csr.sans.uri = vec!["urn:x".into(), format!("{prefix}S-1-5-21-1-2-3-500")];
        let refused = bind(&claims(), &csr, &settings).unwrap_err();
        assert_eq!(refused.mismatches.len(), 1);
        assert_eq!(
            refused.mismatches[0].csr,
            csr.sans.uri[1..],
            "only the SID is in the way"
        );
    }
}

#[test]
fn words_show_values_escaped_and_few() {
    let mut csr = csr();
    csr.sans.dns = (0..100).map(|n| format!("<img{n}>\r\n\u{202e}")).collect();
    csr.common_names = vec!["x".repeat(10_000)];
    let refused = bind(&claims(), &csr, &settings()).unwrap_err();
    assert!(refused.reason.len() < 1_000, "{}", refused.reason.len());
    assert!(
        refused.reason.is_ascii() && !refused.reason.contains(['\r', '\n']),
        "{}",
        refused.reason
    );
    assert!(refused.reason.contains("and 95 more"), "{}", refused.reason);
    assert_eq!(
        refused.mismatches[1].csr.len(),
        100,
        "the audit event has all of them"
    );
}
/// Names out of a real request, with a UPN as otherName.
#[test]
fn facts_come_out_of_a_real_csr() {
    let key = pki::PrivateKey::generate(pki::KeyKind::Ec(pki::Curve::P256)).unwrap();
    let subject = pki::Name::parse("O=Example, CN=LAPTOP-7").unwrap();
    let built = pki::Csr::build(&subject, &csr().sans, Some("x"), &[], &key).unwrap();
    let read = pki::Csr::from_der(built.der()).unwrap();
    let facts = CsrFacts::from_csr(&read);
    assert_eq!(facts, csr());
    assert_eq!(dimensions(bind(&claims(), &facts, &settings())), []);
    let subject = pki::Name::parse("CN=DC01, O=Example, CN=LAPTOP-7").unwrap();
    let built = pki::Csr::build(&subject, &csr().sans, None, &[], &key).unwrap();
    let facts = CsrFacts::from_csr(&built);
    assert_eq!(facts.common_names, ["DC01", "LAPTOP-7"]);
    assert_eq!(
        dimensions(bind(&claims(), &facts, &settings())),
        [Dimension::DeviceName]
    );
}
