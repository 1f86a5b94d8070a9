//! Around the payload: header, segments, signature.

use super::Table;
use crate::support::*;
use base64::Engine;
use challenge::Label::*;
use ring::hmac;
use serde_json::json;

pub(super) fn algorithms(table: &mut Table) {
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
pub(super) fn keys_in_the_header(table: &mut Table) {
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

pub(super) fn signatures(table: &mut Table) {
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

pub(super) fn segments_and_encodings(table: &mut Table) {
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

pub(super) fn headers(table: &mut Table) {
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
