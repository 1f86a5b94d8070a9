//! Hostile challenges, each with the label that it must get.

use crate::support::*;
use base64::Engine;
use challenge::Label::{self, *};
use ring::hmac;
use serde_json::json;

struct Case {
    name: String,
    challenge: String,
    expected: Label,
}

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, expected: Label, name: impl Into<String>, challenge: String) {
        self.0.push(Case {
            name: name.into(),
            challenge,
            expected,
        });
    }
}

#[test]
fn every_hostile_challenge_gets_its_label() {
    let mut table = Table::default();
    algorithms(&mut table);
    keys_in_the_header(&mut table);
    signatures(&mut table);
    segments_and_encodings(&mut table);
    headers(&mut table);
    payloads(&mut table);
    twice_and_in_another_case(&mut table);
    numbers(&mut table);
    types(&mut table);
    versions(&mut table);
    times(&mut table);
    audiences(&mut table);

    let mut wrong = Vec::new();
    for Case {
        name,
        challenge,
        expected,
    } in &table.0
    {
        match try_verify(challenge) {
            Ok(_) => wrong.push(format!("{name}: passed, expected {expected}")),
            Err(refused) if refused.label != *expected => {
                wrong.push(format!("{name}: {refused}, expected {expected}"));
            }
            Err(refused) => {
                assert!(!refused.reason.is_empty(), "{name}: no reason");
                assert!(
                    refused.reason.len() < 600,
                    "{name}: a reason of {} octets",
                    refused.reason.len()
                );
                assert!(
                    !refused.reason.contains(['\r', '\n', '\0']),
                    "{name}: {:?}",
                    refused.reason
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.0.len() >= 150, "only {} cases", table.0.len());
}

fn algorithms(table: &mut Table) {
    let good = signed(&claims(), ec());
    let [_, payload, _] = segments(&good);
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = b64(format!(r#"{{"alg":"{alg}"}}"#));
        table.add(
            SignatureInvalid,
            format!("alg {alg}, no signature"),
            format!("{header}.{payload}."),
        );
        table.add(
            SignatureInvalid,
            format!("alg {alg} over a good signature"),
            with_header(&format!(r#"{{"alg":"{alg}"}}"#), ec()),
        );
    }
    let certificate = &ec().certificate;
    for (name, secret) in [
        ("the certificate's PEM", certificate.to_pem().into_bytes()),
        ("the certificate's DER", certificate.der().to_vec()),
        (
            "the public key",
            certificate.public_key().spki_der().to_vec(),
        ),
        ("nothing", Vec::new()),
    ] {
        let input = format!("{}.{payload}", b64(r#"{"alg":"HS256"}"#));
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            input.as_bytes(),
        );
        table.add(
            SignatureInvalid,
            format!("HS256 keyed with {name}"),
            format!("{input}.{}", b64(tag)),
        );
    }
    for alg in [
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "HS384",
        "HS512",
        "dir",
        "RSA1_5",
        "rs256",
        "es256",
        "Es256",
        " ES256",
        "ES256 ",
        "ES256\\u0000",
        "ES256,none",
        "",
        "\\r\\nES256",
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        table.add(
            SignatureInvalid,
            format!("alg {alg:?}"),
            with_header(&header, ec()),
        );
    }
    table.add(
        SignatureInvalid,
        "RS256 by an EC key",
        with_header(r#"{"alg":"RS256"}"#, ec()),
    );
    table.add(
        SignatureInvalid,
        "ES256 by an RSA key",
        with_header(r#"{"alg":"ES256"}"#, rsa()),
    );
    for header in [
        r#"{}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"ALG":"ES256"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":true}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":{"ES256":1}}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":null}"#,
    ] {
        table.add(SignatureInvalid, header, with_header(header, ec()));
    }
}

/// A stranger signs and says where to find the key.
fn keys_in_the_header(table: &mut Table) {
    let theirs = base64::engine::general_purpose::STANDARD.encode(stranger().certificate.der());
    for header in [
        format!(r#"{{"alg":"ES256","x5c":["{theirs}"]}}"#),
        r#"{"alg":"ES256","jku":"https://evil.example/keys"}"#.to_owned(),
        r#"{"alg":"ES256","x5u":"https://evil.example/cert"}"#.to_owned(),
        r#"{"alg":"ES256","kid":"../../../../dev/null"}"#.to_owned(),
        r#"{"alg":"ES256","kid":"' OR 1=1 --"}"#.to_owned(),
        r#"{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#.to_owned(),
    ] {
        let name = header.chars().take(60).collect::<String>();
        table.add(
            SignatureInvalid,
            format!("stranger: {name}"),
            with_header(&header, stranger()),
        );
    }
}

fn signatures(table: &mut Table) {
    let good = signed(&claims(), ec());
    let other = signed(&claims_with(json!({"sub": "device-8"})), ec());
    let [header, payload, signature] = segments(&good);
    let [_, other_payload, other_signature] = segments(&other);
    table.add(
        SignatureInvalid,
        "a stranger's signature",
        signed(&claims(), stranger()),
    );
    table.add(
        SignatureInvalid,
        "another challenge's signature",
        format!("{header}.{payload}.{other_signature}"),
    );
    table.add(
        SignatureInvalid,
        "another challenge's payload",
        format!("{header}.{other_payload}.{signature}"),
    );
    table.add(
        SignatureInvalid,
        "no signature",
        format!("{header}.{payload}."),
    );
    let header_changed = b64(r#"{"alg":"ES256","typ":"JWT","x":1}"#);
    table.add(
        SignatureInvalid,
        "another header",
        format!("{header_changed}.{payload}.{signature}"),
    );
    // The same JSON, spaced differently: only the octets that were signed count.
    let respaced = b64(claims().to_string().replace(":", ": "));
    table.add(
        SignatureInvalid,
        "payload written anew",
        format!("{header}.{respaced}.{signature}"),
    );
    let padded = base64::engine::general_purpose::URL_SAFE.encode(claims().to_string() + " ");
    let bare = padded.trim_end_matches('=').to_owned();
    assert_ne!(padded, bare);
    let [_, _, over_bare] = segments(&with_segments(&header, &bare, ec()));
    table.add(
        SignatureInvalid,
        "padding added after signing",
        format!("{header}.{padded}.{over_bare}"),
    );

    let octets = signature_of(&good);
    for bit in [0, 7, 255, 256, 511] {
        let mut flipped = octets.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        table.add(
            SignatureInvalid,
            format!("bit {bit} flipped"),
            with_signature(&good, &flipped),
        );
    }
    table.add(
        SignatureInvalid,
        "63 octets",
        with_signature(&good, &octets[..63]),
    );
    table.add(
        SignatureInvalid,
        "65 octets",
        with_signature(&good, &[&octets[..], &[0]].concat()),
    );
    table.add(
        SignatureInvalid,
        "r and s swapped",
        with_signature(&good, &[&octets[32..], &octets[..32]].concat()),
    );
    table.add(SignatureInvalid, "zeros", with_signature(&good, &[0; 64]));
    table.add(SignatureInvalid, "ones", with_signature(&good, &[0xff; 64]));

    let good = signed(&claims(), rsa());
    let octets = signature_of(&good);
    table.add(
        SignatureInvalid,
        "RSA: cut",
        with_signature(&good, &octets[1..]),
    );
    table.add(
        SignatureInvalid,
        "RSA: zero before",
        with_signature(&good, &[&[0], &octets[..]].concat()),
    );
    table.add(
        SignatureInvalid,
        "RSA: zero after",
        with_signature(&good, &[&octets[..], &[0]].concat()),
    );
    table.add(
        SignatureInvalid,
        "RSA: zeros",
        with_signature(&good, &[0; 256]),
    );
    table.add(
        SignatureInvalid,
        "RSA: one",
        with_signature(&good, &[&[0; 255][..], &[1]].concat()),
    );
    table.add(
        SignatureInvalid,
        "RSA: ones",
        with_signature(&good, &[0xff; 256]),
    );
    table.add(SignatureInvalid, "RSA: empty", with_signature(&good, &[]));
}

fn segments_and_encodings(table: &mut Table) {
    let good = signed(&claims(), ec());
    let [header, payload, signature] = segments(&good);
    for (name, challenge) in [
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("one segment", header.clone()),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{good}.")),
        ("five segments", format!("{good}.{payload}.{signature}")),
        ("no header", format!(".{payload}.{signature}")),
        (
            "header in the standard alphabet",
            format!("+/+/.{payload}.{signature}"),
        ),
        ("space before", format!(" {good}")),
        ("line feed after", format!("{good}\n")),
        (
            "line feed within",
            format!("{header}.{payload}\n.{signature}"),
        ),
        ("NUL after", format!("{good}\0")),
        ("wrong padding", format!("{header}=.{payload}.{signature}")),
        ("three pads", format!("{header}===.{payload}.{signature}")),
        (
            "signature of one character",
            format!("{header}.{payload}.A"),
        ),
        (
            "signature not base64",
            format!("{header}.{payload}.{}", "!".repeat(86)),
        ),
        (
            "letters that are no ASCII",
            format!("{header}.{payload}.{}", "é".repeat(43)),
        ),
        ("full-width dots", good.replace('.', "\u{ff0e}")),
        ("percent-escaped dots", good.replace('.', "%2E")),
    ] {
        table.add(Malformed, name, challenge);
    }
    // The last character carries four bits that are no part of the 64 octets.
    let stray = match signature.strip_suffix('A') {
        Some(rest) => format!("{rest}B"),
        None => {
            let last = signature.chars().last().unwrap();
            format!(
                "{}{}",
                &signature[..signature.len() - 1],
                char::from(last as u8 + 1)
            )
        }
    };
    table.add(
        Malformed,
        "stray bits in the signature",
        format!("{header}.{payload}.{stray}"),
    );
}

fn headers(table: &mut Table) {
    for header in [
        "",
        " ",
        "null",
        "[]",
        r#"["alg","ES256"]"#,
        r#""ES256""#,
        "5",
        "ES256",
        r#"{"alg":"ES256""#,
        r#"{"alg":"ES256",}"#,
        r#"{"alg":"ES256"}{"alg":"ES256"}"#,
        r#"{"alg":"ES256"} x"#,
        r#"{'alg':'ES256'}"#,
        r#"{alg:"ES256"}"#,
        r#"{"alg":"ES256",/**/"typ":"JWT"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}"#,
        r#"{"alg":"ES256","typ":"JWT","typ":"JWT"}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
    ] {
        table.add(
            Malformed,
            format!("header {header:?}"),
            with_header(header, ec()),
        );
    }
    let payload = b64(claims().to_string());
    let utf16: Vec<u8> = r#"{"alg":"ES256"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, header) in [
        ("UTF-16", utf16),
        ("not UTF-8", b"{\"alg\":\"ES256\",\"x\":\"\xff\"}".to_vec()),
    ] {
        table.add(
            Malformed,
            format!("header {name}"),
            with_segments(&b64(header), &payload, ec()),
        );
    }
    let deep = format!(
        r#"{{"alg":"ES256","x":{}{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    table.add(
        Malformed,
        "header nested 20,000 deep",
        with_header(&deep, ec()),
    );
}

fn payloads(table: &mut Table) {
    for payload in [
        "",
        "null",
        "[]",
        "\"x\"",
        "1",
        "{",
        "{}x",
        "{}{}",
        "not json at all",
        "{\"iat\":}",
    ] {
        table.add(
            Malformed,
            format!("payload {payload:?}"),
            signed_text(payload, ec()),
        );
    }
    let good = claims().to_string();
    table.add(
        Malformed,
        "payload with something after",
        signed_text(&format!("{good}."), ec()),
    );
    table.add(
        Malformed,
        "payload cut",
        signed_text(&good[..good.len() - 1], ec()),
    );
    table.add(
        Malformed,
        "payload in an array",
        signed_text(&format!("[{good}]"), ec()),
    );
    let deep = with_raw(
        "x",
        &format!(
            "{}{}",
            "{\"a\":".repeat(50_000),
            "1".to_owned() + &"}".repeat(50_000)
        ),
    );
    table.add(Malformed, "payload nested 50,000 deep", deep);
    let header = b64(r#"{"alg":"ES256"}"#);
    for (name, payload) in [
        (
            "not UTF-8",
            good.replace("LAPTOP", "L\u{1}")
                .into_bytes()
                .into_iter()
                .map(|o| if o == 1 { 0xff } else { o })
                .collect::<Vec<u8>>(),
        ),
        (
            "overlong UTF-8",
            [&b"{\"x\":\"\xc0\xaf\","[..], &good.as_bytes()[1..]].concat(),
        ),
        (
            "a raw control character",
            [&b"{\"x\":\"\x00\","[..], &good.as_bytes()[1..]].concat(),
        ),
    ] {
        table.add(
            Malformed,
            format!("payload {name}"),
            with_segments(&header, &b64(payload), ec()),
        );
    }
    table.add(Malformed, "a lone surrogate", with_raw("x", r#""\ud800""#));
    table.add(Malformed, "an empty object", signed_text("{}", ec()));
}

fn twice_and_in_another_case(table: &mut Table) {
    let good = claims().to_string();
    for extra in [
        r#""iss":"connector-1""#,
        r#""sub":"device-8""#,
        r#""exp":1900000000"#,
        r#""iat":1800000000"#,
        r#""nonce":"other""#,
        r#""device_name":"DC01""#,
        r#""san_upn":["administrator@corp.example.com"]"#,
        r#""\u0065xp":1900000000"#,
        r#""unknown":1,"unknown":1"#,
        r#""unknown":{"a":1,"a":2}"#,
        r#""unknown":[{"a":[{"b":1,"b":1}]}]"#,
    ] {
        table.add(
            Malformed,
            format!("twice: {extra}"),
            signed_text(&good.replacen('{', &format!("{{{extra},"), 1), ec()),
        );
    }
    for extra in [
        r#""EXP":1900000000"#,
        r#""Exp":1800000600"#,
        r#""ISS":"connector-1""#,
        r#""Sub":"x""#,
        r#""Aud":"x""#,
        r#""NONCE":"x""#,
        r#""Device_Name":"DC01""#,
        r#""SAN_DNS":["x"]"#,
        r#""san_RFC822":["x"]"#,
        r#""San_Upn":["administrator@corp.example.com"]"#,
        r#""Version":"v1""#,
        r#""VERSION":"v2""#,
    ] {
        table.add(
            Malformed,
            format!("in another case: {extra}"),
            signed_text(&good.replacen('{', &format!("{{{extra},"), 1), ec()),
        );
    }
    for name in ["iss", "exp", "iat", "san_dns", "device_name"] {
        let upper = name.to_ascii_uppercase();
        let text = good.replacen(&format!("\"{name}\""), &format!("\"{upper}\""), 1);
        table.add(
            Malformed,
            format!("{upper} instead of {name}"),
            signed_text(&text, ec()),
        );
    }
}

fn numbers(table: &mut Table) {
    for name in ["iat", "exp"] {
        for raw in [
            "-1",
            "-0",
            "-9223372036854775808",
            "-9223372036854775809",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999999999999999999999",
            "253402300800",
            "1e400",
            "-1e400",
            "1e9",
            "1.8e9",
            "1800000000.0",
            "1800000000.5",
            "0.0",
            "NaN",
            "Infinity",
            "0x6b49d200",
            "01800000000",
            "+1800000000",
            "1_800_000_000",
            "\"1800000000\"",
            "null",
            "true",
            "[1800000000]",
            "{\"seconds\":1800000000}",
            "\"2027-01-15T08:00:00Z\"",
        ] {
            table.add(Malformed, format!("{name} {raw}"), with_raw(name, raw));
        }
        table.add(
            Malformed,
            format!("{name} missing"),
            signed(&claims_with(json!({name: null})), ec()),
        );
    }
}

fn types(table: &mut Table) {
    for name in ["iss", "sub", "aud", "nonce", "device_name"] {
        for raw in ["1", "null", "false", "[\"x\"]", "{}"] {
            table.add(Malformed, format!("{name} {raw}"), with_raw(name, raw));
        }
    }
    for name in ["san_dns", "san_rfc822", "san_upn"] {
        for raw in [
            "\"laptop-7.corp.example.com\"",
            "null",
            "1",
            "{}",
            "[1]",
            "[null]",
            "[[\"x\"]]",
            "[\"x\",{}]",
        ] {
            table.add(Malformed, format!("{name} {raw}"), with_raw(name, raw));
        }
    }
    for raw in ["1", "null", "[]", "{\"v\":1}", "true"] {
        table.add(
            Malformed,
            format!("version {raw}"),
            with_raw("version", raw),
        );
    }
}

fn versions(table: &mut Table) {
    for version in [
        "v2", "v0", "V1", "1", "v1.0", "v01", " v1", "v1 ", "v1\0", "v1\n", "v", "latest",
    ] {
        table.add(
            UnknownVersion,
            format!("{version:?}"),
            signed(&claims_with(json!({"version": version})), ec()),
        );
    }
    let long = "v".repeat(100_000);
    table.add(
        UnknownVersion,
        "a version of 100,000 letters",
        signed(&claims_with(json!({"version": long})), ec()),
    );
    // The version decides who reads the rest: types come after it.
    table.add(
        UnknownVersion,
        "v2 with other types",
        signed(&claims_with(json!({"version": "v2", "exp": "x"})), ec()),
    );
}

fn times(table: &mut Table) {
    for (expected, name, changes) in [
        (Expired, "long expired", json!({"iat": 1, "exp": 2})),
        (Expired, "at the epoch", json!({"iat": 0, "exp": 0})),
        (
            Expired,
            "expired just beyond the tolerance",
            json!({"exp": NOW - 60}),
        ),
        (
            Expired,
            "minted long ago, valid for long",
            json!({"iat": NOW - 3_601, "exp": NOW + 86_400}),
        ),
        (
            Expired,
            "valid for ever",
            json!({"iat": 0, "exp": 253_402_300_799_i64}),
        ),
        (
            Expired,
            "ends before it begins",
            json!({"iat": NOW, "exp": NOW - 1_000}),
        ),
        (
            NotYetValid,
            "minted just beyond the tolerance",
            json!({"iat": NOW + 61}),
        ),
        (
            NotYetValid,
            "minted at the end of time",
            json!({"iat": 253_402_300_799_i64, "exp": 253_402_300_799_i64}),
        ),
        (
            NotYetValid,
            "minted tomorrow and expired",
            json!({"iat": NOW + 86_400, "exp": NOW - 86_400}),
        ),
    ] {
        table.add(expected, name, signed(&claims_with(changes), ec()));
    }
}

fn audiences(table: &mut Table) {
    table.add(
        WrongAudience,
        "no audience",
        signed(&claims_with(json!({"aud": null})), ec()),
    );
    for audience in [
        "",
        "*",
        "https://scep.example.com/scep/CORP",
        "https://scep.example.com/scep/corp/",
        "https://scep.example.com/scep",
        " https://scep.example.com/scep/corp",
        "https://scep.example.com/scep/corp\0",
        "https://scep.example.com/scep/iot",
        "\r\nSet-Cookie: a=b",
    ] {
        table.add(
            WrongAudience,
            format!("{audience:?}"),
            signed(&claims_with(json!({"aud": audience})), ec()),
        );
    }
}
