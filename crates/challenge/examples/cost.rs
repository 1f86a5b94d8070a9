//! What a challenge costs: `cargo run --release -p challenge --example cost`.
//!
//! Verification by josekit's verifiers over the raw octets (what the crate does), by
//! `pki::PublicKey`, by josekit's own parser, and all of gates 2 to 6; then the replay memory at
//! two sizes. Times are processor time, the best of ten runs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, run by hand"
)]

use challenge::mint::{Connector, Minter, sign};
use challenge::{
    Algorithm, CsrFacts, IntuneSettings, ReplayKey, ReplayMemory, TrustAnchors, verify,
};
use chrono::{DateTime, Duration, Utc};
use josekit::jws::{ES256, JwsVerifier, RS256, deserialize_compact};
use pki::{Digest, SignatureScheme};
use std::hint::black_box;

const ROUNDS: u32 = 20_000;

fn main() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        verification(algorithm);
    }
    for live in [10_000, 1_000_000] {
        replay_memory(live);
    }
}

fn verification(algorithm: Algorithm) {
    let now = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
    let connector = Connector::throwaway(algorithm, "C", now, 1).unwrap();
    let claims = serde_json::json!({
        "iss": "connector", "sub": "0d6f5c1e-2f5b-4d8e-9f61-6f1f0a2b3c4d", "aud": "https://scep.example.com/scep/corp",
        "device_name": "LAPTOP-7", "san_dns": ["laptop-7.corp.example.com"], "san_upn": ["ada@corp.example.com"],
    });
    let challenge = Minter::new(&connector.key)
        .unwrap()
        .mint(
            claims.as_object().unwrap().clone(),
            Duration::minutes(10),
            now,
        )
        .unwrap();
    let (input, _) = challenge.rsplit_once('.').unwrap();
    let signature = sign(input.as_bytes(), &connector.key).unwrap();
    let key = connector.key.public_key();
    let name = algorithm.as_str();

    let jose: Box<dyn JwsVerifier> = match algorithm {
        Algorithm::Rs256 => Box::new(RS256.verifier_from_der(key.spki_der()).unwrap()),
        Algorithm::Es256 => Box::new(ES256.verifier_from_der(key.spki_der()).unwrap()),
    };
    time(&format!("{name}: josekit's verifier, raw octets"), || {
        jose.verify(black_box(input.as_bytes()), &signature)
            .unwrap();
    });
    let (scheme, own) = match algorithm {
        Algorithm::Rs256 => (SignatureScheme::RsaPkcs1(Digest::Sha256), signature.clone()),
        Algorithm::Es256 => {
            let scheme = SignatureScheme::Ecdsa(Digest::Sha256);
            (
                scheme,
                connector.key.sign(&scheme, input.as_bytes()).unwrap(),
            )
        }
    };
    time(&format!("{name}: pki::PublicKey, raw octets"), || {
        key.verify(&scheme, black_box(input.as_bytes()), &own)
            .unwrap();
    });
    time(&format!("{name}: josekit's parser and verifier"), || {
        deserialize_compact(black_box(&challenge), jose.as_ref()).unwrap();
    });
    let anchors = TrustAnchors::parse("anchors", connector.certificate.der(), now).unwrap();
    let mut csr = CsrFacts {
        common_names: vec!["LAPTOP-7".into()],
        ..CsrFacts::default()
    };
    csr.sans.dns = vec!["laptop-7.corp.example.com".into()];
    csr.sans.upn = vec!["ada@corp.example.com".into()];
    let settings = IntuneSettings::default();
    time(&format!("{name}: gates 2 to 6"), || {
        verify(black_box(&challenge), &anchors, &settings, &csr, now).unwrap();
    });
}

/// Seconds on the processor, so that other programs matter less.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn time(what: &str, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..10 {
        let start = busy();
        for _ in 0..ROUNDS / 10 {
            work();
        }
        best = best.min((busy() - start) / f64::from(ROUNDS / 10));
    }
    println!("{what:<40} {:8.2} us", best * 1e6);
}

fn replay_memory(live: u64) {
    let at = |seconds: u64| DateTime::from_timestamp(1_800_000_000 + seconds as i64, 0).unwrap();
    let key = |n: u64| {
        let digest = pki::sha256(&n.to_be_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        ReplayKey(short)
    };
    const REQUESTS: u64 = 500_000;
    let keys: Vec<_> = (0..live + REQUESTS).map(key).collect();
    let mut memory = ReplayMemory::new();
    let second = |n: usize| n as u64 * 3_600 / live;
    for (n, key) in keys.iter().take(live as usize).enumerate() {
        memory.insert(*key, at(second(n) + 3_600));
    }
    let start = busy();
    for (n, key) in keys.iter().enumerate().skip(live as usize) {
        memory.expire(at(second(n)));
        memory.insert(*key, at(second(n) + 3_600));
    }
    let each = (busy() - start) / REQUESTS as f64;
    println!(
        "replay memory, {live:>9} live: {:6.0} ns a request, {} held",
        each * 1e9,
        memory.len()
    );
}
