//! The cryptography of one enrollment and nothing else, as fast as the library can do it: what a
//! server's throughput is measured against. Not for enrolling anything.

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};

use crate::Error;

/// The keys of one measurement, and what a device would have sent.
pub struct Keys {
    ra: PKey<Private>,
    ca: PKey<Private>,
    device: PKey<Public>,
    device_signature: Vec<u8>,
    encrypted: Vec<u8>,
}

const DIGEST: [u8; 32] = [0x42; 32];
const CONTENT_KEY: [u8; 16] = [0x24; 16];

impl Keys {
    /// Fresh RSA-2048 keys, and a CA key that is P-256 where `elliptic`.
    ///
    /// # Errors
    /// `Crypto` when the library fails.
    pub fn generate(elliptic: bool) -> Result<Keys, Error> {
        Self::try_generate(elliptic).map_err(failed)
    }

    fn try_generate(elliptic: bool) -> Result<Keys, ErrorStack> {
        let ra = PKey::from_rsa(Rsa::generate(2048)?)?;
        let ca = if elliptic {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)?
        } else {
            PKey::from_rsa(Rsa::generate(2048)?)?
        };
        let device_key = PKey::from_rsa(Rsa::generate(2048)?)?;
        let mut device_signature = Vec::new();
        signing(&device_key, true)?.sign_to_vec(&DIGEST, &mut device_signature)?;
        let mut encrypted = Vec::new();
        let ra_public = PKey::public_key_from_der(&ra.public_key_to_der()?)?;
        encrypting(&ra_public)?.encrypt_to_vec(&CONTENT_KEY, &mut encrypted)?;
        let device = PKey::public_key_from_der(&device_key.public_key_to_der()?)?;
        Ok(Keys {
            ra,
            ca,
            device,
            device_signature,
            encrypted,
        })
    }
}

/// Contexts of the library, made once, and used for one enrollment after the other.
pub struct Contexts<'a> {
    keys: &'a Keys,
    decrypt: PkeyCtx<Private>,
    sign_ra: PkeyCtx<Private>,
    sign_ca: PkeyCtx<Private>,
    verify: PkeyCtx<Public>,
    encrypt: PkeyCtx<Public>,
    out: Vec<u8>,
}

impl<'a> Contexts<'a> {
    /// Contexts for these keys.
    ///
    /// # Errors
    /// `Crypto` when the library fails.
    pub fn of(keys: &'a Keys) -> Result<Contexts<'a>, Error> {
        Self::try_of(keys).map_err(failed)
    }

    fn try_of(keys: &'a Keys) -> Result<Contexts<'a>, ErrorStack> {
        let mut decrypt = PkeyCtx::new(&keys.ra)?;
        decrypt.decrypt_init()?;
        decrypt.set_rsa_padding(Padding::PKCS1)?;
        let mut verify = PkeyCtx::new(&keys.device)?;
        verify.verify_init()?;
        verify.set_rsa_padding(Padding::PKCS1)?;
        verify.set_signature_md(Md::sha256())?;
        Ok(Contexts {
            keys,
            decrypt,
            sign_ra: signing(&keys.ra, true)?,
            sign_ca: signing(&keys.ca, keys.ca.rsa().is_ok())?,
            verify,
            encrypt: encrypting(&keys.device)?,
            out: Vec::with_capacity(512),
        })
    }

    /// One private decryption, two signatures, two verifications and one public encryption: what a server does for an
    /// enrollment by static challenge.
    ///
    /// # Errors
    /// `Crypto` when the library fails.
    pub fn one_enrollment(&mut self) -> Result<(), Error> {
        self.try_one_enrollment().map_err(failed)
    }

    fn try_one_enrollment(&mut self) -> Result<(), ErrorStack> {
        self.out.clear();
        self.decrypt
            .decrypt_to_vec(&self.keys.encrypted, &mut self.out)?;
        for _ in 0..2 {
            self.verify.verify(&DIGEST, &self.keys.device_signature)?;
        }
        self.out.clear();
        self.sign_ca.sign_to_vec(&DIGEST, &mut self.out)?;
        self.out.clear();
        self.sign_ra.sign_to_vec(&DIGEST, &mut self.out)?;
        self.out.clear();
        self.encrypt.encrypt_to_vec(&CONTENT_KEY, &mut self.out)?;
        Ok(())
    }
}

fn signing(key: &PKey<Private>, rsa: bool) -> Result<PkeyCtx<Private>, ErrorStack> {
    let mut ctx = PkeyCtx::new(key)?;
    ctx.sign_init()?;
    if rsa {
        ctx.set_rsa_padding(Padding::PKCS1)?;
    }
    ctx.set_signature_md(Md::sha256())?;
    Ok(ctx)
}

fn encrypting(key: &PKey<Public>) -> Result<PkeyCtx<Public>, ErrorStack> {
    let mut ctx = PkeyCtx::new(key)?;
    ctx.encrypt_init()?;
    ctx.set_rsa_padding(Padding::PKCS1)?;
    Ok(ctx)
}

fn failed(_: ErrorStack) -> Error {
    Error::crypto("measuring")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_operations_are_the_true_ones() {
        let keys = Keys::generate(true).unwrap();
        let mut bench = Contexts::of(&keys).unwrap();
        bench.one_enrollment().unwrap();
        let mut content_key = Vec::new();
        bench
            .decrypt
            .decrypt_to_vec(&keys.encrypted, &mut content_key)
            .unwrap();
        assert_eq!(content_key, CONTENT_KEY);
        assert!(
            bench
                .verify
                .verify(&DIGEST, &keys.device_signature)
                .unwrap()
        );
    }
}
