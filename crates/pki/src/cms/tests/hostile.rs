use proptest::prelude::*;

use super::Pair;
use crate::cms::{Enveloped, Signed, SignedParts, degenerate, parse_degenerate};
use crate::der;
use crate::{ContentCipher, Digest, Error, KeyTransport, oid};

/// One message of each kind: signed, enveloped, certs-only.
fn messages() -> [Vec<u8>; 3] {
    let (rsa, ec) = (Pair::rsa(), Pair::ec());
    let envelope = Enveloped::build(
        b"content",
        &[&rsa.certificate],
        ContentCipher::Aes128Cbc,
        &KeyTransport::oaep(Digest::Sha256),
    )
    .unwrap();
    let parts = SignedParts {
        content_type: oid::DATA,
        content: Some(&envelope),
        certificates: &[&ec.certificate],
        signer: (&ec.certificate, &ec.key),
        digest: Digest::Sha256,
        attributes: &[(oid::SCEP_TRANSACTION_ID, der::printable_string("1"))],
        rsa_encryption_oid: false,
    };
    [
        Signed::build(&parts).unwrap(),
        envelope,
        degenerate(&[&rsa.certificate, &ec.certificate], &[]),
    ]
}

/// Reads octets in every way; gives whether the signed message, if it is one, checks.
fn read(octets: &[u8]) -> bool {
    let rsa = Pair::rsa();
    if let Ok(enveloped) = Enveloped::parse(octets) {
        let _ = enveloped.open(&rsa.certificate, &rsa.key);
        let _ = format!("{enveloped:?}");
    }
    let _ = parse_degenerate(octets);
    Signed::parse(octets).is_ok_and(|signed| {
        let _ = format!("{signed:?}");
        signed.check().is_ok()
    })
}

#[test]
fn every_prefix_is_refused() {
    for message in messages() {
        for length in 0..message.len() {
            let cut = &message[..length];
            assert!(
                Signed::parse(cut).is_err()
                    && Enveloped::parse(cut).is_err()
                    && parse_degenerate(cut).is_err()
            );
        }
    }
}

#[test]
fn bombs_up_to_the_cap_are_refused_by_the_budget() {
    const SIZE: usize = 256 * 1024;
    let nested = [0x30, 0x80].repeat(SIZE / 2);
    assert_eq!(
        Signed::parse(&nested).err(),
        Some(Error::TooDeep { limit: 32 })
    );
    assert_eq!(
        parse_degenerate(&nested).err(),
        Some(Error::TooDeep { limit: 32 })
    );
    let wide = der::tlv(der::tag::SEQUENCE, &[5, 0].repeat(SIZE / 2));
    assert_eq!(
        Signed::parse(&wide).err(),
        Some(Error::TooManyElements { limit: 8192 })
    );
    assert_eq!(
        Enveloped::parse(&wide).err(),
        Some(Error::TooManyElements { limit: 8192 })
    );
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!read(&octets));
    }

    #[test]
    fn an_octet_altered_never_panics(kind in 0usize..3, at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut message = messages()[kind].clone();
        let at = at.index(message.len());
        message[at] ^= flip;
        read(&message);
    }
}
