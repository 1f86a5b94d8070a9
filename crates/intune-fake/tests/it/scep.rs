//! Intune's three actions, and what each is strict about.

use intune_fake::{CODES, ChallengeUse, Device, Fault, Mint, Operation, Tenant, User};
use serde_json::{Value, json};

use crate::client::{Call, GRAPH, NOW, csr, failure, fake, key, read, success, token};

const DEVICE: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn validated_issued_and_told() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let key = key();
    let challenge = fake.mint(Mint {
        device: Some(DEVICE.to_owned()),
        subject: Some("CN=laptop-1".to_owned()),
        alternative_names: Some(vec!["dns:laptop-1.example".to_owned()]),
        key_bits: Some(2048),
        ..Mint::default()
    });
    let challenge = challenge.unwrap();
    assert!(challenge.len().abs_diff(6000) < 200);
    let request = csr(&key, "laptop-1", &["laptop-1.example"], Some(&challenge));
    assert_eq!(intune.validate("tx-1", &request).await, "Success");
    for _ in 0..2 {
        let (status, body) = intune
            .post("successNotification", &success("tx-1", &request))
            .await;
        assert_eq!((status, &body["code"]), (200, &json!("Success")));
    }
    let tenant = fake.tenants()[0].id.clone();
    let transaction = fake.transactions(&tenant).remove("tx-1").unwrap();
    assert_eq!((transaction.validated, transaction.successes), (1, 2));
    assert_eq!(
        transaction.success.unwrap()["certificateSerialNumber"],
        "0A1B2C"
    );

    let call = fake.calls_of(Operation::ValidateRequest).remove(0);
    assert_eq!(call.header("api-version"), Some("2018-02-20"));
    assert_eq!(call.body["request"]["transactionId"], "tx-1");
    assert_eq!(
        (call.status, call.tenant.as_ref()),
        (Some(200), Some(&tenant))
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test]
async fn what_stands_in_the_csr_decides() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let key = key();
    let mint = |change: fn(&mut Mint)| {
        let mut wanted = Mint {
            device: Some(DEVICE.to_owned()),
            ..Mint::default()
        };
        change(&mut wanted);
        fake.mint(wanted).unwrap()
    };
    let plain = |challenge: &str| csr(&key, "laptop-1", &[], Some(challenge));
    let other = mint(|wanted| wanted.subject = Some("CN=laptop-2".to_owned()));
    let names = mint(|wanted| wanted.alternative_names = Some(vec!["dns:a.example".to_owned()]));
    let long = mint(|wanted| wanted.key_bits = Some(4096));
    let usage =
        mint(|wanted| wanted.extended_key_usages = Some(vec!["1.3.6.1.5.5.7.3.2".to_owned()]));
    let old = mint(|wanted| wanted.valid_seconds = Some(0));
    let good = mint(|_| {});
    let cases = [
        (csr(&key, "laptop-1", &[], None), "ChallengePasswordMissing"),
        (plain("not base64!"), "ChallengeDecodingError"),
        (plain("AAAA"), "ChallengeDeserializationError"),
        (plain("MIAGCSqGSIb3DQEHAqCA"), "SignatureValidationFailed"),
        (plain(&other), "SubjectNameMismatch"),
        (plain(&names), "SubjectAltNameMissing"),
        (
            csr(&key, "laptop-1", &["b.example"], Some(&names)),
            "SubjectAltNameMismatch",
        ),
        (plain(&long), "KeyLengthMismatch"),
        (plain(&usage), "EnhancedKeyUsageMissing"),
        (plain(&old), "ChallengeExpired"),
        ("MAA=".to_owned(), "CertificateRequestDecodingFailed"),
        (broken(&plain(&good)), "CertificateRequestDecodingFailed"),
        (plain(&good), "Success"),
    ];
    for (request, code) in cases {
        assert!(CODES.contains(&code));
        assert_eq!(intune.validate("tx", &request).await, code);
    }
    fake.settings(|settings| settings.any_challenge = true);
    assert_eq!(intune.validate("tx", &plain("s3cret")).await, "Success");
}

/// The same CSR with a bit of its signature turned.
fn broken(csr: &str) -> String {
    use base64::Engine as _;
    let engine = &base64::engine::general_purpose::STANDARD;
    let mut octets = engine.decode(csr).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    engine.encode(octets)
}

#[tokio::test]
async fn the_device_and_its_user_decide() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let tenant = fake.tenants()[0].id.clone();
    let key = key();
    let wanted = Mint {
        device: Some(DEVICE.to_owned()),
        user: Some("jo@contoso.example".to_owned()),
        ..Mint::default()
    };
    let request = csr(&key, "laptop-1", &[], Some(&fake.mint(wanted).unwrap()));
    assert_eq!(intune.validate("tx", &request).await, "Success");
    let device = Device::with_intune_id(DEVICE, NOW);
    fake.put_device(
        &tenant,
        Device {
            targeted: false,
            ..device.clone()
        },
    )
    .unwrap();
    assert_eq!(
        intune.validate("tx", &request).await,
        "ScepProfileNoLongerTargetedToTheClient"
    );
    fake.put_device(
        &tenant,
        Device {
            in_intune: false,
            ..device.clone()
        },
    )
    .unwrap();
    assert_eq!(
        intune.validate("tx", &request).await,
        "BadDeviceIdInChallenge"
    );
    fake.put_device(&tenant, device).unwrap();
    let user = User {
        name: "jo@contoso.example".to_owned(),
        exists: false,
        ..User::default()
    };
    fake.put_user(&tenant, user).unwrap();
    assert_eq!(
        intune.validate("tx", &request).await,
        "BadUserIdInChallenge"
    );
}

#[tokio::test]
async fn another_tenants_challenge_is_refused() {
    let mut options = intune_fake::Options::new(intune_fake::Clock::standing(NOW));
    options.tenants.push(Tenant::named("fabrikam"));
    let fake = intune_fake::Fake::start(options).await.unwrap();
    let intune = Call::scep(&fake).await;
    let wanted = Mint {
        tenant: Some("fabrikam.onmicrosoft.com".to_owned()),
        ..Mint::default()
    };
    let request = csr(&key(), "a", &[], Some(&fake.mint(wanted).unwrap()));
    assert_eq!(
        intune.validate("tx", &request).await,
        "BadTenantIdInChallenge"
    );
}

#[tokio::test]
async fn a_challenge_is_good_as_often_as_the_settings_say() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let challenge = fake.mint(Mint::default()).unwrap();
    let (one, two) = (
        csr(&key(), "a", &[], Some(&challenge)),
        csr(&key(), "b", &[], Some(&challenge)),
    );
    assert_eq!(intune.validate("1", &one).await, "Success");
    assert_eq!(intune.validate("2", &two).await, "Success");
    let fresh = fake.mint(Mint::default()).unwrap();
    let (one, two) = (
        csr(&key(), "a", &[], Some(&fresh)),
        csr(&key(), "b", &[], Some(&fresh)),
    );
    fake.settings(|settings| settings.challenge_use = ChallengeUse::OneRequest);
    assert_eq!(intune.validate("1", &one).await, "Success");
    assert_eq!(intune.validate("1", &one).await, "Success");
    assert_eq!(intune.validate("2", &two).await, "ChallengeExpired");
    fake.settings(|settings| settings.challenge_use = ChallengeUse::Once);
    assert_eq!(intune.validate("1", &one).await, "ChallengeExpired");
}

/// Headers and members, each left out or spoiled once.
#[tokio::test]
async fn what_no_program_sends_is_refused_and_noted() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let challenge = fake.mint(Mint::default()).unwrap();
    let request = csr(&key(), "a", &[], Some(&challenge));
    assert_eq!(intune.validate("tx", &request).await, "Success");
    let body = |change: fn(&mut Value)| {
        let mut body = json!({"request": {"transactionId": "tx", "certificateRequest": request,
            "callerInfo": "test/1"}});
        change(&mut body);
        body
    };
    let told = |change: fn(&mut Value)| {
        let mut body = success("tx", &request);
        change(&mut body["notification"]);
        body
    };
    let failed = |change: fn(&mut Value)| {
        let mut body = failure("tx", &request);
        change(&mut body["notification"]);
        body
    };
    let cases = [
        (
            "validateRequest",
            body(|body| body["request"]["transactionId"] = json!("")),
        ),
        (
            "validateRequest",
            body(|body| body["request"]["callerInfo"] = Value::Null),
        ),
        (
            "validateRequest",
            body(|body| body["request"]["extra"] = json!("x")),
        ),
        (
            "validateRequest",
            body(|body| body["notification"] = json!({})),
        ),
        (
            "validateRequest",
            body(|body| body["request"]["certificateRequest"] = json!("-----BEGIN")),
        ),
        ("validateRequest", json!([])),
        (
            "successNotification",
            told(|it| it["certificateThumbprint"] = json!("0123")),
        ),
        (
            "successNotification",
            told(|it| {
                it["certificateThumbprint"] = json!("0123456789abcdef0123456789abcdef01234567")
            }),
        ),
        (
            "successNotification",
            told(|it| it["certificateSerialNumber"] = json!("0x0A")),
        ),
        (
            "successNotification",
            told(|it| it["certificateSerialNumber"] = json!("ABC")),
        ),
        (
            "successNotification",
            told(|it| it["certificateExpirationDateUtc"] = json!("2027-01-31")),
        ),
        (
            "successNotification",
            told(|it| it["issuingCertificateAuthority"] = json!("x".repeat(257))),
        ),
        (
            "successNotification",
            told(|it| it["certificateRequest"] = json!("MAA=")),
        ),
        (
            "successNotification",
            told(|it| it["transactionId"] = json!("never")),
        ),
        (
            "failureNotification",
            failed(|it| it["hResult"] = json!(2_147_942_405_i64)),
        ),
        (
            "failureNotification",
            failed(|it| it["hResult"] = json!("-2147467259")),
        ),
        (
            "failureNotification",
            failed(|it| it["errorDescription"] = json!("x".repeat(256))),
        ),
        (
            "failureNotification",
            failed(|it| it["errorDescription"] = json!("")),
        ),
        (
            "failureNotification",
            failed(|it| it["transactionId"] = json!("never")),
        ),
    ];
    let count = cases.len();
    for (action, body) in cases {
        assert_eq!(intune.post(action, &body).await.0, 400, "{action} {body}");
    }
    assert_eq!(fake.problems().len(), count);
    for (name, value) in [
        ("content-type", "text/plain"),
        ("api-version", "1.0"),
        ("client-request-id", "42"),
    ] {
        let request = intune.request("validateRequest", &body(|_| {}));
        let mut request = request.build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let response = crate::client::http().execute(request).await.unwrap();
        assert_eq!(response.status(), 400, "{name}");
    }
    assert_eq!(fake.problems().len(), count + 3);
}

#[tokio::test]
async fn success_and_failure_exclude_each_other() {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let challenge = fake.mint(Mint::default()).unwrap();
    let request = csr(&key(), "a", &[], Some(&challenge));
    intune.validate("one", &request).await;
    assert_eq!(
        intune
            .post("successNotification", &success("one", &request))
            .await
            .0,
        200
    );
    assert_eq!(
        intune
            .post("failureNotification", &failure("one", &request))
            .await
            .0,
        400
    );
    let mut another = success("one", &request);
    another["notification"]["certificateSerialNumber"] = json!("FF");
    assert_eq!(
        intune.post("successNotification", &another).await.0,
        400,
        "signed twice"
    );

    intune.validate("two", &request).await;
    assert_eq!(
        intune
            .post("failureNotification", &failure("two", &request))
            .await
            .0,
        200
    );
    assert_eq!(
        intune
            .post("successNotification", &success("two", &request))
            .await
            .0,
        400
    );
    // The device tries again, and its second try is a new one.
    intune.validate("two", &request).await;
    assert_eq!(
        intune
            .post("successNotification", &success("two", &request))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn tokens_are_looked_at() {
    let fake = fake().await;
    let mut intune = Call::scep(&fake).await;
    let body =
        json!({"request": {"transactionId": "t", "certificateRequest": "MAA=", "callerInfo": "c"}});
    intune.token = token(&fake, GRAPH).await;
    assert_eq!(
        intune.post("validateRequest", &body).await.0,
        401,
        "for another resource"
    );
    intune.token = "guess".to_owned();
    assert_eq!(intune.post("validateRequest", &body).await.0, 401);
    fake.fail(Operation::Token, Some(1), Fault::RolelessToken);
    intune.token = token(&fake, crate::client::INTUNE).await;
    assert_eq!(intune.post("validateRequest", &body).await.0, 403);
    fake.fail(Operation::Token, Some(1), Fault::DeadToken);
    intune.token = token(&fake, crate::client::INTUNE).await;
    assert_eq!(intune.post("validateRequest", &body).await.0, 401);
    intune.token = token(&fake, crate::client::INTUNE).await;
    let response = intune
        .request("validateRequest", &body)
        .send()
        .await
        .unwrap();
    assert_eq!(read(response).await.0, 200);
}

#[tokio::test]
async fn services_move() {
    let fake = fake().await;
    let old = Call::scep(&fake).await;
    fake.settings(|settings| settings.moves = 1);
    let body =
        json!({"request": {"transactionId": "t", "certificateRequest": "MAA=", "callerInfo": "c"}});
    assert_eq!(old.post("validateRequest", &body).await.0, 404);
    let new = Call::scep(&fake).await;
    assert_ne!(old.url, new.url);
    assert_eq!(new.post("validateRequest", &body).await.0, 200);
}
