use ocsp::{CertId, Nonce, Request};
use pki::{Digest, Serial, der};
use proptest::prelude::*;

use crate::{Ca, nonce, request};

fn ids() -> impl Strategy<Value = Vec<CertId>> {
    let digest = prop::sample::select(vec![
        Digest::Sha1,
        Digest::Sha256,
        Digest::Sha384,
        Digest::Sha512,
    ]);
    let serial = prop::collection::vec(any::<u8>(), 1..=21);
    let one = (digest, serial);
    prop::collection::vec(one, 1..=4).prop_map(|all| {
        let ca = Ca::new("CN=Property").certificate;
        let id =
            |(digest, serial): (Digest, Vec<u8>)| CertId::new(digest, &ca, &Serial::new(serial));
        all.into_iter().map(id).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_asked_is_read(ids in ids(), octets in prop::option::of(prop::collection::vec(any::<u8>(), 1..=32))) {
        let extensions: Vec<Vec<u8>> = octets.iter().map(|octets| nonce(octets)).collect();
        let ders: Vec<&[u8]> = ids.iter().map(|id| id.der.as_slice()).collect();
        let asked = Request::from_der(&request(&ders, &extensions)).unwrap();
        prop_assert_eq!(&asked.certificates, &ids);
        let kept = octets.map_or(Nonce::Absent, |octets| Nonce::Asked(der::octet_string(&octets)));
        prop_assert_eq!(asked.nonce, kept);
    }

    #[test]
    fn damaged_requests_never_panic(ids in ids(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let ders: Vec<&[u8]> = ids.iter().map(|id| id.der.as_slice()).collect();
        let mut octets = request(&ders, &[nonce(&[1; 16])]);
        let at = at.index(octets.len());
        octets[at] = value;
        if let Ok(asked) = Request::from_der(&octets) {
            for id in &asked.certificates {
                // What comes back stands in the request.
                prop_assert!(octets.windows(id.der.len()).any(|window| window == id.der));
            }
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::from_der(&octets);
    }
}
