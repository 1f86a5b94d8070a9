//! Intune's cloud validation through the real front, against a fake of Microsoft's services.

use intune_fake::{Fault, Mint, Operation};
use pki::Csr;
use scep::FailInfo;
use scep::client::{Content, Reply};
use store::Outcome;

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

/// A tenant's secret in the fake.
const SECRET: &str = "contoso-secret";

pub(crate) struct Cloud {
    pub(crate) fake: intune_fake::Fake,
    pub(crate) server: Running,
}

impl Cloud {
    /// With these settings of `[profile.intune_cloud]`.
    pub(crate) async fn new(settings: &str) -> Cloud {
        Cloud::of("", settings).await
    }

    /// With these settings of the tenant as well.
    pub(crate) async fn of(tenant_settings: &str, settings: &str) -> Cloud {
        let env = TestEnv::new();
        let clock = env.clock.clone();
        let clock = intune_fake::Clock::new(move || actors::Clock::now(&*clock).timestamp());
        let fake = intune_fake::Fake::start(intune_fake::Options::new(clock))
            .await
            .unwrap();
        let (urls, tenant) = (fake.urls(), fake.tenants().remove(0));
        let tenant = format!(
            "[[tenant]]\nid = 'contoso'\ntenant = '{}'\nclient_id = '{}'\nclient_secret = '{SECRET}'\n\
             authority_url = '{}'\ngraph_url = '{}'\n{tenant_settings}\n",
            tenant.domain, tenant.client_id, urls.entra, urls.graph,
        );
        let server = env
            .with(&tenant)
            .profile(
                "corp",
                &format!("[intune_cloud]\ntenants = ['contoso']\n{settings}"),
            )
            .start()
            .await;
        Cloud { fake, server }
    }

    pub(crate) async fn device(&self) -> (Device, Csr) {
        let device = Device::of(&self.server, "corp").await;
        let challenge = self.fake.mint(Mint::default()).unwrap();
        assert!(challenge.len() > 5000);
        let csr = device.csr(Some(&challenge));
        (device, csr)
    }

    pub(crate) fn newest(&self) -> store::StoredEvent {
        self.server.events("scep_pkcsreq").remove(0)
    }

    fn count(&self, operation: Operation) -> usize {
        self.fake.count(operation)
    }

    /// What no program that keeps to Microsoft's documents sends, and what must stand nowhere.
    fn is_clean(&self, csr: &Csr) {
        assert_eq!(self.fake.problems(), Vec::<String>::new());
        let query = store::AuditQuery {
            per_page: 1000,
            ..store::AuditQuery::default()
        };
        let store = &self.server.server.runtime().services.store;
        let events = serde_json::to_string(&store.audit(&query).unwrap().data).unwrap();
        let challenge = csr.challenge_password().unwrap();
        for secret in [SECRET, &challenge[100..160]] {
            assert!(!events.contains(secret), "a secret stands in the audit");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_a_tenant_enrolls_by_post_and_by_get_and_intune_knows_of_it() {
    let cloud = Cloud::new("").await;
    for by_get in [false, true] {
        let (device, csr) = cloud.device().await;
        let request = device.request(Content::PkcsReq(&csr));
        let reply = match by_get {
            true => device.get(&request).await,
            false => device.post(&request).await,
        };
        let certificate = issued(reply);
        let told = cloud.fake.transactions("contoso.onmicrosoft.com");
        let told = &told[request.transaction_id()];
        assert_eq!((told.validated, told.successes, told.failures), (1, 1, 0));
        let success = told.success.as_ref().unwrap();
        let sha1 = pki::Digest::Sha1.hash(certificate.der());
        assert_eq!(success["certificateThumbprint"], hex::encode_upper(sha1));
        assert_eq!(
            success["certificateSerialNumber"],
            certificate.serial().to_hex().to_uppercase()
        );
        assert_eq!(success["issuingCertificateAuthority"], "Test CA");
        let details = cloud.newest().event.details;
        assert_eq!(details.outcome, Some(Outcome::Success));
        assert_eq!(details.claim_issuer.as_deref(), Some("contoso"));
        assert!(details.note.unwrap().contains("client-request-id"));
        let told = cloud.server.events("scep_notification");
        assert!(
            told[0]
                .event
                .details
                .message
                .as_ref()
                .unwrap()
                .contains("client-request-id")
        );
        // The same message again gets its certificate, and nobody is asked.
        let asked = cloud.count(Operation::ValidateRequest);
        assert_eq!(issued(device.post(&request).await), certificate);
        assert_eq!(cloud.count(Operation::ValidateRequest), asked);
        cloud.is_clean(&csr);
    }
    assert_eq!(cloud.count(Operation::SuccessNotification), 2);
    assert_eq!(cloud.count(Operation::FailureNotification), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_code_refuses_and_says_what_to_do_and_nobody_is_told_of_it() {
    let cloud = Cloud::new("").await;
    let (device, csr) = cloud.device().await;
    let codes = intune_cloud::CODES.iter().map(|code| code.name);
    let codes: Vec<&str> = codes.filter(|name| *name != "Success").collect();
    for code in codes.into_iter().chain(["Invented", "success"]) {
        let fault = Fault::Code {
            code: code.to_owned(),
            description: "as scripted".to_owned(),
        };
        cloud.fake.fail(Operation::ValidateRequest, Some(1), fault);
        let request = device.request(Content::PkcsReq(&csr));
        let (fail_info, text) = refused(device.post(&request).await);
        let known = intune_cloud::codes::find(code).filter(|known| known.name != "Success");
        let expected = match code {
            "KeyLengthMismatch" => FailInfo::BadAlg,
            _ => FailInfo::BadRequest,
        };
        assert_eq!(fail_info, expected, "{code}");
        let name = known.map_or("Unknown", |known| known.name);
        assert_eq!(text, format!("Intune: {name}"));
        let details = cloud.newest().event.details;
        assert_eq!(details.reason.as_deref(), Some("intune_refused"));
        let message = details.message.unwrap();
        assert!(
            message.contains("as scripted") && message.contains(code),
            "{message}"
        );
        assert!(message.contains("client-request-id"), "{message}");
        if let Some(known) = known {
            assert!(message.contains(known.advice), "{message}");
        }
        // The very message is not asked about again.
        let asked = cloud.count(Operation::ValidateRequest);
        assert_eq!(refused(device.post(&request).await), (fail_info, text));
        assert_eq!(cloud.count(Operation::ValidateRequest), asked);
    }
    cloud
        .fake
        .fail(Operation::ValidateRequest, Some(1), Fault::MissingCode);
    let request = device.request(Content::PkcsReq(&csr));
    assert_eq!(refused(device.post(&request).await).1, "Intune: Unknown");
    assert_eq!(cloud.count(Operation::SuccessNotification), 0);
    assert_eq!(cloud.count(Operation::FailureNotification), 0);
    cloud.is_clean(&csr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_after_intune_let_it_in_is_told_to_intune() {
    let cloud = Cloud::new("per_device_rate_limit_24h = 1").await;
    let (device, csr) = cloud.device().await;
    issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let request = device.request(Content::PkcsReq(&csr));
    let reply = device.post(&request).await;
    assert!(matches!(reply, Reply::Failure { .. }));
    let details = cloud.newest().event.details;
    assert_eq!(details.reason.as_deref(), Some("rate_limited"));
    let profile = cloud.server.profile("corp");
    profile.actor.send(actors::Sweep).await.unwrap();
    let told = cloud.fake.transactions("contoso.onmicrosoft.com");
    let told = &told[request.transaction_id()];
    assert_eq!(told.failures, 1);
    assert_eq!(told.failure.as_ref().unwrap()["hResult"], -2_147_024_891);
    cloud.is_clean(&csr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_challenge_of_intune_are_told_apart_by_their_shape() {
    let cloud = Cloud::new("").await;
    let device = Device::of(&cloud.server, "corp").await;
    device.enroll().await;
    assert_eq!(cloud.count(Operation::ValidateRequest), 0);
    let csr = device.csr(Some("a wrong password"));
    let (_, text) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    assert!(!text.contains("Intune"), "{text}");
    assert_eq!(cloud.count(Operation::ValidateRequest), 0);
}
