//! One CA follows another: announced, switched to, and the old one's devices still renew.

use issuer::create_root;
use pki::{Curve, KeyKind, Name};
use scep::client::{Content, open_next_ca};

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};
use actors::Clock;

async fn ask(server: &Running, operation: &str) -> (u16, Vec<u8>) {
    let url = format!("{}?operation={operation}", server.http("corp"));
    let reply = server.client().get(url).send().await.unwrap();
    let status = reply.status().as_u16();
    (status, reply.bytes().await.unwrap().to_vec())
}

async fn announces(server: &Running) -> bool {
    let caps = String::from_utf8(ask(server, "GetCACaps").await.1).unwrap();
    caps.lines().any(|line| line == "GetNextCACert")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_ca_is_announced_and_the_old_ones_devices_renew() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    assert!(!announces(&server).await);
    assert_eq!(ask(&server, "GetNextCACert").await.0, 404);
    let mut device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let old = device.enroll().await;

    let name = Name::parse("O=Example, CN=Test CA G2").unwrap();
    let kind = KeyKind::Ec(Curve::P384);
    let (next, key) = create_root(&name, kind, server.env.clock.now(), 10).unwrap();
    let cert_path = server.env.file("next.pem", next.to_pem().as_bytes());
    let key_path = key.to_pkcs8_pem().unwrap();
    let key_path = server.env.file("next.key", key_path.as_bytes());
    let (cert_path, key_path) = (cert_path.to_str().unwrap(), key_path.to_str().unwrap());
    server.env.edit(|config| {
        let issuer = config["issuer"][0].as_table_mut().unwrap();
        issuer.insert("next_ca_cert_path".to_owned(), cert_path.into());
    });
    server.server.reload("test").await.unwrap();
    assert!(announces(&server).await);
    let (status, body) = ask(&server, "GetNextCACert").await;
    assert_eq!(status, 200);
    let announced = open_next_ca(&body, &device.ca).unwrap();
    assert_eq!(*announced.issuing(), next);
    device.enroll().await;

    let previous = device.clone();
    server.env.edit(|config| {
        let issuer = config["issuer"][0].as_table_mut().unwrap();
        let was = issuer.insert("ca_cert_path".to_owned(), cert_path.into());
        issuer.insert("ca_key_path".to_owned(), key_path.into());
        issuer.remove("next_ca_cert_path");
        let was = toml::Value::Array(vec![was.unwrap()]);
        issuer.insert("previous_ca_cert_paths".to_owned(), was);
    });
    server.server.reload("test").await.unwrap();
    assert!(!announces(&server).await);
    device.refresh().await.unwrap();
    assert_eq!(*device.ca.issuing(), next);

    device.signer = old.clone();
    let csr = device.csr(None);
    let renewed = issued(
        device
            .post(&device.request(Content::RenewalReq(&csr)))
            .await,
    );
    renewed.verify_signature_by(next.public_key()).unwrap();
    old.verify_signature_by(server.env.ca.public_key()).unwrap();
    // A device that has not asked again still speaks to the RA of before.
    let late = previous.enroll().await;
    late.verify_signature_by(next.public_key()).unwrap();
}
