//! Algorithms: what GetCACaps promises is done, what is too old is refused, and replies speak as requests did.

use std::path::{Path, PathBuf};

use pki::cms::{Enveloped, Signed};
use pki::{ContentCipher, Digest, KeyTransport};
use scep::client::{Content, Request, RequestBuilder, peek_fail_info, peek_status};
use scep::{FailInfo, PkiStatus};

use crate::automatic_ra::own_ra;
use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::wire;

async fn device(server: &Running, path_id: &str) -> Device {
    Device::at(server.http(path_id), server.client(), device_key()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_true_of_the_profile() {
    let env = TestEnv::new()
        .profile("modern", "")
        .profile("old", "crypto = 'compatible'")
        .profile("direct", "ra = 'ca'");
    let chain = own_ra(&env, false);
    let server = env.start().await;
    let address = server.server.addresses().http.unwrap();
    let caps = async |path_id: &str| {
        let reply = wire::get(address, &format!("/scep/{path_id}?operation=GetCACaps")).await;
        assert!(reply.body.len() < 1024);
        assert_eq!(reply.header("content-type"), Some("text/plain"));
        let text = reply.text();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let modern = caps("modern").await;
    for keyword in [
        "AES",
        "POSTPKIOperation",
        "SHA-256",
        "SHA-512",
        "SCEPStandard",
        "Renewal",
    ] {
        assert!(modern.iter().any(|line| line == keyword), "{keyword}");
    }
    for absent in ["SHA-1", "DES3", "GetNextCACert"] {
        assert!(!modern.iter().any(|line| line == absent), "{absent}");
    }
    let old = caps("old").await;
    let place = |keyword: &str| old.iter().position(|line| line == keyword).unwrap();
    assert!(place("AES") < place("DES3"));
    assert!(place("SHA-1") < old.len());

    let direct = wire::get(address, "/scep/direct?operation=GetCACert").await;
    assert_eq!(
        direct.header("content-type"),
        Some("application/x-x509-ca-cert")
    );
    assert_eq!(direct.body, chain.first().unwrap().der());
    Device::of(&server, "direct").await.enroll().await;
    let next = wire::get(address, "/scep/modern?operation=GetNextCACert").await;
    assert_eq!(next.status, 404);
}

/// Sends a request made with these algorithms; the reply's octets.
async fn with_algorithms(
    device: &Device,
    cipher: ContentCipher,
    digest: Digest,
    transport: KeyTransport,
) -> (Request, Vec<u8>) {
    let csr = device.csr(Some(CHALLENGE));
    let recipient = [device.ca.recipient().unwrap()];
    let request = RequestBuilder::new(
        Content::PkcsReq(&csr),
        (&device.signer, &device.key),
        &recipient,
    )
    .cipher(cipher)
    .digest(digest)
    .key_transport(transport)
    .build()
    .unwrap();
    let sent = device
        .http
        .post(&device.url)
        .body(request.message().to_vec());
    let reply = sent.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    (request, reply.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_come_back_as_they_came() {
    let server = TestEnv::new()
        .profile("modern", "")
        .profile("old", "crypto = 'compatible'")
        .start()
        .await;
    let (modern, old) = (
        device(&server, "modern").await,
        device(&server, "old").await,
    );
    let oaep = |digest| KeyTransport::Oaep {
        digest,
        mgf: digest,
    };
    for device in [&modern, &old] {
        for transport in [
            KeyTransport::Pkcs1v15,
            oaep(Digest::Sha1),
            oaep(Digest::Sha256),
        ] {
            for (cipher, digest) in [
                (ContentCipher::Aes128Cbc, Digest::Sha256),
                (ContentCipher::Aes192Cbc, Digest::Sha384),
                (ContentCipher::Aes256Cbc, Digest::Sha512),
            ] {
                let words = format!("{transport:?} {cipher:?}");
                let (request, reply) = with_algorithms(device, cipher, digest, transport).await;
                let opened = request.open_reply(&reply, &device.ca.reply_signers());
                issued(opened.unwrap_or_else(|error| panic!("{words}: {error}")));
                let signed = Signed::parse(&reply).unwrap();
                assert_eq!(signed.digest().unwrap(), digest, "{words}");
                let envelope = Enveloped::parse(signed.content().unwrap()).unwrap();
                assert_eq!(envelope.cipher().unwrap(), cipher, "{words}");
                let back = envelope.recipients()[0].key_transport().unwrap();
                assert_eq!(back, transport, "{words}");
            }
        }
    }
    let (cipher, transport) = (ContentCipher::DesEde3Cbc, KeyTransport::Pkcs1v15);
    let (request, reply) = with_algorithms(&old, cipher, Digest::Sha1, transport).await;
    issued(request.open_reply(&reply, &old.ca.reply_signers()).unwrap());
    for (cipher, digest) in [
        (cipher, Digest::Sha256),
        (ContentCipher::Aes128Cbc, Digest::Sha1),
    ] {
        let (request, reply) = with_algorithms(&modern, cipher, digest, transport).await;
        let reply = request.open_reply(&reply, &modern.ca.reply_signers());
        let (fail_info, _) = refused(reply.unwrap());
        assert_eq!(fail_info, FailInfo::BadAlg, "{cipher:?} {digest:?}");
    }
}

/// The octets that real clients sent, to a server with the keys they were sent to.
#[tokio::test(flavor = "multi_thread")]
async fn captured_messages() {
    let vectors: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors");
    let read = |name: &str| std::fs::read(vectors.join(name)).unwrap();
    let env = TestEnv::new();
    let certificate = env.file("vectors.pem", &read("keys/ca.pem"));
    let key = env.file("vectors.key", &read("keys/ca.key"));
    let chain = env.file("vectors-root.pem", &read("keys/root.pem"));
    let issuer = format!(
        "[[issuer]]\nid = 'local'\nca_cert_path = '{}'\nca_key_path = '{}'\nchain_path = '{}'\n\
         [[certificate_profile]]\nid = 'device'\nekus_allowed = ['client_auth', 'server_auth']",
        certificate.display(),
        key.display(),
        chain.display()
    );
    let challenge = "ra = 'ca'\nchallenge_password = 's3cret'";
    let server = env
        .with(&issuer)
        .profile("modern", challenge)
        .profile("old", &format!("{challenge}\ncrypto = 'compatible'"))
        .start()
        .await;
    let http = server.client();
    let ask = async |path_id: &str, name: &str| {
        let sent = http
            .post(server.http(path_id))
            .body(read(&format!("{name}.p7")));
        let reply = sent.send().await.unwrap();
        assert_eq!(reply.status(), 200, "{name}");
        let reply = reply.bytes().await.unwrap();
        (peek_status(&reply).unwrap(), peek_fail_info(&reply))
    };
    let bad_alg = (PkiStatus::Failure, Some(FailInfo::BadAlg));
    for path_id in ["modern", "old"] {
        for good in [
            "certmonger-pkcsreq-get",
            "strongswan-pkcsreq-post",
            "strongswan-pkcsreq-post-san",
            "jscep-pkcsreq-post",
            "pyscep-pkcsreq-post",
        ] {
            let answer = ask(path_id, good).await;
            assert_eq!(answer, (PkiStatus::Success, None), "{path_id} {good}");
        }
        for des in [
            "scepclient-pkcsreq-post",
            "scepclient-renewalreq-post",
            "scepclient-renewalreq-get",
            "scepclient-renewalreq-post-4-recipients",
        ] {
            assert_eq!(ask(path_id, des).await, bad_alg, "{path_id} {des}");
        }
    }
    for triple in [
        "certmonger-pkcsreq-get-3des",
        "strongswan-pkcsreq-post-3des",
    ] {
        assert_eq!(ask("modern", triple).await, bad_alg, "{triple}");
        let answer = ask("old", triple).await;
        assert_eq!(answer, (PkiStatus::Success, None), "{triple}");
    }
}
