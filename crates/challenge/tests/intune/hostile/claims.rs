//! Below the signature: the payload and its claims.

use super::Table;
use crate::support::*;
use challenge::Label::*;
use serde_json::json;

pub(super) fn payloads(table: &mut Table) {
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

pub(super) fn twice_and_in_another_case(table: &mut Table) {
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
        r#""\u017fub":"x""#,
        r#""san_dn\u017f":["x"]"#,
        r#""ver\u017f\u0130on":"v2","i\u017fs":"x""#,
        r#""\u0131at":1"#,
        r#""ver\u017fion":"v2""#,
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

pub(super) fn numbers(table: &mut Table) {
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

pub(super) fn types(table: &mut Table) {
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
    // Present and not `v1`: that is another version, of whatever type.
    for raw in ["1", "null", "[]", "[\"v1\"]", "{\"v\":1}", "true"] {
        table.add(
            UnknownVersion,
            format!("version {raw}"),
            with_raw("version", raw),
        );
    }
}

pub(super) fn versions(table: &mut Table) {
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

pub(super) fn times(table: &mut Table) {
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

pub(super) fn audiences(table: &mut Table) {
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
