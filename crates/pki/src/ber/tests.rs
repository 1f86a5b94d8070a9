#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::der;

fn convert(input: &str) -> Result<String, Error> {
    to_der(
        &hex::decode(input.replace(' ', "")).unwrap(),
        &Limits::default(),
    )
    .map(hex::encode)
}

#[test]
fn lengths_become_definite_and_strings_primitive() {
    // A SEQUENCE of indefinite length with an OCTET STRING in pieces, one of them in pieces itself.
    assert_eq!(
        convert("3080 2480 0402 0102 2403 0401 03 0400 0000 0201 05 0000").unwrap(),
        "3008040301020302".to_owned() + "0105"
    );
    // Indefinite lengths two deep.
    assert_eq!(convert("3080 3080 0500 0000 0000").unwrap(), "300430020500");
    // A definite element around an indefinite one.
    assert_eq!(convert("3006 3080 0500 0000").unwrap(), "300430020500");
    // Empty ones.
    assert_eq!(convert("3080 2480 0000 0000").unwrap(), "30020400");
    assert_eq!(convert("3080 0000").unwrap(), "3000");
    // A BIT STRING in pieces; a UTF8String in pieces of either type.
    assert_eq!(
        convert("2380 0302 00ff 0302 04f0 0000").unwrap(),
        "030304fff0"
    );
    assert_eq!(convert("2c80 0401 61 0c01 62 0000").unwrap(), "0c026162");
    // Context tags keep their form: whether they are strings is not known here.
    assert_eq!(
        convert("a080 0401 61 0401 62 0000").unwrap(),
        "a006040161040162"
    );
    // A tag number above 30.
    assert_eq!(convert("bf8101 80 0500 0000").unwrap(), "bf8101020500");
}

#[test]
fn what_is_der_already_is_not_copied() {
    for input in [
        "3003020105",
        "0400",
        "a003020105",
        "30820003020105",
        "3081020500",
    ] {
        let octets = hex::decode(input).unwrap();
        assert!(
            matches!(normalise(&octets, &Limits::default()), Ok(Cow::Borrowed(_))),
            "{input}"
        );
    }
}

#[test]
fn signed_parts_of_a_rewritten_message_stay_as_they_came() {
    // The inner SEQUENCE has a length that is not the shortest form: its signer may have signed it so.
    assert_eq!(convert("3080 30810205 00 0000").unwrap(), "30053081020500");
}

#[test]
fn what_is_not_ber_is_refused() {
    for bad in [
        "",                              // nothing
        "30",                            // no length
        "3005 0500",                     // cut short
        "3080 0500",                     // no end
        "0480 0000",                     // primitive, indefinite
        "0500 0500",                     // two elements
        "3002 0000",                     // an end where none can be
        "0000",                          // an end alone
        "3084ffffffff",                  // a length beyond the input
        "30850000000001 00",             // too many length octets
        "1f8181818181818101 00",         // too large a tag number
        "2403 0201 05",                  // a piece of another type
        "2380 0302 04f0 0302 00ff 0000", // unused bits before the last piece
        "2380 0300 0000",                // a piece without its count of unused bits
        "2302 0400",                     // an OCTET STRING in a BIT STRING
    ] {
        assert!(
            matches!(convert(bad), Err(Error::Malformed { .. })),
            "{bad}"
        );
    }
}

/// The number of elements looked at, and how it ended.
fn cost(input: &[u8], limits: &Limits) -> (usize, Result<usize, Error>) {
    let mut scan = Scan {
        input,
        limits,
        nodes: Vec::new(),
    };
    let outcome = scan.element(0, input.len(), 1);
    (scan.nodes.len(), outcome)
}

#[test]
fn bombs_spend_no_more_than_the_budget() {
    const SIZE: usize = 256 * 1024;
    let limits = Limits::default();
    let nested: Vec<u8> = [0x30, 0x80].repeat(SIZE / 2);
    assert_eq!(
        cost(&nested, &limits),
        (32, Err(Error::TooDeep { limit: 32 }))
    );
    let strings: Vec<u8> = [0x24, 0x80].repeat(SIZE / 2);
    assert_eq!(
        cost(&strings, &limits),
        (32, Err(Error::TooDeep { limit: 32 }))
    );
    let wide = [
        vec![0x30, 0x80],
        [0x05, 0x00].repeat(SIZE / 2 - 2),
        vec![0, 0],
    ]
    .concat();
    assert_eq!(
        cost(&wide, &limits),
        (8192, Err(Error::TooManyElements { limit: 8192 }))
    );
    let pieces = der::tlv(0x24, &[0x04, 0x01, 0x61].repeat(SIZE / 3));
    assert_eq!(
        cost(&pieces, &limits),
        (8192, Err(Error::TooManyElements { limit: 8192 }))
    );
    // Within a budget that is large enough, the cost is the number of elements.
    let open = Limits {
        max_elements: SIZE,
        ..limits
    };
    assert_eq!(cost(&wide, &open), (SIZE / 2 - 1, Ok(wide.len())));
    assert_eq!(to_der(&wide, &open).unwrap().len(), wide.len() - 4 + 5);
    assert_eq!(to_der(&pieces, &open).unwrap().len(), SIZE / 3 + 5);
}

/// Any value, as DER.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200)
            .prop_map(|octets| der::octet_string(&octets)),
        any::<u64>().prop_map(der::integer_u64),
        Just(der::null()),
        "[a-z]{0,20}".prop_map(|text| der::utf8_string(&text)),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        (
            prop_oneof![Just(0x30), Just(0x31), Just(0xa0), Just(0xa3)],
            proptest::collection::vec(inner, 0..6),
        )
            .prop_map(|(tag, children)| der::tlv(tag, &children.concat()))
    })
}

/// The same value with indefinite lengths and strings in pieces wherever `choices` says so.
pub(crate) fn loosened(der: &[u8], choices: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let element = der::Tlv::parse(der, "test").unwrap();
    let choice = choices.next().unwrap_or(0);
    if element.tag & 0x20 != 0 {
        let mut reader = element.reader("test");
        let mut content = Vec::new();
        while !reader.is_empty() {
            content.extend(loosened(reader.element().unwrap().raw, choices));
        }
        if choice & 1 != 0 {
            indefinite(element.tag, &content)
        } else {
            der::tlv(element.tag, &content)
        }
    } else if element.tag == tag::OCTET_STRING && choice & 2 != 0 {
        let size = usize::from(choice % 7) + 1;
        let pieces: Vec<u8> = element
            .content
            .chunks(size)
            .flat_map(der::octet_string)
            .collect();
        if choice & 1 != 0 {
            indefinite(0x24, &pieces)
        } else {
            der::tlv(0x24, &pieces)
        }
    } else {
        der.to_vec()
    }
}

fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

proptest! {
    #[test]
    fn any_loosening_is_undone(der in value(), choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ber = loosened(&der, &mut choices.into_iter());
        prop_assert_eq!(to_der(&ber, &Limits::default()).unwrap(), der);
    }

    #[test]
    fn arbitrary_octets_never_panic_and_what_comes_out_needs_no_more_rewriting(
        octets in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(vec![0u8, 1, 2, 4, 0x80, 0x24, 0x30, 0x23])], 0..64),
    ) {
        if let Ok(der) = to_der(&octets, &Limits::default()) {
            prop_assert!(matches!(normalise(&der, &Limits::default()), Ok(Cow::Borrowed(_))));
        }
    }
}
