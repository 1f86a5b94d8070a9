//! What is sent to Intune's services, and how answers are read.

use crate::server::{
    Answer, DOWNLOAD, ENDPOINTS, FAILURE, SUCCESS, Server, Still, TOKEN, UPLOAD, VALIDATE, secret,
    tenant,
};
use crate::validating::certificate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intune_cloud::{CODES, Failure, Issued, Outcome, Step};
use pki::{KeyKind, Name, PrivateKey};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_validation_has_all_that_the_interface_asks_for() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let verdict = tenant.validate("abc\"/+=", b"\x30\x82csr").await.unwrap();
    assert!(verdict.is_success());
    let asked = &server.asked(VALIDATE)[0];
    assert_eq!(asked.path, "/scep/ScepActions/validateRequest");
    assert_eq!(asked.headers["authorization"], "Bearer t1");
    assert_eq!(asked.headers["api-version"], "2018-02-20");
    assert!(asked.headers["content-type"].starts_with("application/json"));
    assert_eq!(asked.headers["client-request-id"], verdict.request_id);
    let request = &asked.json()["request"];
    assert_eq!(request["transactionId"], "abc\"/+=");
    assert_eq!(
        request["certificateRequest"],
        STANDARD.encode(b"\x30\x82csr")
    );
    assert!(
        request["callerInfo"]
            .as_str()
            .unwrap()
            .starts_with("scepd/")
    );
}

#[tokio::test]
async fn one_code_alone_lets_in() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let names = CODES.iter().map(|code| code.name);
    for name in names.chain(["success", "SUCCESS", " Success ", "Brand-New", ""]) {
        let body = json!({"code": name, "errorDescription": "words"});
        server.always(VALIDATE, Answer::json(200, &body));
        let verdict = tenant.validate("T1", b"csr").await.unwrap();
        assert_eq!(verdict.is_success(), name == "Success", "{name}");
    }
    server.always(
        VALIDATE,
        Answer::json(200, &json!({"errorDescription": ""})),
    );
    let verdict = tenant.validate("T1", b"csr").await.unwrap();
    assert_eq!((verdict.is_success(), verdict.code), (false, None));
    let codes = tenant.report().codes;
    assert_eq!(codes.last().unwrap().codes["none"], 1);
    assert_eq!(codes.last().unwrap().codes["ChallengeExpired"], 1);
    assert_eq!(codes.last().unwrap().codes["other"], 5);
}

#[tokio::test]
async fn what_is_no_answer_is_nobodys_refusal() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let nested = json!({"error": {"code": "InternalError",
        "message": "{\r\n  \"_version\": 3,\r\n  \"Message\": \"try later\", \"RetryAfter\": 42}"}});
    for (answer, words, after) in [
        (
            Answer::text(200, "<html>canary</html>"),
            "cannot be read",
            None,
        ),
        (Answer::text(200, ""), "cannot be read", None),
        (
            Answer::json(200, &json!(["Success"])),
            "cannot be read",
            None,
        ),
        (Answer::json(500, &nested), "try later", Some(42)),
        (
            Answer::text(503, "").with("retry-after", "17"),
            "503",
            Some(17),
        ),
        (
            Answer::text(302, "").with("location", "/login"),
            "302",
            None,
        ),
        (Answer::text(429, ""), "429", None),
    ] {
        server.always(VALIDATE, answer);
        let error = tenant.validate("T1", b"csr").await.unwrap_err();
        assert_eq!(error.step, Step::Validate);
        let shown = error.to_string();
        assert!(
            shown.contains(words) && !shown.contains("canary"),
            "{shown}"
        );
        assert!(shown.contains("client-request-id"), "{shown}");
        assert_eq!(error.after, after.map(Duration::from_secs), "{shown}");
    }
}

#[tokio::test]
async fn services_are_looked_up_again_after_a_failure_and_only_then() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    for _ in 0..3 {
        tenant.validate("T1", b"csr").await.unwrap();
    }
    assert_eq!(server.asked(ENDPOINTS).len(), 1);
    server.once(VALIDATE, Answer::text(500, ""));
    assert!(tenant.validate("T1", b"csr").await.is_err());
    tenant.validate("T1", b"csr").await.unwrap();
    assert_eq!(server.asked(ENDPOINTS).len(), 2);
    assert_eq!(server.asked(TOKEN).len(), 2, "tokens are kept");
}

#[tokio::test]
async fn discovery_may_be_denied_paged_or_lack_a_service() {
    let server = Server::new().await;
    let fresh = || tenant(&server, "contoso", secret(), Still::new());
    let denied = json!({"error": {"code": "Authorization_RequestDenied", "message": "no"}});
    server.always(ENDPOINTS, Answer::json(403, &denied));
    let error = fresh().validate("T1", b"csr").await.unwrap_err();
    assert_eq!(error.step, Step::Discovery);
    assert!(error.is_lasting && error.to_string().contains("Application.Read.All"));
    server.always(ENDPOINTS, Answer::text(404, ""));
    assert!(fresh().validate("T1", b"csr").await.unwrap_err().is_lasting);
    // Revocation is missing: that must not stop enrollment.
    let validation = json!({"providerName": "ScepRequestValidationFEService",
        "uri": format!("{}/scep", server.url)});
    server.always(
        ENDPOINTS,
        Answer::json(200, &json!({"value": [validation]})),
    );
    let tenant = fresh();
    assert!(tenant.validate("T1", b"csr").await.unwrap().is_success());
    assert!(tenant.download_revocations().await.unwrap_err().is_lasting);
    server.always(ENDPOINTS, Answer::json(200, &json!({"value": []})));
    let error = fresh().validate("T1", b"csr").await.unwrap_err();
    assert!(error.to_string().contains("licensed"), "{error}");
    // A page more, on the same server alone.
    let next = format!("{}/page2", server.url);
    server.always(
        ENDPOINTS,
        Answer::json(200, &json!({"value": [], "@odata.nextLink": next})),
    );
    server.always("/page2", Answer::json(200, &json!({"value": [validation]})));
    assert!(fresh().validate("T1", b"csr").await.unwrap().is_success());
    server.always(
        ENDPOINTS,
        Answer::json(
            200,
            &json!({"value": [], "@odata.nextLink": "http://127.0.0.2:9/x"}),
        ),
    );
    assert!(fresh().validate("T1", b"csr").await.is_err());
    // On a host that is not Intune's.
    let elsewhere = json!({"providerName": "ScepRequestValidationFEService",
        "uri": "https://collector.example.org/scep"});
    server.always(ENDPOINTS, Answer::json(200, &json!({"value": [elsewhere]})));
    let error = fresh().validate("T1", b"csr").await.unwrap_err();
    assert!(error.to_string().contains("allowed_hosts"), "{error}");
}

#[tokio::test]
async fn notifications_carry_the_certificates_data_always_the_same() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let (device, ca) = (
        Name::parse("CN=laptop").unwrap(),
        Name::parse("O=Contoso, CN=Contoso Issuing CA").unwrap(),
    );
    let certificate = certificate(&device, &ca, &key);
    let issued = Issued::of(&certificate, "corp");
    for _ in 0..2 {
        tenant.notify_success("T1", b"csr", &issued).await.unwrap();
    }
    let asked = server.asked(SUCCESS);
    let sent = asked[0].json()["notification"].clone();
    assert_eq!(asked[1].json()["notification"], sent);
    let sha1 = pki::Digest::Sha1.hash(certificate.der());
    assert_eq!(sent["certificateThumbprint"], hex::encode_upper(sha1));
    assert_eq!(sent["certificateSerialNumber"], "0A1B2C");
    assert_eq!(
        sent["certificateExpirationDateUtc"],
        "2027-01-31T12:00:00.000Z"
    );
    assert_eq!(sent["issuingCertificateAuthority"], "Contoso Issuing CA");
    assert_eq!(sent["caConfiguration"], "corp");
    assert_eq!(sent["transactionId"], "T1");
    assert_eq!(sent["certificateRequest"], STANDARD.encode(b"csr"));

    let long = "ü".repeat(400);
    tenant
        .notify_failure("T1", b"csr", "policy_key", &long)
        .await
        .unwrap();
    tenant
        .notify_failure("T1", b"csr", "issuer_refused", "")
        .await
        .unwrap();
    let asked = server.asked(FAILURE);
    let sent = &asked[0].json()["notification"];
    assert_eq!(sent["hResult"], -2_146_875_375);
    assert_eq!(
        sent["errorDescription"].as_str().unwrap().chars().count(),
        255
    );
    assert_eq!(
        asked[1].json()["notification"]["errorDescription"],
        "issuer_refused"
    );
}

#[tokio::test]
async fn a_notification_that_is_not_taken_has_failed() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let key = PrivateKey::generate(KeyKind::Ec(pki::Curve::P256)).unwrap();
    let name = Name::parse("CN=x").unwrap();
    let issued = Issued::of(&certificate(&name, &name, &key), "corp");
    for body in [
        json!({"code": "Unknown", "errorDescription": "no"}),
        json!({}),
    ] {
        server.always(SUCCESS, Answer::json(200, &body));
        let error = tenant.notify_success("T1", b"csr", &issued).await;
        assert_eq!(error.unwrap_err().step, Step::NotifySuccess);
    }
}

#[tokio::test]
async fn revocations_are_read_and_reported() {
    let server = Server::new().await;
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let items = json!({"value": [
        {"requestContext": "c1", "serialNumber": "0A", "issuerName": null, "caConfiguration": null},
        {"RequestContext": "c2", "SerialNumber": "12", "issuerName": "CA", "caConfiguration": "corp"},
        {"requestContext": "c3"},
    ]});
    server.always(DOWNLOAD, Answer::json(200, &items));
    let wanted = tenant.download_revocations().await.unwrap();
    let read: Vec<(&str, &str)> = wanted
        .iter()
        .map(|one| (one.context.as_str(), one.serial.as_str()))
        .collect();
    assert_eq!(read, [("c1", "0A"), ("c2", "12")]);
    assert_eq!(wanted[1].ca_configuration.as_deref(), Some("corp"));
    let asked = &server.asked(DOWNLOAD)[0];
    assert_eq!(asked.headers["api-version"], "5019-05-05");
    assert!(asked.path.starts_with("/pki/CertificateAuthorityRequests/"));
    assert_eq!(
        asked.json(),
        json!({"downloadParameters": {"maxRequests": 100, "issuerName": null}})
    );
    let outcome = |context: &str, result| Outcome {
        context: context.to_owned(),
        result,
    };
    let outcomes = [outcome("c1", Ok(())), outcome("c2", Err(Failure::NotFound))];
    for (value, is_taken) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("True"), true),
        (json!(false), false),
        (json!("no"), false),
        (json!(null), false),
    ] {
        server.always(UPLOAD, Answer::json(200, &json!({"Value": value})));
        assert_eq!(tenant.upload_results(&outcomes).await.is_ok(), is_taken);
    }
    let results = server.asked(UPLOAD)[0].json()["results"].clone();
    assert_eq!(
        results[0],
        json!({"requestContext": "c1", "succeeded": true, "errorCode": "None", "errorMessage": ""})
    );
    assert_eq!(results[1]["errorCode"], "CertificateNotFoundError");
    assert_eq!(results[1]["succeeded"], false);
}
