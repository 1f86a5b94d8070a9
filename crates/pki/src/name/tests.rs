#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::der;

#[test]
fn names_are_written_in_the_order_of_the_encoding() {
    let name = Name::parse("C=US,O=Big\\, Inc. ,  OU=a+UID=b , CN=dev \\31\\+1").unwrap();
    assert_eq!(
        name.to_string(),
        "C=US, O=Big\\, Inc., OU=a+UID=b, CN=dev 1\\+1"
    );
    assert_eq!(name.common_name(), Some("dev 1+1"));
    assert_eq!(name.attributes().len(), 5);
    assert_eq!(
        name.attributes()[1],
        NameAttribute {
            oid: crate::oid::ORGANIZATION.to_owned(),
            value: "Big, Inc.".to_owned(),
            is_text: true,
        }
    );
    assert_eq!(Name::parse(&name.to_string()).unwrap(), name);
    assert!(Name::parse("").unwrap().is_empty());
    assert_eq!(Name::parse("").unwrap().der(), [0x30, 0]);
}

#[test]
fn the_last_common_name_counts() {
    assert_eq!(Name::parse("CN=a, CN=b").unwrap().common_name(), Some("b"));
    assert_eq!(Name::parse("O=a").unwrap().common_name(), None);
}

#[test]
fn what_is_no_name_is_refused() {
    for bad in [
        "CN",
        "CN=",
        "CN=a,",
        "CN=a+",
        "X=a",
        "C=USA",
        "C=U1",
        "CN=a\\",
        "CN=\\0",
        "1.2.x=a",
        "DC=\u{e4}",
        "serialNumber=*",
    ] {
        assert!(matches!(Name::parse(bad), Err(Error::Text { .. })), "{bad}");
    }
}

#[test]
fn openssl_reads_the_same() {
    let ours = Name::parse("C=DE, O=\u{c4}pfel, CN=x, emailAddress=a@b.example").unwrap();
    let theirs = openssl::x509::X509Name::from_der(ours.der()).unwrap();
    let entries: Vec<String> = theirs
        .entries()
        .map(|entry| entry.data().to_string().unwrap())
        .collect();
    assert_eq!(entries, ["DE", "\u{c4}pfel", "x", "a@b.example"]);
    assert_eq!(theirs.to_der().unwrap(), ours.der());
}

fn name_of(values: &[(&str, Vec<u8>)]) -> Name {
    let rdns: Vec<Vec<u8>> = values
        .iter()
        .map(|(oid, value)| der::set_of(vec![der::seq(&[&der::oid(oid).unwrap(), value])]))
        .collect();
    Name::from_der(&der::seq(
        &rdns.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    ))
    .unwrap()
}

#[test]
fn matching_sets_string_types_case_and_spaces_aside() {
    let cn = crate::oid::COMMON_NAME;
    let utf8 = name_of(&[(cn, der::utf8_string("Mock  Issuing CA"))]);
    let printable = name_of(&[(cn, der::printable_string("mock issuing ca "))]);
    let bmp: Vec<u8> = "Mock Issuing CA"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert!(utf8.matches(&printable));
    assert!(utf8.matches(&name_of(&[(cn, der::tlv(tag::BMP_STRING, &bmp))])));
    assert_ne!(utf8, printable);
    assert!(!utf8.matches(&name_of(&[(cn, der::utf8_string("MockIssuing CA"))])));
    assert!(!utf8.matches(&name_of(&[(
        crate::oid::ORGANIZATION,
        der::utf8_string("Mock Issuing CA")
    )])));
    assert!(
        !Name::parse("CN=a, O=b")
            .unwrap()
            .matches(&Name::parse("CN=a+O=b").unwrap())
    );
}

#[test]
fn what_is_no_text_is_shown_in_hex_and_matches_only_itself() {
    let cn = crate::oid::COMMON_NAME;
    let octets = name_of(&[(cn, der::octet_string(&[1, 2]))]);
    let text = name_of(&[(cn, der::utf8_string("#04020102"))]);
    assert_eq!(octets.attributes()[0].value, "#04020102");
    assert!(!octets.matches(&text));
    assert!(octets.matches(&octets.clone()));
    let nul = name_of(&[(cn, der::utf8_string("a\0\n\u{1b}b"))]);
    assert_eq!(nul.to_string(), "CN=a\\00\\0A\\1Bb");
}

#[test]
fn a_relative_distinguished_name_is_a_set() {
    let (cn, ou) = (crate::oid::COMMON_NAME, crate::oid::ORGANIZATIONAL_UNIT);
    let attribute = |oid, value: Vec<u8>| der::seq(&[&der::oid(oid).unwrap(), &value]);
    let name = |set: &[&[u8]]| Name::from_der(&der::seq(&[&der::set_in_order(set)])).unwrap();
    let (unit, common) = (
        attribute(ou, der::utf8_string("Unit")),
        attribute(cn, der::utf8_string("a b")),
    );
    let spelled = attribute(cn, der::printable_string("A  B"));
    let one = name(&[&unit, &common]);
    assert_ne!(one, name(&[&common, &unit]));
    assert!(one.matches(&name(&[&common, &unit])));
    assert!(one.matches(&name(&[&spelled, &unit])));
    assert!(!one.matches(&name(&[&common, &common])));
    assert!(!one.matches(&name(&[&unit, &common, &common])));
    let octets = attribute(cn, der::octet_string(&[1]));
    assert!(name(&[&unit, &octets]).matches(&name(&[&octets, &unit])));
    assert!(!name(&[&unit, &octets]).matches(&one));
}

#[test]
fn a_name_turned_round_is_known_as_such() {
    let name = |text| Name::parse(text).unwrap();
    let ours = name("C=DE, O=Big, OU=a+UID=b, CN=x");
    let turned = name("CN=X, UID=b+OU=a, O=big, C=DE");
    assert!(!ours.matches(&turned));
    assert!(ours.matches_reversed(&turned) && turned.matches_reversed(&ours));
    assert!(!ours.matches_reversed(&ours));
    assert!(!ours.matches_reversed(&name("CN=x, O=Big, UID=b+OU=a, C=DE")));
    for same_both_ways in ["", "CN=x", "CN=x, O=y, CN=x"] {
        let name = name(same_both_ways);
        assert!(name.matches(&name) && !name.matches_reversed(&name));
    }
}

#[test]
fn names_that_match_have_the_same_key_and_others_have_not() {
    let names = [
        "C=DE, O=Big, OU=a+UID=b, CN=x",
        "c=de, O=big, UID=B+OU=A, CN= X ",
        "CN=x, UID=b+OU=a, O=Big, C=DE",
        "C=DE, O=Big, OU=a, UID=b, CN=x",
        "CN=x",
        "CN=x, O=y, CN=x",
        "",
    ]
    .map(|text| Name::parse(text).unwrap());
    for one in &names {
        for other in &names {
            let same = one.match_key() == other.match_key();
            assert_eq!(same, one.matches(other), "{one} {other}");
            let turned = one.reversed_match_key() == other.match_key();
            let expected = one.matches_reversed(other) || same && turned;
            assert_eq!(turned, expected, "{one} {other}");
        }
    }
}

#[test]
fn text_may_begin_with_a_number_sign_in_any_string_type() {
    let cn = crate::oid::COMMON_NAME;
    let utf8 = name_of(&[(cn, der::utf8_string("#4711"))]);
    let ia5 = name_of(&[(cn, der::ia5_string("#4711"))]);
    assert!(utf8.matches(&ia5));
    assert_eq!(ia5.to_string(), "CN=\\#4711");
    assert_eq!(ia5.common_name(), Some("#4711"));
    assert_eq!(Name::parse(&utf8.to_string()).unwrap(), utf8);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(name) = Name::from_der(&octets) {
            let _ = name.to_string();
            prop_assert!(name.matches(&name));
        }
    }

    #[test]
    fn what_is_written_is_read_back(values in proptest::collection::vec("\\PC{1,12}|[ ,+\\\\#=\"a\n]{1,6}", 0..5)) {
        let cn = crate::oid::COMMON_NAME;
        let name = name_of(&values.iter().map(|value| (cn, der::utf8_string(value))).collect::<Vec<_>>());
        let again = Name::parse(&name.to_string()).unwrap();
        prop_assert_eq!(again.der(), name.der());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}|[CNO=+,\\\\ a0]{0,30}") {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(Name::parse(&name.to_string()).unwrap(), name);
        }
    }
}
