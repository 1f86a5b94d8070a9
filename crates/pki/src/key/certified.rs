//! A public key as a certificate holds it.

use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Public};

use super::kind::rsa_numbers;
use super::public::PublicKey;
use crate::der::{self, Reader, tag};
use crate::{Error, KeyKind, oid};

const WHAT: &str = "public key";

impl PublicKey {
    /// The same key in the one encoding that a certificate has for it, whatever it came in: rsaEncryption with NULL and
    /// two numbers of no octet too many (RFC 3279, 2.3.1), or id-ecPublicKey with a named curve and an uncompressed
    /// point (RFC 5480, 2.1.1 and 2.2).
    ///
    /// # Errors
    /// `Unsupported` when its algorithm is another one, also where that is one of RSA; `Malformed` when the algorithm has
    /// parameters that it does not know; `WrongKey` when the point is none of the curve.
    pub fn for_certificate(&self) -> Result<Self, Error> {
        let mut algorithm = Reader::new(self.spki_der(), WHAT).sequence()?.sequence()?;
        let identifier = algorithm.oid()?;
        let parameters_end = |rest: Reader<'_>| {
            if rest.is_empty() {
                Ok(())
            } else {
                Err(rest.error("its algorithm has parameters that have no place there"))
            }
        };
        let spki = match (self.kind(), identifier.as_str()) {
            (KeyKind::Rsa { .. }, oid::RSA_ENCRYPTION) => {
                // Some leave the NULL out.
                algorithm
                    .optional(tag::NULL)?
                    .map_or(Ok(()), |null| parameters_end(null.reader(WHAT)))?;
                parameters_end(algorithm)?;
                let (modulus, exponent) = rsa_numbers(self.bits())?;
                let numbers = der::seq(&[&der::unsigned(modulus), &der::unsigned(exponent)]);
                write(&[&der::oid(oid::RSA_ENCRYPTION)?, &der::null()], &numbers)
            }
            (KeyKind::Ec(curve), oid::EC_PUBLIC_KEY) => {
                algorithm.element()?;
                parameters_end(algorithm)?;
                let point = uncompressed(self.evp("a certificate")?)
                    .map_err(|_| Error::crypto("writing a point of a curve"))?;
                write(
                    &[&der::oid(oid::EC_PUBLIC_KEY)?, &der::oid(curve.oid())?],
                    &point,
                )
            }
            _ => {
                return Err(Error::Unsupported {
                    what: "public key algorithm",
                    oid: identifier,
                });
            }
        };
        if spki == self.spki_der() {
            return Ok(self.clone());
        }
        Self::from_spki_der(&spki)
    }
}

fn write(algorithm: &[&[u8]], bits: &[u8]) -> Vec<u8> {
    der::seq(&[&der::seq(algorithm), &der::bit_string(0, bits)])
}

fn uncompressed(key: &PKey<Public>) -> Result<Vec<u8>, ErrorStack> {
    let key = key.ec_key()?;
    let mut context = BigNumContext::new()?;
    key.public_key()
        .to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Curve, PrivateKey};

    fn spki(algorithm: &[&[u8]], bits: &[u8]) -> PublicKey {
        PublicKey::from_spki_der(&write(algorithm, bits)).unwrap()
    }

    fn rsa() -> (PublicKey, Vec<u8>) {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let public = key.public_key().clone();
        let bits = public.bits().to_vec();
        (public, bits)
    }

    #[test]
    fn an_rsa_key_is_written_the_one_way() {
        let (key, bits) = rsa();
        let id = der::oid(oid::RSA_ENCRYPTION).unwrap();
        assert_eq!(key.for_certificate().unwrap().spki_der(), key.spki_der());

        let (modulus, exponent) = rsa_numbers(&bits).unwrap();
        let padded = der::seq(&[
            &der::integer(&[&[0, 0, 0], modulus].concat()),
            &der::integer(&[&[0, 0], exponent].concat()),
        ]);
        for odd in [spki(&[&id], &bits), spki(&[&id, &der::null()], &padded)] {
            assert_ne!(odd.spki_der(), key.spki_der());
            assert_eq!(odd.for_certificate().unwrap().spki_der(), key.spki_der());
        }
    }

    #[test]
    fn what_an_rsa_algorithm_does_not_know_is_refused() {
        let (_, bits) = rsa();
        let id = der::oid(oid::RSA_ENCRYPTION).unwrap();
        for parameters in [
            [der::octet_string(b"foo"), Vec::new()],
            [der::null(), der::octet_string(b"foo")],
            [der::null(), der::null()],
            [der::tlv(tag::NULL, &[0]), Vec::new()],
        ] {
            let key = spki(&[&id, &parameters[0], &parameters[1]], &bits);
            assert!(
                matches!(key.for_certificate(), Err(Error::Malformed { .. })),
                "{parameters:?}"
            );
        }
        for other in [oid::RSA_PSS, oid::RSA_OAEP] {
            let key = spki(&[&der::oid(other).unwrap(), &der::null()], &bits);
            let refused = key.for_certificate().unwrap_err();
            assert!(refused.to_string().contains(other), "{refused}");
        }
    }

    #[test]
    fn a_point_is_written_uncompressed_on_a_named_curve() {
        for curve in [Curve::P256, Curve::P384] {
            let key = PrivateKey::generate(KeyKind::Ec(curve)).unwrap();
            let key = key.public_key();
            assert_eq!(key.for_certificate().unwrap().spki_der(), key.spki_der());
            let algorithm = [
                der::oid(oid::EC_PUBLIC_KEY).unwrap(),
                der::oid(curve.oid()).unwrap(),
            ];
            let loaded = PKey::public_key_from_der(key.spki_der())
                .unwrap()
                .ec_key()
                .unwrap();
            let mut context = BigNumContext::new().unwrap();
            let compressed = loaded
                .public_key()
                .to_bytes(
                    loaded.group(),
                    PointConversionForm::COMPRESSED,
                    &mut context,
                )
                .unwrap();
            let short = spki(&[&algorithm[0], &algorithm[1]], &compressed);
            assert_eq!(short.for_certificate().unwrap().spki_der(), key.spki_der());

            let more = spki(&[&algorithm[0], &algorithm[1], &der::null()], key.bits());
            assert!(more.for_certificate().is_err());
            let mut off = key.bits().to_vec();
            *off.last_mut().unwrap() ^= 1;
            let off = spki(&[&algorithm[0], &algorithm[1]], &off);
            assert!(matches!(off.for_certificate(), Err(Error::WrongKey { .. })));
        }
    }
}
