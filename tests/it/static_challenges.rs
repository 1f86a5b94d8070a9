//! Several static challenges: one is exchanged for another, or withdrawn alone, and the audit says which was used.

use scep::FailInfo;
use scep::client::{Content, self_signed};
use store::Outcome;

use crate::device::{Device, issued, refused};
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// Which challenge the newest enrollment came with, and how it ended.
fn newest(server: &Running) -> (Option<String>, Option<Outcome>, Option<String>) {
    let events = server.events("scep_pkcsreq");
    let details = &events.first().unwrap().event.details;
    let text = serde_json::to_string(&events).unwrap();
    for value in [CHALLENGE, "a-spring-challenge", "an-autumn-challenge"] {
        assert!(!text.contains(value), "the audit never holds a value");
    }
    (
        details.extra.get("challenge").cloned(),
        details.outcome,
        details.reason.clone(),
    )
}

fn two() -> toml::Table {
    "challenge_passwords = [{ name = 'spring', value = 'a-spring-challenge' }, { name = 'autumn', value = \
     'an-autumn-challenge' }]"
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_exchanged_for_another_without_a_device_being_refused_and_withdrawn_alone() {
    let mut server = TestEnv::new()
        .profile("corp", &two().to_string())
        .start()
        .await;
    let device = Device::of(&server, "corp").await;
    for (value, name) in [
        (CHALLENGE, "challenge_password"),
        ("a-spring-challenge", "spring"),
        ("an-autumn-challenge", "autumn"),
    ] {
        let csr = device.csr(Some(value));
        issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
        let (challenge, outcome, _) = newest(&server);
        assert_eq!(
            (challenge.as_deref(), outcome),
            (Some(name), Some(Outcome::Success))
        );
    }

    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let all = profiles[0]["challenge_passwords"].as_array_mut().unwrap();
        all.remove(0);
    });
    server.server.reload("test").await.unwrap();
    let csr = device.csr(Some("a-spring-challenge"));
    let (fail_info, _) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    assert_eq!(fail_info, FailInfo::BadRequest);
    let (challenge, outcome, reason) = newest(&server);
    assert_eq!((challenge, outcome), (None, Some(Outcome::Failure)));
    assert_eq!(reason.as_deref(), Some("challenge_wrong"));
    for value in [CHALLENGE, "an-autumn-challenge"] {
        let csr = device.csr(Some(value));
        issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_proxys_key_signs_first_requests_and_renewals_sign_for_themselves() {
    let env = TestEnv::new();
    let subject = pki::Name::parse("CN=Jamf Pro signer").unwrap();
    let kind = pki::KeyKind::Rsa { bits: 2048 };
    let proxy_key = pki::PrivateKey::generate(kind).unwrap();
    let proxy = self_signed(&subject, &proxy_key, chrono::Utc::now()).unwrap();
    let path = env.file("proxy.pem", proxy.to_pem().as_bytes());
    let settings = format!("signers_path = '{}'", path.display());
    let server = env.profile("corp", &settings).start().await;
    let device = Device::of(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    let (_, text) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    assert!(text.contains("signer"), "{text}");
    assert_eq!(newest(&server).2.as_deref(), Some("signer_unknown"));

    // The proxy signs for every device, and none of them has its key.
    let recipient = [device.ca.recipient().unwrap()];
    let content = Content::PkcsReq(&csr);
    let request = scep::client::RequestBuilder::new(content, (&proxy, &proxy_key), &recipient);
    let certificate = issued(device.post(&request.build().unwrap()).await);
    assert_eq!(
        certificate.public_key().spki_der(),
        device.key.public_key().spki_der()
    );

    let holder = Device {
        signer: certificate,
        ..device
    };
    let csr = holder.csr(None);
    issued(
        holder
            .post(&holder.request(Content::RenewalReq(&csr)))
            .await,
    );
}
