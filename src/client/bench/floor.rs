//! What this machine's OpenSSL can do at best for the cryptography of one enrollment.
//!
//! An enrollment with RSA-2048 keys takes the server one private decryption (the envelope), a signature by the CA and one
//! by the RA, three verifications (the message, the request, and one more of the same kind) and one public encryption (the reply).
//! Here every core does just that in a loop, with contexts made once: no parsing, no digests, no network, no store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use serde::Serialize;

use crate::client::Error;

/// One kind of CA key, measured.
#[derive(Debug, Clone, Serialize)]
pub struct Variant {
    /// The CA's key: "RSA 2048" or "EC P-256".
    pub ca_key: &'static str,
    /// Enrollments' worth of cryptography a second, all cores together.
    pub enrollments_per_second: f64,
    /// The time that one core needs for one enrollment's worth, in microseconds.
    pub microseconds_per_core: f64,
}

/// The result of [`measure`].
#[derive(Debug, Clone, Serialize)]
pub struct Floor {
    /// The library that was measured.
    pub openssl: String,
    /// Threads that worked, one a core.
    pub cores: usize,
    /// How long each variant ran, in seconds.
    pub seconds: f64,
    /// RSA first, then P-256.
    pub variants: Vec<Variant>,
}

/// Measures both variants, each for `duration`, on all cores.
///
/// # Errors
/// [`Error::Usage`] when OpenSSL fails, which it does not on a sound machine.
pub fn measure(duration: Duration) -> Result<Floor, Error> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut variants = Vec::new();
    for (ca_key, elliptic) in [("RSA 2048", false), ("EC P-256", true)] {
        let rate = all_cores(cores, duration, elliptic).map_err(|error| {
            Error::Usage(format!("OpenSSL failed while it was measured: {error}"))
        })?;
        variants.push(Variant {
            ca_key,
            enrollments_per_second: rate,
            microseconds_per_core: if rate > 0.0 {
                1e6 * cores as f64 / rate
            } else {
                0.0
            },
        });
    }
    Ok(Floor {
        openssl: openssl::version::version().to_owned(),
        cores,
        seconds: duration.as_secs_f64(),
        variants,
    })
}

fn all_cores(cores: usize, duration: Duration, elliptic: bool) -> Result<f64, ErrorStack> {
    let keys = Keys::generate(elliptic)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut bench = Contexts::of(&keys)?;
                    bench.one_enrollment()?;
                    let start = Instant::now();
                    let mut done = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        bench.one_enrollment()?;
                        done += 1;
                        if start.elapsed() >= duration {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    Ok(done as f64 / start.elapsed().as_secs_f64())
                })
            })
            .collect();
        let mut rate = 0.0;
        for worker in workers {
            // A worker that panicked has nothing to add; the rest still says something true about fewer cores.
            rate += worker.join().unwrap_or(Ok(0.0))?;
        }
        Ok(rate)
    })
}

struct Keys {
    ra: PKey<Private>,
    ca: PKey<Private>,
    device: PKey<Public>,
    device_signature: Vec<u8>,
    encrypted: Vec<u8>,
}

const DIGEST: [u8; 32] = [0x42; 32];
const CONTENT_KEY: [u8; 16] = [0x24; 16];

impl Keys {
    fn generate(elliptic: bool) -> Result<Keys, ErrorStack> {
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

struct Contexts<'a> {
    keys: &'a Keys,
    decrypt: PkeyCtx<Private>,
    sign_ra: PkeyCtx<Private>,
    sign_ca: PkeyCtx<Private>,
    verify: PkeyCtx<Public>,
    encrypt: PkeyCtx<Public>,
    out: Vec<u8>,
}

impl<'a> Contexts<'a> {
    fn of(keys: &'a Keys) -> Result<Contexts<'a>, ErrorStack> {
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

    fn one_enrollment(&mut self) -> Result<(), ErrorStack> {
        self.out.clear();
        self.decrypt
            .decrypt_to_vec(&self.keys.encrypted, &mut self.out)?;
        for _ in 0..3 {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn both_variants_do_real_work() {
        let floor = measure(Duration::from_millis(30)).unwrap();
        assert_eq!(floor.variants.len(), 2);
        for variant in &floor.variants {
            assert!(variant.enrollments_per_second > 1.0, "{variant:?}");
        }
        // Two RSA private operations and more cannot be had for less than this on any core.
        assert!(floor.variants[0].microseconds_per_core > 50.0);
    }

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
