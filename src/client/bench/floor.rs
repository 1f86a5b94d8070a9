//! What this machine's OpenSSL can do at best for the cryptography of one enrollment.
//!
//! An enrollment with RSA-2048 keys takes the server one private decryption (the envelope), a signature by the CA and one
//! by the RA, two verifications (the message and the request) and one public encryption (the reply).
//! Here every core does just that in a loop ([`pki::floor`]): no parsing, no digests, no network, no store.

use std::thread;
use std::time::{Duration, Instant};

use pki::floor::{Contexts, Keys};
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
        |error: pki::Error| Error::Usage(format!("OpenSSL failed while it was measured: {error}"));
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
        openssl: pki::openssl_version(),
        cores,
        seconds: duration.as_secs_f64(),
        variants,
    })
}

/// Lets every core work until `duration` is over, and counts.
fn all_cores(cores: usize, duration: Duration, keys: &Keys) -> Result<u64, pki::Error> {
    let start = Instant::now();
    let work = || {
        let mut contexts = Contexts::of(keys)?;
        let mut done = 0;
        // One at least, however short the time was on a busy machine.
        loop {
            contexts.one_enrollment()?;
            done += 1;
            if start.elapsed() >= duration {
                return Ok(done);
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn both_variants_do_real_work() {
        let floor = measure(Duration::from_millis(30)).unwrap();
        assert_eq!(floor.variants.len(), 2);
        for variant in &floor.variants {
            assert!(variant.enrollments_per_second > 0.0, "{variant:?}");
            assert!(variant.cpu_microseconds > 0.0, "{variant:?}");
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
}
