//! One challenge, one certificate: altered, sixty-four times at once, and after a kill.

use actors::Clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use challenge::Label;
use chrono::Duration;
use futures_util::future::join_all;
use pki::der;
use scep::FailInfo;
use scep::client::{Content, Reply};
use serde_json::json;
use store::{Ledger, Records, SledOptions, SledStore};

use crate::crash::Process;
use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::gates::{Gates, SANS};
use crate::intune;
use crate::test_env::{TestEnv, trusting};

/// The other valid ECDSA signature of the same octets: (r, n - s).
fn twin(signature: &[u8]) -> Vec<u8> {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = hex::decode(order).unwrap();
    let (r, s) = signature.split_at(32);
    let mut difference = [0; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    [r, &difference].concat()
}

fn as_der(signature: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let first = octets.iter().position(|octet| *octet != 0).unwrap();
        let mut content = octets[first..].to_vec();
        if content[0] > 0x7f {
            content.insert(0, 0);
        }
        der::integer(&content)
    };
    let (r, s) = signature.split_at(32);
    der::seq(&[&integer(r), &integer(s)])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_signature_is_the_same_challenge() {
    let gates = Gates::open("").await;
    for over in [json!({}), json!({"nonce": null}), json!({"nonce": ""})] {
        let sub = hex::encode(pki::random::<4>().unwrap());
        let first = gates.signed(&sub, over.clone());
        let (head, signature) = first.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let with = |other: &[u8]| format!("{head}.{}", URL_SAFE_NO_PAD.encode(other));
        let others = [
            with(&twin(&signature)),
            with(&as_der(&signature)),
            with(&as_der(&twin(&signature))),
            format!("{first}=="),
        ];
        issued(gates.ask(&first).await);
        for other in others {
            assert_ne!(other, first);
            gates.refusal_with_claim(&other, Label::Replay, &sub).await;
        }
        // And the other way round: whichever comes first is the one. A second later, because a
        // challenge without a nonce is told from others by its octets alone.
        gates.server.env.clock.advance(Duration::seconds(1));
        let second = gates.signed(&sub, over);
        let (head, signature) = second.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let twin = format!("{head}.{}", URL_SAFE_NO_PAD.encode(twin(&signature)));
        issued(gates.ask(&twin).await);
        gates.refusal_with_claim(&second, Label::Replay, &sub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_copies_at_once_one_passes() {
    let gates = Gates::open("").await;
    for round in 1..=5_u64 {
        let challenge = gates.signed(&format!("guid-{round}"), json!({}));
        let csr = gates.csr(&challenge, SANS);
        let copies: Vec<_> = (0..64)
            .map(|_| gates.device.request(Content::PkcsReq(&csr)))
            .collect();
        let replies = join_all(copies.iter().map(|copy| gates.device.post(copy))).await;
        let (mut passed, mut replays) = (0, 0);
        for reply in replies {
            match reply {
                Reply::Certificate { .. } => passed += 1,
                reply => {
                    let (fail_info, text) = refused(reply);
                    assert_eq!(fail_info, FailInfo::BadMessageCheck);
                    assert!(text.ends_with("replay"), "{text}");
                    replays += 1;
                }
            }
        }
        assert_eq!((passed, replays), (1, 63), "round {round}");
        let counters = gates.counters().await;
        assert_eq!(counters.count(Label::Success), round);
        assert_eq!(counters.count(Label::Replay), round * 63);
        assert_eq!(gates.webhook.asked() as u64, round);
    }
    let query = store::CertificateQuery::default();
    let store = &gates.server.server.runtime().services.store;
    let certificates = store.certificates(&query, gates.server.env.clock.now());
    assert_eq!(certificates.unwrap().total, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_and_rate_gates_survive_a_kill() {
    // reqwest asks for a TLS provider even where only plain http is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new();
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let settings = intune::settings(env.dir()).replace("24h = 0", "24h = 2");
    let env = env.profile("corp", &settings);
    let config = env.write_config();
    let http = trusting(&env.ca).build().unwrap();
    let challenges: Vec<String> = (0..3).map(|_| intune::challenge_by(&connector)).collect();
    // In each life the challenges of the lives before are copies; the third is one too many in a day.
    for (life, challenge) in challenges.iter().enumerate() {
        let process = tokio::task::block_in_place(|| Process::start(&config));
        let device = Device::at(process.url.clone(), http.clone(), device_key()).await;
        let ask = async |challenge: &String| {
            let csr = device.csr(Some(challenge));
            device.post(&device.request(Content::PkcsReq(&csr))).await
        };
        for copy in challenges.iter().take(life) {
            let (fail_info, text) = refused(ask(copy).await);
            assert_eq!(fail_info, FailInfo::BadMessageCheck);
            assert!(text.ends_with("replay"), "life {life}: {text}");
        }
        let reply = ask(challenge).await;
        if life < 2 {
            issued(reply);
        } else {
            let (fail_info, text) = refused(reply);
            assert_eq!(fail_info, FailInfo::BadRequest);
            assert!(text.ends_with("rate_limited"), "{text}");
        }
        process.kill();
    }
    let store = SledStore::open(env.dir().join("data/store"), &SledOptions::default()).unwrap();
    let time = store.time(env.clock.reading());
    let state = store.profile_state("corp", time).unwrap();
    let count = |label: Label| state.counters.get(label.as_str()).copied().unwrap_or(0);
    let counted = [Label::Success, Label::Replay, Label::RateLimited].map(count);
    assert_eq!(counted, [2, 3, 1]);
    assert_eq!(store.sizes().unwrap().certificates, 2);
}
