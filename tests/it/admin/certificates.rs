//! Issued certificates: found, shown, downloaded, revoked; and the story of a device.

use actors::Clock;
use pki::Certificate;
use scep::client::Content;
use serde_json::json;

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

async fn server() -> Running {
    TestEnv::new()
        .profile("corp", "")
        .profile("iot", "")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_found_by_every_name_it_has() {
    let server = server().await;
    let issued = Device::of(&server, "corp").await.enroll().await;
    let admin = server.admin().await;
    let serial = issued.serial().to_hex();
    for query in [
        "",
        "?q=box-4",
        "?q=BOX-4.EXAMPLE",
        "?profile=corp",
        "?issuer_id=local",
        "?status=valid",
        &format!("?serial={serial}"),
        &format!("?serial=00:00{}", serial.to_uppercase()),
        &format!("?q={}", &serial[4..12]),
        "?q=&profile=corp&page=1&per_page=1",
    ] {
        let list = admin
            .read(&format!("/api/v1/admin/certificates{query}"))
            .await;
        assert_eq!(list["total"], 1, "{query}: {list}");
        let found = &list["data"][0];
        assert_eq!(found["serial"], serial.as_str());
        assert_eq!(
            (&found["common_name"], &found["status"]),
            (&json!("box-4"), &json!("valid"))
        );
        assert!(found.get("revoked_at").is_none() && found.get("device").is_none());
    }
    for query in [
        "?q=box-5",
        "?profile=iot",
        "?profile=",
        "?status=revoked",
        "?serial=00",
        "?issuer_id=other",
        "?page=2",
    ] {
        let list = admin
            .read(&format!("/api/v1/admin/certificates{query}"))
            .await;
        assert_eq!(list["data"], json!([]), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn detail_and_downloads_are_the_certificate() {
    let server = server().await;
    let issued = Device::of(&server, "corp").await.enroll().await;
    let admin = server.admin().await;
    let path = format!(
        "/api/v1/admin/certificates/local/{}",
        issued.serial().to_hex()
    );
    let detail = admin.read(&path).await;
    assert_eq!(detail["subject"], "O=Example, CN=box-4");
    assert_eq!(detail["issuer"], "O=Example, CN=Test CA");
    assert_eq!(detail["public_key"], "RSA 2048");
    assert_eq!(
        detail["key_usage"],
        json!(["digitalSignature", "keyEncipherment"])
    );
    assert_eq!(detail["ext_key_usage"], json!(["clientAuth"]));
    assert_eq!(
        detail["sha256_fingerprint"],
        hex::encode(issued.fingerprint())
    );
    assert_eq!(
        Certificate::from_pem(detail["pem"].as_str().unwrap().as_bytes())
            .unwrap()
            .der(),
        issued.der()
    );
    assert!(
        detail["extensions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|extension| extension["name"].is_string()),
        "{detail}"
    );

    let pem = admin.get(&format!("{path}/download")).await;
    assert_eq!(pem.header("content-type"), "application/x-pem-file");
    assert!(
        pem.header("content-disposition")
            .starts_with("attachment; filename=")
    );
    assert_eq!(
        Certificate::from_pem(pem.text.as_bytes()).unwrap().der(),
        issued.der()
    );
    let chain = admin.get(&format!("{path}/download?format=chain")).await;
    let chain = Certificate::bundle_from_pem(chain.text.as_bytes()).unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1].der(), server.env.ca.der());
    let der = admin.get(&format!("{path}/download?format=der")).await;
    assert_eq!(
        (der.status, der.header("content-type")),
        (200, "application/pkix-cert")
    );
    assert_eq!(
        admin
            .get(&format!("{path}/download?format=jks"))
            .await
            .status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_works_once_and_is_on_record() {
    let server = server().await;
    let mut device = Device::of(&server, "corp").await;
    let issued = device.enroll().await;
    let admin = server.admin().await;
    let path = format!(
        "/api/v1/admin/certificates/local/{}",
        issued.serial().to_hex()
    );
    let revoke = format!("{path}/revoke");
    let long = json!({"note": "x".repeat(1001)}).to_string();
    for wrong in [r#"{"reason":"bored"}"#, r#"{"because":"x"}"#, &long] {
        assert_eq!(admin.post(&revoke, wrong).await.status, 400, "{wrong}");
    }
    let answer = admin
        .post(
            &revoke,
            r#"{"reason":"key_compromise","note":"Laptop stolen"}"#,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["reason"], "key_compromise");
    assert_eq!(admin.post(&revoke, "").await.status, 409);
    let shown = admin.read(&path).await;
    assert_eq!(shown["certificate"]["status"], "revoked");
    assert_eq!(
        shown["certificate"]["revoked_at"],
        answer.json()["revoked_at"]
    );
    assert_eq!(shown["certificate"]["revocation_reason"], "key_compromise");
    let event = &admin.read("/api/v1/audit?action=cert_revoke").await["data"][0];
    assert_eq!(
        (&event["actor"], &event["details"]["note"]),
        (&json!("ops"), &json!("Laptop stolen"))
    );

    // It cannot be renewed any more.
    device.signer = issued;
    let csr = device.csr(None);
    refused(
        device
            .post(&device.request(Content::RenewalReq(&csr)))
            .await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404() {
    let server = server().await;
    let admin = server.admin().await;
    for path in ["local/00", "other/00", "local/xyz", "local/0", "%2e%2e/00"] {
        let path = format!("/api/v1/admin/certificates/{path}");
        for answer in [
            admin.get(&path).await,
            admin.get(&format!("{path}/download")).await,
            admin.post(&format!("{path}/revoke"), "{}").await,
        ] {
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
            answer.error();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_the_whole_story() {
    let server = server().await;
    let device = Device::of(&server, "corp").await;
    let wrong = device.csr(Some("wrong"));
    refused(device.post(&device.request(Content::PkcsReq(&wrong))).await);
    let certificate = device.enroll().await;
    let admin = server.admin().await;
    let serial = certificate.serial().to_hex();
    let revoke = format!("/api/v1/admin/certificates/local/{serial}/revoke");
    assert_eq!(admin.post(&revoke, "").await.status, 200);
    let another = issued(
        device
            .post(&device.request(Content::PkcsReq(
                &device.csr(Some(crate::test_env::CHALLENGE)),
            )))
            .await,
    );

    let story = admin.read("/api/v1/admin/timeline?common_name=box-4").await;
    let stages: Vec<&str> = story["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        ["refused", "issued", "revoked", "issued", "expires"]
    );
    assert_eq!(story["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(story["truncated"], false);
    assert_eq!(story["entries"][4]["serial"], another.serial().to_hex());
    assert!(
        story["entries"][0]["message"]
            .as_str()
            .unwrap()
            .contains("challenge"),
        "{story}"
    );

    let one = admin
        .read(&format!("/api/v1/admin/timeline?serial={serial}"))
        .await;
    let stages: Vec<&str> = one["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["issued", "revoked"]);
    let transaction = one["entries"][0]["transaction_id"].as_str().unwrap();
    let by_transaction = admin
        .read(&format!(
            "/api/v1/admin/timeline?transaction_id={transaction}"
        ))
        .await;
    assert!(!by_transaction["entries"].as_array().unwrap().is_empty());
    assert_eq!(by_transaction["certificates"].as_array().unwrap().len(), 1);
    let nothing = admin.read("/api/v1/admin/timeline?common_name=box").await;
    assert_eq!(
        (&nothing["entries"], &nothing["certificates"]),
        (&json!([]), &json!([]))
    );
    for nobody in ["", "?device=&serial=", "?profile=corp"] {
        let nothing = admin.read(&format!("/api/v1/admin/timeline{nobody}")).await;
        assert_eq!(nothing["entries"], json!([]), "{nobody}");
    }
    let elsewhere = admin
        .read("/api/v1/admin/timeline?common_name=box-4&profile=iot")
        .await;
    assert_eq!(elsewhere["entries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_found_however_many_have_a_name_that_holds_its_own() {
    let server = server().await;
    Device::of(&server, "corp").await.enroll().await;
    let journal = &server.server.runtime().services.journal;
    for number in 0..600 {
        let mut change = store::Change::new();
        change.push(store::AuditEvent {
            timestamp: server.env.clock.now(),
            actor: "other".to_owned(),
            actor_type: "Device".to_owned(),
            action: "scep_pkcsreq".to_owned(),
            resource_type: "certificate".to_owned(),
            resource_id: String::new(),
            details: store::AuditDetails {
                common_name: Some(format!("box-4{number}")),
                ..store::AuditDetails::default()
            },
        });
        journal.commit(change, None).await.unwrap();
    }
    let admin = server.admin().await;
    let story = admin.read("/api/v1/admin/timeline?common_name=BOX-4").await;
    let stages: Vec<&str> = story["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["issued", "expires"]);
    assert_eq!(story["truncated"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_found_by_its_number_however_it_was_printed() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::of(&server, "corp").await;
    let (certificate, other) = (device.enroll().await, device.enroll().await);
    let admin = server.admin().await;
    let serial = certificate.serial().to_hex();
    let upper = serial.to_uppercase();
    let pairs = |with: &str| {
        let pairs: Vec<String> = upper
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8(pair.to_vec()).unwrap())
            .collect();
        pairs.join(with)
    };
    let decimal = openssl::bn::BigNum::from_hex_str(&serial).unwrap();
    let decimal = decimal.to_dec_str().unwrap().to_string();
    let hashed = |digest: pki::Digest| hex::encode(digest.hash(certificate.der()));
    let (sha1, sha256) = (hashed(pki::Digest::Sha1), hashed(pki::Digest::Sha256));
    let openssl = format!("sha1 Fingerprint={}", sha1.to_uppercase());
    let numbers = [
        serial.clone(),
        upper.clone(),
        pairs(":"),
        pairs(" "),
        format!("0x{upper}"),
        format!("serial={upper}"),
        decimal,
        sha1,
        sha256,
        openssl,
    ];
    for number in &numbers {
        let query = serde_urlencoded::to_string([("q", number)]).unwrap();
        let list = admin
            .read(&format!("/api/v1/admin/certificates?{query}"))
            .await;
        assert_eq!(list["total"], 1, "{number}: {list}");
        assert_eq!(list["data"][0]["serial"], serial.as_str(), "{number}");
    }
    for number in &numbers[..7] {
        let query = serde_urlencoded::to_string([("serial", number)]).unwrap();
        for path in ["certificates", "timeline"] {
            let found = admin.read(&format!("/api/v1/admin/{path}?{query}")).await;
            let text = found.to_string();
            assert!(text.contains(&serial), "{path} {number}: {text}");
            assert!(!text.contains(&other.serial().to_hex()), "{path} {number}");
        }
    }
    for number in &numbers[..9] {
        let segment = number.replace(' ', "%20");
        let path = format!("/api/v1/admin/certificates/local/{segment}");
        let shown = admin.read(&path).await;
        assert_eq!(shown["certificate"]["serial"], serial.as_str(), "{number}");
    }
    for nothing in [
        "00ff00ff00ff",
        "1234567890123",
        &"ab".repeat(20),
        &"ab".repeat(32),
    ] {
        let list = admin
            .read(&format!("/api/v1/admin/certificates?q={nothing}"))
            .await;
        assert_eq!(list["total"], 0, "{nothing}");
    }
}
