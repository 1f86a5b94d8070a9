#![allow(clippy::unwrap_used)]

use chrono::{DateTime, TimeZone, Utc};
use proptest::prelude::*;

use super::*;

fn instant(tag: u8, text: &str) -> Option<DateTime<Utc>> {
    let der = tlv(tag, text.as_bytes());
    parse_time(&Tlv::parse(&der, "test").unwrap()).ok()
}

#[test]
fn times_are_read_as_encoders_write_them() {
    let at = |y, mo, d, h, mi, s| Some(Utc.with_ymd_and_hms(y, mo, d, h, mi, s).unwrap());
    assert_eq!(
        instant(tag::UTC_TIME, "491231235959Z"),
        at(2049, 12, 31, 23, 59, 59)
    );
    assert_eq!(
        instant(tag::UTC_TIME, "500101000000Z"),
        at(1950, 1, 1, 0, 0, 0)
    );
    assert_eq!(
        instant(tag::UTC_TIME, "2611230905Z"),
        at(2026, 11, 23, 9, 5, 0)
    );
    assert_eq!(
        instant(tag::UTC_TIME, "261123090500+0130"),
        at(2026, 11, 23, 7, 35, 0)
    );
    assert_eq!(
        instant(tag::GENERALIZED_TIME, "99991231235959Z"),
        at(9999, 12, 31, 23, 59, 59)
    );
    assert_eq!(
        instant(tag::GENERALIZED_TIME, "21261123000000.123Z"),
        at(2126, 11, 23, 0, 0, 0)
    );
    for bad in [
        "",
        "261123090500",
        "261323090500Z",
        "261123240000Z",
        "26112309050Z",
        "261123090561Z",
        "2611230905+25",
        "261123090500ZZ",
    ] {
        assert_eq!(instant(tag::UTC_TIME, bad), None, "{bad}");
    }
    assert_eq!(instant(tag::GENERALIZED_TIME, "20261123090500.Z"), None);
    assert_eq!(instant(tag::OCTET_STRING, "261123090500Z"), None);
}

#[test]
fn numbers_are_written_in_their_shortest_form() {
    for (value, expected) in [
        (0, "020100"),
        (0x7f, "02017f"),
        (0x80, "02020080"),
        (0x1234, "02021234"),
    ] {
        assert_eq!(hex::encode(integer_u64(value)), expected);
    }
    assert_eq!(hex::encode(integer_u64(u64::MAX)), "020900ffffffffffffffff");
}

#[test]
fn lengths_are_written_in_their_shortest_form() {
    for (length, expected) in [
        (0, "00"),
        (0x7f, "7f"),
        (0x80, "8180"),
        (0xff, "81ff"),
        (0x100, "820100"),
        (0x1_0000, "83010000"),
    ] {
        let mut out = Vec::new();
        push_length(&mut out, length);
        assert_eq!(hex::encode(&out), expected);
        assert_eq!(out.len(), length_octets(length));
    }
}

#[test]
fn sets_are_sorted_unless_their_order_is_given() {
    let (two, one) = (integer_u64(2), integer_u64(1));
    assert_eq!(
        set_of(vec![two.clone(), one.clone()]),
        set_in_order(&[&one, &two])
    );
    assert_eq!(hex::encode(set_in_order(&[&two, &one])), "3106020102020101");
}

#[test]
fn the_reader_demands_what_it_is_told_to() {
    let der = seq(&[&boolean(true), &oid("1.2.3").unwrap(), &bit_string(0, &[5])]);
    let mut outer = Reader::new(&der, "test");
    let mut fields = outer.sequence().unwrap();
    outer.finish().unwrap();
    assert_eq!(fields.optional(tag::NULL).unwrap(), None);
    assert!(fields.expect(tag::NULL).is_err());
    assert_eq!(
        fields.optional(tag::BOOLEAN).unwrap().unwrap().content,
        [0xff]
    );
    assert!(fields.clone().finish().is_err());
    assert_eq!(fields.oid().unwrap(), "1.2.3");
    assert_eq!(fields.bit_octets().unwrap(), [5]);
    assert!(fields.is_empty() && fields.element().is_err());
    for bad in ["1f8101", "3080", "308500000000", "30", "3002 05", "0201"] {
        let octets = hex::decode(bad.replace(' ', "")).unwrap();
        assert!(Reader::new(&octets, "test").element().is_err(), "{bad}");
    }
    for bad in ["0200", "0201ff", "0209ffffffffffffffffff", "02020100 00"] {
        let octets = hex::decode(bad.replace(' ', "")).unwrap();
        let mut reader = Reader::new(&octets, "test");
        assert!(
            reader.unsigned().is_err() || reader.finish().is_err(),
            "{bad}"
        );
    }
}

proptest! {
    #[test]
    fn times_survive_the_round_trip(seconds in -631_152_000i64..253_402_300_799) {
        let instant = DateTime::from_timestamp(seconds, 0).unwrap();
        let der = time(instant);
        prop_assert_eq!(Reader::new(&der, "test").time(), Ok(instant));
        let general = generalized_time(instant);
        prop_assert_eq!(Reader::new(&general, "test").time(), Ok(instant));
    }

    #[test]
    fn elements_survive_the_round_trip(content in proptest::collection::vec(any::<u8>(), 0..600)) {
        let der = octet_string(&content);
        let element = Tlv::parse(&der, "test").unwrap();
        prop_assert_eq!(element.content, &content);
        prop_assert_eq!(element.raw, &der);
    }

    #[test]
    fn numbers_survive_the_round_trip(value in any::<u64>()) {
        prop_assert_eq!(Reader::new(&integer_u64(value), "test").unsigned(), Ok(value));
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut reader = Reader::new(&octets, "test");
        while let Ok(element) = reader.element() {
            let _ = (text(&element), parse_time(&element));
        }
    }
}
