//! What Intune, Entra and Graph may answer, and what becomes of the request.

use futures_util::future::join;
use intune_fake::{CODES, Fault, Mint, Operation, Rule};
use scep::FailInfo;
use scep::client::{Content, Reply, Request};
use scep::get;

use super::{Cloud, after, csr, fake_of, request, tenant};
use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::TestEnv;

fn code(code: &str) -> Fault {
    Fault::Code {
        code: code.to_owned(),
        description: "said by Intune".to_owned(),
    }
}

fn status(status: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_of_6_kilobytes_passes_by_post_and_by_get() {
    let cloud = Cloud::open().await;
    let posted = cloud.request();
    let certificate = issued(cloud.device.post(&posted).await);
    cloud.told_of(&posted, &certificate);

    let asked = cloud.request_for(Mint {
        octets: Some(9000),
        ..Mint::default()
    });
    let message = get::encode_message(asked.message());
    assert!(message.len() > 16_000, "{}", message.len());
    let certificate = issued(cloud.device.get(&asked).await);
    cloud.told_of(&asked, &certificate);

    let validations = cloud.fake.calls_of(Operation::ValidateRequest);
    let sent = validations[0].body["request"]["transactionId"].as_str();
    assert_eq!(sent, Some(posted.transaction_id()));
    // The same message again gets its stored answer; Intune is not asked.
    issued(cloud.device.post(&posted).await);
    assert_eq!(cloud.fake.count(Operation::ValidateRequest), 2);
    assert_eq!(cloud.fake.count(Operation::Token), 2, "tokens are kept");
    assert_eq!(cloud.fake.count(Operation::Discovery), 1);
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_challenges_of_a_profile_go_on() {
    let cloud = Cloud::open().await;
    cloud.device.enroll().await;
    assert!(cloud.fake.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_code_but_success_refuses() {
    let cloud = Cloud::open().await;
    let refusing = CODES.into_iter().filter(|name| *name != "Success");
    let mut refusals = 0;
    for name in refusing.chain(["SomethingNew", ""]) {
        cloud
            .fake
            .fail(Operation::ValidateRequest, Some(1), code(name));
        let request = cloud.request();
        let (fail_info, text) = refused(cloud.device.post(&request).await);
        let expected = match name {
            "KeyLengthMismatch" => FailInfo::BadAlg,
            _ => FailInfo::BadRequest,
        };
        assert_eq!(fail_info, expected, "{name}: {text}");
        let shown = if CODES.contains(&name) {
            name
        } else {
            "Unknown"
        };
        assert_eq!(text, format!("Intune: {shown}"), "{name}");
        refusals += 1;
        let events = cloud.server.events("scep_pkcsreq");
        assert_eq!(events.len(), refusals, "{name}");
        let event = serde_json::to_string(&events[0].event).unwrap();
        assert!(
            event.contains(name) && event.contains("said by Intune"),
            "{event}"
        );
        let call = cloud
            .fake
            .calls_of(Operation::ValidateRequest)
            .pop()
            .unwrap();
        let id = call.header("client-request-id").unwrap();
        assert!(event.contains(id), "support asks for {id}: {event}");
        assert!(event.contains(request.transaction_id()), "{event}");
        // The same message again is not asked about again.
        refused(cloud.device.post(&request).await);
        assert_eq!(cloud.fake.count(Operation::ValidateRequest), refusals);
    }
    cloud
        .fake
        .fail(Operation::ValidateRequest, Some(1), Fault::MissingCode);
    let (fail_info, _) = refused(cloud.device.post(&cloud.request()).await);
    assert_eq!(fail_info, FailInfo::BadRequest);
    assert_eq!(cloud.certificates(), 0);
    // Of its own refusals Intune is not told.
    assert_eq!(cloud.fake.count(Operation::FailureNotification), 0);
    let metrics = cloud.server.nobody().get("/metrics").await.text;
    for name in ["ChallengeExpired", "BadTenantIdInChallenge"] {
        let labels = format!("code=\"{name}\"");
        let counted = metrics.lines().any(|line| {
            line.starts_with("scepd_intune_codes_total")
                && line.contains(&labels)
                && line.ends_with(" 1")
        });
        assert!(counted, "{name}\n{metrics}");
    }
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_intune_itself_finds_wrong_is_said() {
    let cloud = Cloud::open().await;
    let cases = [
        (
            Mint {
                subject: Some("CN=other".to_owned()),
                ..Mint::default()
            },
            "SubjectNameMismatch",
        ),
        (
            Mint {
                key_bits: Some(4096),
                ..Mint::default()
            },
            "KeyLengthMismatch",
        ),
        (
            Mint {
                valid_seconds: Some(0),
                ..Mint::default()
            },
            "ChallengeExpired",
        ),
    ];
    for (wanted, code) in cases {
        let (_, text) = refused(cloud.device.post(&cloud.request_for(wanted)).await);
        assert!(text.contains(code), "{text}");
    }
    cloud.is_clean();
}

/// Faults that pass: what is asked again gets a good answer.
fn passing() -> Vec<Fault> {
    vec![
        status(500, None),
        status(503, Some("2")),
        status(429, None),
        status(429, Some("1")),
        Fault::InternalError {
            retry_after: Some("1".to_owned()),
        },
        Fault::Html,
        Fault::Empty,
        Fault::NotJson,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::CutHalfway,
        Fault::TooLong { octets: 20_000_000 },
        Fault::Redirect {
            location: "http://127.0.0.2:1/".to_owned(),
        },
    ]
}

/// One fault of one operation, then all is well: the device has its certificate in the end, one, and Intune knows of it.
async fn one_fault(operation: Operation, fault: Fault) {
    let cloud = Cloud::open().await;
    cloud.fake.fail(operation, Some(1), fault.clone());
    let request = cloud.request();
    let answered = cloud.device.post(&request);
    let moved = async {
        // A pause may have begun by then; if not, it passes by itself.
        after(&cloud.fake, operation, 1).await;
        cloud.pass(3);
    };
    let (reply, ()) = join(answered, moved).await;
    let reply = match reply {
        Reply::Pending => cloud.end(&request).await,
        reply => reply,
    };
    let words = match &reply {
        Reply::Failure { text, .. } => text.clone().unwrap_or_default(),
        _ => String::new(),
    };
    assert!(
        matches!(reply, Reply::Certificate { .. }),
        "{operation:?} {fault:?}: {words}"
    );
    cloud.told_of(&request, &issued(reply));
    assert_eq!(cloud.certificates(), 1, "{operation:?} {fault:?}");
    assert!(cloud.fake.count(operation) >= 2, "{operation:?} {fault:?}");
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_may_fail_for_a_while() {
    let of_entra = [90_006, 90_033, 90_090].map(|code| Fault::Entra {
        code,
        retry_after: None,
    });
    for fault in passing().into_iter().chain(of_entra) {
        one_fault(Operation::Token, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_no_good_is_dropped() {
    for fault in [
        Fault::DeadToken,
        Fault::RolelessToken,
        Fault::TokenLife { seconds: 0 },
    ] {
        one_fault(Operation::Token, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_may_fail_for_a_while() {
    let scep = Fault::MissingService {
        name: "ScepRequestValidationFEService".to_owned(),
    };
    let further = [
        status(401, None),
        status(403, None),
        Fault::NoServices,
        scep,
    ];
    for fault in passing().into_iter().chain(further) {
        one_fault(Operation::Discovery, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_may_fail_for_a_while() {
    let further = [status(401, None), status(403, None), status(404, None)];
    for fault in passing().into_iter().chain(further) {
        one_fault(Operation::ValidateRequest, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notification_may_fail_for_a_while() {
    let further = [
        status(401, None),
        status(403, None),
        code("Unknown"),
        Fault::MissingCode,
    ];
    for fault in passing().into_iter().chain(further) {
        one_fault(Operation::SuccessNotification, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_in_its_other_forms_is_read() {
    for fault in [Fault::OtherSpelling, Fault::ServiceName, Fault::Paged] {
        let cloud = Cloud::open().await;
        cloud.fake.fail(Operation::Discovery, None, fault);
        issued(cloud.device.post(&cloud.request()).await);
        cloud.is_clean();
    }
    // Without the service of revocation devices enroll all the same.
    let cloud = Cloud::open().await;
    let name = "PkiConnectorFEService".to_owned();
    cloud
        .fake
        .fail(Operation::Discovery, None, Fault::MissingService { name });
    issued(cloud.device.post(&cloud.request()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_move_are_found_again() {
    let cloud = Cloud::open().await;
    issued(cloud.device.post(&cloud.request()).await);
    cloud.fake.settings(|settings| settings.moves = 1);
    let request = cloud.request();
    let answered = cloud.device.post(&request);
    let moved = async {
        after(&cloud.fake, Operation::ValidateRequest, 2).await;
        cloud.pass(3);
    };
    let (reply, ()) = join(answered, moved).await;
    issued(reply);
    assert_eq!(cloud.fake.count(Operation::Discovery), 2);
    cloud.is_clean();
}

/// What no waiting mends is nobody's refusal: the device is told PENDING, and what an operator mends lets it in.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_not_the_devices_fault() {
    for code in [7_000_215, 7_000_222, 700_016, 500_011, 900_382] {
        let cloud = Cloud::with("answer_within = '1s'").await;
        cloud.fake.fail(
            Operation::Token,
            None,
            Fault::Entra {
                code,
                retry_after: None,
            },
        );
        let request = cloud.request();
        assert!(
            matches!(cloud.device.post(&request).await, Reply::Pending),
            "{code}"
        );
        assert_eq!(cloud.certificates(), 0);
        let shown = cloud.fake.calls_of(Operation::Token);
        assert!(
            shown
                .iter()
                .all(|call| call.answer["error_codes"][0] == code)
        );
        cloud.fake.heal();
        let certificate = issued(cloud.end(&request).await);
        cloud.told_of(&request, &certificate);
        cloud.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_services_make_it_pending_and_the_work_goes_on() {
    for operation in [
        Operation::Token,
        Operation::Discovery,
        Operation::ValidateRequest,
        Operation::SuccessNotification,
    ] {
        let cloud = Cloud::with("answer_within = '1s'").await;
        cloud.fake.fail(operation, Some(1), Fault::Held);
        let request = cloud.request();
        assert!(
            matches!(cloud.device.post(&request).await, Reply::Pending),
            "{operation:?}"
        );
        cloud.fake.release();
        let certificate = issued(cloud.end(&request).await);
        cloud.told_of(&request, &certificate);
        assert_eq!(cloud.certificates(), 1);
        cloud.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_is_given_up_on_and_asked_again() {
    for operation in [
        Operation::Token,
        Operation::Discovery,
        Operation::ValidateRequest,
        Operation::SuccessNotification,
    ] {
        let cloud = Cloud::open().await;
        cloud.fake.fail(operation, Some(1), Fault::Silent);
        let request = cloud.request();
        let answered = cloud.device.post(&request);
        let moved = async {
            cloud.fake.came(operation, 1).await;
            cloud.pass(40);
        };
        let (reply, ()) = join(answered, moved).await;
        let reply = match reply {
            Reply::Pending => cloud.end(&request).await,
            reply => reply,
        };
        let certificate = issued(reply);
        cloud.told_of(&request, &certificate);
        cloud.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_its_own_refusals_it_tells_intune() {
    let env = TestEnv::new()
        .with("[[certificate_profile]]\nid = 'device'\n[certificate_profile.san]\ntypes = ['dns']");
    let fake = fake_of(&env.clock).await;
    let tenant = tenant(&fake);
    let cloud = Cloud::of(env.with(&tenant), fake, "").await;
    let challenge = cloud.fake.mint(Mint::default()).unwrap();
    let csr = csr(&cloud.device, &challenge, "email:box-4@example.org");
    let request = cloud.device.request(Content::PkcsReq(&csr));
    refused(cloud.device.post(&request).await);
    cloud.sweep().await;
    let transaction = cloud.known(&request).unwrap();
    let told = transaction.failure.unwrap();
    assert!(told["hResult"].as_i64().unwrap() < 0, "{told}");
    assert_eq!((transaction.validated, transaction.success), (1, None));
    cloud.is_clean();
}

/// A notification that never arrives: the certificate never leaves, and is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_intune_never_knows_of_never_leaves() {
    let cloud = Cloud::with("answer_within = '1s'").await;
    cloud
        .fake
        .fail(Operation::SuccessNotification, None, status(503, None));
    let request = cloud.request();
    let (fail_info, _) = refused(cloud.end(&request).await);
    assert_eq!(fail_info, FailInfo::BadRequest);
    let store = &cloud.server.server.runtime().services.store;
    let query = store::CertificateQuery {
        status: Some(store::CertificateStatus::Revoked),
        ..store::CertificateQuery::default()
    };
    let now = actors::Clock::now(&*cloud.server.env.clock);
    assert_eq!(store.certificates(&query, now).unwrap().total, 1);
    let revoked = cloud.server.events("cert_revoke");
    assert_eq!(revoked.len(), 1);
    let calls = cloud.fake.calls_of(Operation::SuccessNotification);
    assert!(calls.len() > 1);
    let first = &calls[0].body;
    assert!(
        calls.iter().all(|call| &call.body == first),
        "always the same data"
    );
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_the_certificate_leaves_first() {
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    let tenant = tenant(&fake);
    let server = env
        .with(&tenant)
        .profile(
            "corp",
            "[intune_cloud]\ntenants = ['contoso']\nwait_for_notification = false",
        )
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let cloud = Cloud {
        fake,
        server,
        device,
    };
    cloud
        .fake
        .fail(Operation::SuccessNotification, Some(1), Fault::Held);
    let request = cloud.request();
    let certificate = issued(cloud.device.post(&request).await);
    cloud.fake.release();
    cloud.fake.ended(Operation::SuccessNotification, 1).await;
    cloud.told_of(&request, &certificate);
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_device_waits_for_what_fails_and_another_does_not() {
    let cloud = Cloud::with("answer_within = '1s'").await;
    let slow = cloud.request();
    cloud.fake.rule(Rule {
        operation: Operation::ValidateRequest,
        times: None,
        containing: Some(slow.transaction_id().to_owned()),
        fault: Fault::Held,
    });
    assert!(matches!(cloud.device.post(&slow).await, Reply::Pending));
    issued(cloud.device.post(&cloud.request()).await);
    cloud.fake.heal();
    cloud.fake.release();
    issued(cloud.end(&slow).await);
}

/// What a real client sent, its challenge not of Intune's form, to a profile that knows no other challenges.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_message_is_validated_and_told_of() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors");
    let read = |name: &str| std::fs::read(vectors.join(name)).unwrap();
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    fake.settings(|settings| settings.any_challenge = true);
    let (certificate, key, chain) = (
        env.file("vectors.pem", &read("keys/ca.pem")),
        env.file("vectors.key", &read("keys/ca.key")),
        env.file("vectors-root.pem", &read("keys/root.pem")),
    );
    let issuer = format!(
        "[[issuer]]\nid = 'local'\nca_cert_path = '{}'\nca_key_path = '{}'\nchain_path = '{}'\n",
        certificate.display(),
        key.display(),
        chain.display()
    );
    let tenant = tenant(&fake);
    let settings = "ra = 'ca'\n[intune_cloud]\ntenants = ['contoso']";
    let mut env = env.with(&issuer).with(&tenant).profile("corp", settings);
    env.edit(|config| {
        let profile = config["profile"][0].as_table_mut().unwrap();
        profile.remove("challenge_password");
    });
    let server = env.start().await;
    for name in ["jscep-pkcsreq-post", "strongswan-pkcsreq-post"] {
        let sent = server.client().post(server.http("corp"));
        let sent = sent.body(read(&format!("{name}.p7")));
        let reply = sent.send().await.unwrap().bytes().await.unwrap();
        let status = scep::client::peek_status(&reply).unwrap();
        assert_eq!(status, scep::PkiStatus::Success, "{name}");
    }
    let told = fake.calls_of(Operation::SuccessNotification);
    assert_eq!(told.len(), 2);
    let dump: serde_json::Value = serde_json::from_slice(&read("jscep-pkcsreq-post.json")).unwrap();
    assert_eq!(
        told[0].body["notification"]["transactionId"],
        dump["transactionID"]
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tenants_are_told_apart() {
    let env = TestEnv::new();
    let mut options = super::options_of(&env.clock);
    options.tenants.push(intune_fake::Tenant::named("fabrikam"));
    let fake = intune_fake::Fake::start(options).await.unwrap();
    let (urls, tenants) = (fake.urls(), fake.tenants());
    let sections: Vec<String> = ["contoso", "fabrikam"]
        .into_iter()
        .zip(&tenants)
        .map(|(name, tenant)| {
            format!(
                "[[tenant]]\nid = '{name}'\ntenant = '{}'\nclient_id = '{}'\nclient_secret = '{name}-secret'\n\
                 authority_url = '{}'\ngraph_url = '{}'\nallowed_hosts = ['127.0.0.1']\n",
                tenant.id, tenant.client_id, urls.entra, urls.graph
            )
        })
        .collect();
    let server = env
        .with(&sections.concat())
        .profile("corp", "[intune_cloud]\ntenants = ['contoso', 'fabrikam']")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    for tenant in &tenants {
        let wanted = Mint {
            tenant: Some(tenant.id.clone()),
            ..Mint::default()
        };
        let request: Request = request(&device, &fake.mint(wanted).unwrap());
        let certificate = issued(device.post(&request).await);
        let transaction = fake
            .transactions(&tenant.id)
            .remove(request.transaction_id())
            .unwrap();
        let told = transaction.success.unwrap();
        assert_eq!(
            told["certificateSerialNumber"],
            hex::encode_upper(certificate.serial().as_bytes())
        );
    }
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}
