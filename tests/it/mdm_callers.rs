//! Who may have challenges made: where the interfaces of MDMs ask for a client certificate, and what else a challenge is made
//! of.

use actors::Clock as _;
use pki::{Certificate, Curve, KeyKind, Name, PrivateKey};
use reqwest::StatusCode;
use scep::client::self_signed;

use crate::device::Device;
use crate::fleet::device_key;
use crate::mdm::{JAMF, PASSWORD, is_good_once};
use crate::test_env::{Running, TestEnv};

/// A key and its own certificate, as an MDM may have one.
fn own(name: &str, env: &TestEnv) -> (Certificate, PrivateKey) {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let name = Name::parse(name).unwrap();
    let certificate = self_signed(&name, &key, env.clock.now()).unwrap();
    (certificate, key)
}

/// Somebody with this client certificate, or with none.
fn client(server: &Running, identity: Option<&(Certificate, PrivateKey)>) -> reqwest::Client {
    let mut builder = server.client_builder();
    if let Some((certificate, key)) = identity {
        let mut pem = certificate.to_pem().into_bytes();
        pem.extend_from_slice(key.to_pkcs8_pem().unwrap().as_bytes());
        builder = builder.identity(reqwest::Identity::from_pem(&pem).unwrap());
    }
    builder.build().unwrap()
}

fn mutual(server: &Running, path: &str) -> String {
    let port = server.server.addresses().mtls.unwrap().port();
    format!("https://localhost:{port}{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_lets_jamf_in_alone_and_ndes_with_its_password() {
    let env = TestEnv::new();
    let (jamf, other) = (own("CN=Jamf Pro", &env), own("CN=Somebody", &env));
    let path = env.file("jamf-client.pem", jamf.0.to_pem().as_bytes());
    let path = path.display();
    let settings = format!(
        "[one_time]\nenabled = true\n[jamf]\nenabled = true\nclient_cert_path = '{path}'\n[ndes]\nenabled = true\nusername = \
         'mdm'\npassword = '{PASSWORD}'\nclient_cert_path = '{path}'"
    );
    let server = env
        .with("server = { mtls_listen = '127.0.0.1:0' }")
        .profile("corp", &settings)
        .start()
        .await;
    let hook = mutual(&server, "/hooks/jamf/corp");
    let call = |client: &reqwest::Client, url: &str| client.post(url).body(JAMF).send();
    let jamf = client(&server, Some(&jamf));
    let made = call(&jamf, &hook).await.unwrap();
    assert_eq!(made.status(), StatusCode::OK);
    is_good_once(&server, &made.text().await.unwrap()).await;
    let event = &server.events("scep_challenge_made")[0].event;
    assert_eq!(event.actor, "CN=Jamf Pro");

    let other = client(&server, Some(&other));
    let refused = call(&other, &hook).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let nobody = client(&server, None);
    // Without a certificate there is no connection, or no answer but a no.
    let none = call(&nobody, &hook).await;
    assert!(none.map_or(true, |reply| reply.status() == StatusCode::FORBIDDEN));
    let https = call(&jamf, &server.https("/hooks/jamf/corp"))
        .await
        .unwrap();
    assert_eq!(https.status(), StatusCode::NOT_FOUND);
    assert!(https.text().await.unwrap().contains("mTLS listener only"));

    let page = mutual(&server, "/ndes/corp/certsrv/mscep_admin/");
    let read = |client: &reqwest::Client, password: &str| {
        client.get(&page).basic_auth("mdm", Some(password)).send()
    };
    let shown = read(&jamf, PASSWORD).await.unwrap();
    assert_eq!(shown.status(), StatusCode::OK);
    assert!(
        shown
            .text()
            .await
            .unwrap()
            .contains("challenge password is: <B> ")
    );
    assert_eq!(
        read(&jamf, "wrong").await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        read(&other, PASSWORD).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(server.events("scep_challenge_made").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_in_the_file_lets_in_whom_it_certified_until_they_are_revoked() {
    let env = TestEnv::new();
    let ca = env.dir().join("ca.pem");
    let settings = format!(
        "[one_time]\nenabled = true\n[jamf]\nenabled = true\nclient_cert_path = '{}'",
        ca.display()
    );
    let server = env
        .with("server = { mtls_listen = '127.0.0.1:0' }")
        .profile("corp", &settings)
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let certificate = device.enroll().await;
    let caller = client(&server, Some(&(certificate.clone(), device_key())));
    let hook = mutual(&server, "/hooks/jamf/corp");
    let made = caller.post(&hook).body(JAMF).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::OK, "{:?}", made.text().await);
    crate::published::revoke_as(&server, &certificate, "superseded").await;
    let refused = caller.post(&hook).body(JAMF).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_without_client_certificates_is_not_on_the_mtls_listener() {
    let env = TestEnv::new();
    let jamf = own("CN=Jamf Pro", &env);
    let settings = format!(
        "[one_time]\nenabled = true\n[jamf]\nenabled = true\nusername = 'jamf'\npassword = '{PASSWORD}'"
    );
    let server = env
        .with("server = { mtls_listen = '127.0.0.1:0' }")
        .profile("corp", &settings)
        .start()
        .await;
    let client = client(&server, Some(&jamf));
    let call = client.post(mutual(&server, "/hooks/jamf/corp"));
    let reply = call.basic_auth("jamf", Some(PASSWORD)).body(JAMF);
    let reply = reply.send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
    assert!(reply.text().await.unwrap().contains("https listener only"));
    assert!(server.events("scep_challenge_made").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_mtls_listener_a_client_certificate_cannot_be_asked_for() {
    let env = TestEnv::new();
    let ca = env.dir().join("ca.pem");
    let settings = format!(
        "[one_time]\nenabled = true\n[jamf]\nenabled = true\nclient_cert_path = '{}'",
        ca.display()
    );
    let error = env.profile("corp", &settings).try_start().await;
    let error = error.err().unwrap().to_string();
    assert!(error.contains("jamf.client_cert_path"), "{error}");
    assert!(error.contains("server.mtls_listen is not set"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_made_of_what_the_profile_says_and_the_others_stay_good() {
    let hex = "[one_time]\nenabled = true";
    let mut server = TestEnv::new().profile("corp", hex).start().await;
    let token = server.token("mdm", store::TokenRole::Challenge).await;
    let make = async |server: &Running| {
        let mdm = server.with_token(&token);
        let made = mdm
            .post("/api/v1/challenges", r#"{"profile":"corp"}"#)
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["challenge"].as_str().unwrap().to_owned()
    };
    let first = make(&server).await;
    for (alphabet, letters) in [
        ("base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        (
            "alphanumeric",
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        ),
    ] {
        server.env.edit(|config| {
            let profile = config["profile"][0].as_table_mut().unwrap();
            let one_time = profile["one_time"].as_table_mut().unwrap();
            one_time.insert("alphabet".to_owned(), alphabet.into());
            one_time.insert("length".to_owned(), 64.into());
        });
        server.server.reload("test").await.unwrap();
        let made = make(&server).await;
        assert_eq!(made.len(), 64);
        assert!(made.chars().all(|c| letters.contains(c)), "{alphabet}");
        assert!(made.chars().any(|c| !c.is_ascii_hexdigit()), "{alphabet}");
        is_good_once(&server, &made).await;
    }
    is_good_once(&server, &first).await;
}
