//! What this machine's OpenSSL can do at best for the cryptography of one enrollment.
//!
//! An enrollment with RSA-2048 keys takes the server one private decryption (the envelope), a signature by the CA and one
//! by the RA, three verifications (the message, the request, and one more of the same kind) and one public encryption (the reply).
//! Here every core does just that in a loop, with contexts made once: no parsing, no digests, no network, no store.

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

use super::cpu;
use crate::client::Error;

/// One kind of CA key, measured.
#[derive(Debug, Clone, Serialize)]
pub struct Variant {
    /// The CA's key: "RSA 2048" or "EC P-256".
    pub ca_key: &'static str,
    /// Enrollments' worth of cryptography a second, all cores together.
    pub enrollments_per_second: f64,
    /// CPU time that one enrollment's worth takes, in microseconds.
    pub cpu_microseconds: f64,
    /// How much of the cores these threads had, 0 to 1. Well below 1, other work disturbed the measurement.
    pub share_of_cores: f64,
    /// Enrollments' worth a second that follow from the CPU time: what idle cores would have done.
    pub on_idle_cores: f64,
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
    let failed =
        |error: ErrorStack| Error::Usage(format!("OpenSSL failed while it was measured: {error}"));
    let mut variants = Vec::new();
    for (ca_key, elliptic) in [("RSA 2048", false), ("EC P-256", true)] {
        let keys = Keys::generate(elliptic).map_err(failed)?;
        let before = cpu::process_time().unwrap_or_default();
        let start = Instant::now();
        let done = all_cores(cores, duration, &keys).map_err(failed)?;
        let wall = start.elapsed().as_secs_f64();
        let used = cpu::process_time()
            .unwrap_or_default()
            .saturating_sub(before)
            .as_secs_f64();
        variants.push(Variant::new(ca_key, done as f64, wall, used, cores as f64));
    }
    Ok(Floor {
        openssl: openssl::version::version().to_owned(),
        cores,
        seconds: duration.as_secs_f64(),
        variants,
    })
}

/// Lets every core work until `duration` is over, and counts.
fn all_cores(cores: usize, duration: Duration, keys: &Keys) -> Result<u64, ErrorStack> {
    let start = Instant::now();
    let work = || {
        let mut contexts = Contexts::of(keys)?;
        let mut done = 0;
        while start.elapsed() < duration {
            contexts.one_enrollment()?;
            done += 1;
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        // A worker that panicked has nothing to add; the rest still says something true about fewer cores.
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Ok(0)))
            .sum()
    })
}

impl Variant {
    fn new(ca_key: &'static str, done: f64, wall: f64, used: f64, cores: f64) -> Variant {
        let per = |time: f64| if time > 0.0 { done / time } else { 0.0 };
        Variant {
            ca_key,
            enrollments_per_second: per(wall),
            cpu_microseconds: if done > 0.0 { 1e6 * used / done } else { 0.0 },
            share_of_cores: if wall > 0.0 {
                (used / (wall * cores)).min(1.0)
            } else {
                0.0
            },
            on_idle_cores: per(used) * cores,
        }
    }
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
    }

    #[test]
    fn rates_follow_from_the_clocks() {
        let disturbed = Variant::new("RSA 2048", 1000.0, 2.0, 1.0, 2.0);
        assert_eq!(disturbed.enrollments_per_second, 500.0);
        assert_eq!(disturbed.cpu_microseconds, 1000.0);
        assert_eq!(disturbed.share_of_cores, 0.25);
        assert_eq!(disturbed.on_idle_cores, 2000.0);
        let nothing = Variant::new("RSA 2048", 0.0, 0.0, 0.0, 2.0);
        assert_eq!(
            (nothing.enrollments_per_second, nothing.on_idle_cores),
            (0.0, 0.0)
        );
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
