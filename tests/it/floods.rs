//! Floods: garbage, guesses, and more at once than a profile takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use challenge::mint::{Connector, mint};
use futures_util::future::join_all;
use scep::client::{Content, Reply, Request};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::webhook::Webhook;

fn sizes(server: &Running) -> store::Sizes {
    server.server.runtime().services.store.sizes().unwrap()
}

/// Octets that are no good PKIMessage, each in another way.
fn garbage(number: usize, message: &[u8]) -> Vec<u8> {
    let mut octets = message.to_vec();
    match number % 6 {
        0 => octets.truncate(1 + number % octets.len()),
        1 => octets.iter_mut().for_each(|octet| *octet ^= 0x5a),
        2 => octets.splice(0..0, [0x30, 0x80].repeat(200)).for_each(drop),
        3 => octets = pki::random::<256>().unwrap().to_vec(),
        4 => octets = b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        // Only the signature is wrong: answered by a signed refusal.
        _ => {
            let last = octets.len() - 1;
            octets[last - number % 100] ^= 1;
        }
    }
    octets
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_leaves_next_to_nothing_behind_and_devices_get_through() {
    const WORKERS: usize = 16;
    const EACH: usize = 150;
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let message = device
        .request(Content::PkcsReq(&device.csr(Some(CHALLENGE))))
        .message()
        .to_vec();
    let before = sizes(&server);
    let halfway = Arc::new(Barrier::new(WORKERS + 1));
    let answered = Arc::new(AtomicUsize::new(0));
    let flood: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (http, url) = (server.client(), device.url.clone());
            let (message, halfway, answered) = (message.clone(), halfway.clone(), answered.clone());
            tokio::spawn(async move {
                for number in 0..EACH {
                    if number == EACH / 3 {
                        halfway.wait().await;
                    }
                    let number = worker * EACH + number;
                    let sent = http.post(&url).body(garbage(number, &message));
                    let reply = sent.send().await.unwrap();
                    let expected = if number % 6 == 5 { 200 } else { 400 };
                    assert_eq!(reply.status(), expected, "{number}");
                    reply.bytes().await.unwrap();
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    // All workers have two thirds of theirs still to send.
    halfway.wait().await;
    let certificate = device.enroll().await;
    assert!(
        answered.load(Ordering::SeqCst) < WORKERS * EACH,
        "the flood was over before the device had its certificate"
    );
    for worker in flood {
        worker.await.unwrap();
    }
    assert_eq!(answered.load(Ordering::SeqCst), WORKERS * EACH);

    let after = sizes(&server);
    let grown = after.disk_bytes.saturating_sub(before.disk_bytes);
    assert!(grown < 1024 * 1024, "the store grew by {grown} bytes");
    assert_eq!(after.certificates, before.certificates + 1);
    assert_eq!(after.transactions, before.transactions + 1);
    let events = after.audit_events - before.audit_events;
    assert!((2..=20).contains(&events), "{events} audit events");
    let [event] = server
        .events("scep_pkcsreq")
        .into_iter()
        .filter(|event| event.event.details.serial == Some(certificate.serial().to_hex()))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(event.event.details.outcome, Some(store::Outcome::Success));
    assert!(!server.events("scep_unreadable").is_empty());
}

/// POSTs a request by way of a proxy that names this client; HTTP status and, with 200, the reply.
async fn post_from(device: &Device, request: &Request, client: &str) -> (u16, Option<Reply>, bool) {
    let sent = device
        .http
        .post(&device.url)
        .header("x-forwarded-for", client)
        .body(request.message().to_vec());
    let reply = sent.send().await.unwrap();
    let status = reply.status().as_u16();
    let comes_again = reply
        .headers()
        .get("retry-after")
        .is_some_and(|value| value.to_str().unwrap().parse::<u64>().unwrap() > 0);
    let body = reply.bytes().await.unwrap();
    let reply = (status == 200).then(|| {
        request
            .open_reply(&body, &device.ca.reply_signers())
            .unwrap()
    });
    (status, reply, comes_again)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_turned_away_and_nobody_else() {
    const LIMIT: usize = 5;
    let server = TestEnv::new()
        .with("[server]\ntrusted_proxies = ['127.0.0.1']")
        .profile(
            "corp",
            &format!("[limits]\nbad_challenges_per_source_per_minute = {LIMIT}"),
        )
        .profile("other", "")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let request = |challenge: Option<&str>| {
        let csr = device.csr(challenge);
        device.request(Content::PkcsReq(&csr))
    };
    for guess in 0..LIMIT {
        let wrong = format!("guess-{guess}");
        // A missing challenge is a guess too.
        let wrong = (guess > 0).then_some(wrong.as_str());
        let (status, reply, _) = post_from(&device, &request(wrong), "203.0.113.5").await;
        assert_eq!(status, 200, "guess {guess}");
        refused(reply.unwrap());
    }
    let failed_attempts: Vec<_> = (0..200)
        .map(|n| request(Some(&format!("more-{n}"))))
        .collect();
    for chunk in failed_attempts.chunks(20) {
        let asked = chunk
            .iter()
            .map(|guess| post_from(&device, guess, "203.0.113.5"));
        for (status, _, comes_again) in join_all(asked).await {
            assert_eq!((status, comes_again), (403, true));
        }
    }
    // Not by guessing right either, nor by writing another hop before its own.
    for client in ["203.0.113.5", "198.51.100.7, 203.0.113.5"] {
        let (status, ..) = post_from(&device, &request(Some(CHALLENGE)), client).await;
        assert_eq!(status, 403, "{client}");
    }
    for client in ["203.0.113.6", "2001:db8::5"] {
        let (_, reply, _) = post_from(&device, &request(Some(CHALLENGE)), client).await;
        issued(reply.unwrap());
    }
    let mut elsewhere = device.clone();
    elsewhere.url = server.http("other");
    elsewhere.refresh().await.unwrap();
    let csr = elsewhere.csr(Some(CHALLENGE));
    let right = elsewhere.request(Content::PkcsReq(&csr));
    let (_, reply, _) = post_from(&elsewhere, &right, "203.0.113.5").await;
    issued(reply.unwrap());

    // That it is turned away was written once.
    let [lockout] = &server.events("scep_source_locked_out")[..] else {
        panic!("one event")
    };
    let details = &lockout.event.details;
    assert_eq!(details.source_ip, Some("203.0.113.5".parse().unwrap()));
    assert_eq!(details.profile.as_deref(), Some("corp"));
    assert_eq!(details.reason.as_deref(), Some("too_many_guesses"));

    // Of 200 that were turned away nothing was written.
    let events = server.events("scep_pkcsreq");
    let refusals = events
        .iter()
        .filter(|event| event.event.details.outcome == Some(store::Outcome::Failure));
    assert_eq!(refusals.count(), LIMIT);
    let source = "203.0.113.5".parse().unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.event.details.source_ip == Some(source))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_that_come_at_once_are_counted_one_by_one() {
    const LIMIT: usize = 5;
    let limits = format!("[limits]\nbad_challenges_per_source_per_minute = {LIMIT}");
    let server = TestEnv::new().profile("corp", &limits).start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let failed_attempts: Vec<_> = (0..64)
        .map(|n| {
            let csr = device.csr(Some(&format!("guess-{n}")));
            device.request(Content::PkcsReq(&csr))
        })
        .collect();
    let replies = failed_attempts
        .iter()
        .map(|guess| post_from(&device, guess, ""));
    let mut answered = 0;
    for (status, reply, comes_again) in join_all(replies).await {
        match reply {
            Some(reply) => {
                refused(reply);
                answered += 1;
            }
            None => assert_eq!((status, comes_again), (403, true)),
        }
    }
    assert_eq!(answered, LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_a_proxy_that_is_not_trusted_does_not_hide_a_guesser() {
    let server = TestEnv::new()
        .profile("corp", "[limits]\nbad_challenges_per_source_per_minute = 3")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let mut statuses = Vec::new();
    for guess in 0..5 {
        let request = device.request(Content::PkcsReq(&device.csr(Some("wrong"))));
        let client = format!("203.0.113.{guess}");
        statuses.push(post_from(&device, &request, &client).await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 403, 403]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_profile_takes_at_once_is_503_with_retry_after() {
    let env = TestEnv::new();
    let connector: Connector = crate::intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let webhook = Webhook::start(env.dir()).await;
    let settings = format!(
        "max_in_flight = 1\n{}{}",
        crate::intune::settings(env.dir()),
        webhook.settings(env.dir())
    );
    let server = env
        .profile("corp", &settings)
        .profile("other", "")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let Value::Object(claims) = json!({
        "iss": "https://connector.example.com", "sub": "guid-1", "device_name": "box-4",
        "san_dns": ["box-4.example.org"], "pad": "x".repeat(64),
    }) else {
        unreachable!()
    };
    let lifetime = chrono::Duration::minutes(30);
    let challenge = mint(claims, &connector.key, lifetime, chrono::Utc::now()).unwrap();

    // The webhook keeps the only permit in use until it may answer.
    let door = webhook.hold();
    let first = device.request(Content::PkcsReq(&device.csr(Some(&challenge))));
    let first = Arc::new(first);
    let under_way = tokio::spawn({
        let (device, first) = (device.clone(), first.clone());
        async move { device.post(&first).await }
    });
    webhook.asked_times(1).await;
    let second = device.request(Content::PkcsReq(&device.csr(Some(CHALLENGE))));
    for _ in 0..10 {
        let (status, _, comes_again) = post_from(&device, &second, "").await;
        assert_eq!((status, comes_again), (503, true));
    }
    // What needs no permit is answered, and neighbours have their own.
    let mut neighbour = device.clone();
    neighbour.refresh().await.unwrap();
    neighbour.url = server.http("other");
    neighbour.refresh().await.unwrap();
    neighbour.enroll().await;
    assert!(!under_way.is_finished());

    door.open();
    issued(under_way.await.unwrap());
    issued(device.post(&second).await);
    assert_eq!(server.events("scep_pkcsreq_intune").len(), 1);
}
