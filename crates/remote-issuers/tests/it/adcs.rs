//! The ADCS issuer against a fake.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::Utc;
use issuer::{Issuance, IssueError, Issuer as _, RemoteCa as _};
use outbound::endpoint;
use pki::cms::Signed;
use pki::{
    Certificate, Csr, Extension, KeyKind, PrivateKey, RevocationReason, SubjectAltNames, der, oid,
};
use remote_issuers::adcs::{
    Adcs, Agent, Interface, Login, Settings, recommended, revocation_command,
};

use crate::fake_adcs::{Act, Fake, PASSWORD, USER, fake, html};
use crate::maker::{Maker, Twist, WRONG};
use crate::support::*;
use crate::web::{Answer, Manner, Server};

fn settings_for(interface: Interface) -> Settings {
    Settings {
        interface,
        template: "ScepDevice".to_owned(),
        ra_template: None,
        login: Login::Password {
            username: USER.to_owned(),
            password: secret(PASSWORD),
        },
        agent: None,
        crl: None,
    }
}

const BOTH: [Interface; 2] = [Interface::Ces, Interface::Certsrv];

fn opening_at(fake: &Server<Fake>, interface: Interface) -> remote_issuers::Opening {
    let path = match interface {
        Interface::Ces => "/Corp_CES_UsernamePassword/service.svc/CES",
        Interface::Certsrv => "/certsrv",
    };
    let mut opening = patient(&format!("{}{path}", fake.url()));
    if interface == Interface::Ces {
        opening.above = vec![fake.state().maker.ca.clone()];
    }
    opening
}

async fn ready(interface: Interface) -> (Server<Fake>, Adcs) {
    let fake = fake().await;
    let adcs = Adcs::open(opening_at(&fake, interface), settings_for(interface))
        .await
        .unwrap();
    (fake, adcs)
}

#[tokio::test]
async fn what_was_approved_is_asked_for_and_comes_back() {
    for interface in BOTH {
        let (fake, adcs) = ready(interface).await;
        let order = order();
        let certificate = issued(adcs.issue(&order).await.unwrap());
        order.approved.matches(&certificate).unwrap();
        order.approved.whole_validity(&certificate).unwrap();
        adcs.authority().made(&certificate).unwrap();
        let state = fake.state();
        assert_eq!(state.sent, Some((order.csr.clone(), false)));
        assert_eq!(state.templates, ["ScepDevice"]);
    }
}

/// What an issue call came to.
async fn outcome(interface: Interface, act: Act) -> (String, bool) {
    let (fake, adcs) = ready(interface).await;
    fake.state().acts.push_back(act);
    let said = match adcs.issue(&order()).await.unwrap_err() {
        IssueError::Refused(words) => (format!("refused: {words}"), false),
        IssueError::Again { why, unheard, .. } => (why, unheard),
    };
    assert!(!said.0.contains("canary"), "{said:?}");
    said
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let flood = Answer::new(200, "text/html", vec![b' '; 10 << 20]);
    let elsewhere = html(302, "").with("Location", "https://elsewhere.example/");
    for interface in BOTH {
        for (act, contains, unheard) in [
            (Act::Sends(Manner::Lost), "connection", true),
            (Act::Sends(Manner::Cut), "", true),
            (
                Act::Denies(0x8009_4811, "Denied by Policy Module"),
                "refused: CERTSRV_E_KEY_LENGTH (0x80094811): Denied by Policy Module",
                false,
            ),
            (
                Act::Denies(0x8009_4800, "Denied by Policy Module"),
                "CERTSRV_E_UNSUPPORTED_CERT_TYPE",
                false,
            ),
            (
                Act::Denies(0x8009_480a, "x"),
                "by adcs.agent_cert_path",
                false,
            ),
            (
                Act::Denies(0x8007_06ba, "The RPC server is unavailable."),
                "RPC_S_SERVER_UNAVAILABLE",
                false,
            ),
            (Act::Is(flood.clone()), "larger than", true),
            (Act::Is(elsewhere.clone()), "not followed", false),
            (Act::Is(html(502, "")), "status 502", true),
            (Act::Is(html(503, "")), "status 503", false),
            (Act::Is(html(401, "")), "does not let scepd in", false),
            (Act::Is(html(404, "")), "at this address", false),
            (Act::Is(html(200, "hello")), "", true),
        ] {
            let said = outcome(interface, act.clone()).await;
            assert!(said.0.contains(contains), "{interface:?} {act:?}: {said:?}");
            assert_eq!(said.1, unheard, "{interface:?} {act:?}: {said:?}");
        }
    }
    for (act, contains, unheard) in [
        (
            Act::Faults("Receiver", "a:InternalServiceFault"),
            "it failed: It went wrong. (Receiver, InternalServiceFault)",
            true,
        ),
        (
            Act::Faults("Sender", "a:ActionNotSupported"),
            "refused: It went wrong.",
            false,
        ),
        (
            Act::Faults("Sender", "wsse:InvalidSecurity"),
            "does not let scepd in",
            false,
        ),
        (
            Act::Is(Answer::new(200, "text/xml", vec![0xff, 0xfe])),
            "not UTF-8",
            true,
        ),
    ] {
        let said = outcome(Interface::Ces, act.clone()).await;
        assert!(
            said.0.contains(contains) && said.1 == unheard,
            "{act:?}: {said:?}"
        );
    }
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate_and_nobody_can_tell() {
    for interface in BOTH {
        let fake = fake().await;
        let mut opening = opening_at(&fake, interface);
        opening.client = client(Duration::from_millis(300));
        let adcs = Adcs::open(opening, settings_for(interface)).await.unwrap();
        fake.state().acts.push_back(Act::Sends(Manner::Hangs));
        let error = adcs.issue(&order()).await.unwrap_err();
        assert!(
            matches!(error, IssueError::Again { unheard: true, .. }),
            "{error:?}"
        );
        let found = adcs.find(&order()).await.unwrap();
        assert!(matches!(found, issuer::Found::CannotTell), "{found:?}");
    }
}

#[tokio::test]
async fn what_waits_is_followed_by_its_number() {
    for (interface, german) in [
        (Interface::Ces, false),
        (Interface::Certsrv, false),
        (Interface::Certsrv, true),
    ] {
        let (fake, adcs) = ready(interface).await;
        fake.state().german = german;
        let order = order();
        fake.state().acts.extend([Act::Waits, Act::Waits]);
        let Issuance::Later { handle, .. } = adcs.issue(&order).await.unwrap() else {
            panic!("it waits")
        };
        assert_eq!(handle.0, "1");
        let Issuance::Later { handle: other, .. } = adcs.issue(&order).await.unwrap() else {
            panic!("it waits")
        };
        let still = adcs.resume(&order, &handle).await.unwrap();
        assert!(matches!(still, Issuance::Later { handle: same, .. } if same == handle));
        fake.state().decides(1, true);
        let certificate = issued(adcs.resume(&order, &handle).await.unwrap());
        order.approved.matches(&certificate).unwrap();
        fake.state().decides(2, false);
        let refused = adcs.resume(&order, &other).await.unwrap_err();
        assert!(
            matches!(&refused, IssueError::Refused(words) if words.contains("CERTSRV_E_ADMIN_DENIED_REQUEST")),
            "{refused:?}"
        );
        let unknown = adcs.resume(&order, &issuer::Handle("77".to_owned())).await;
        assert!(
            matches!(unknown, Err(IssueError::Refused(_))),
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for interface in BOTH {
        for (twist, field) in WRONG {
            let (fake, adcs) = ready(interface).await;
            fake.state().acts.push_back(Act::Makes(twist));
            let order = order();
            let certificate = issued(adcs.issue(&order).await.unwrap());
            let compared = order
                .approved
                .matches(&certificate)
                .and_then(|()| adcs.authority().made(&certificate))
                .and_then(|()| order.approved.whole_validity(&certificate));
            assert_eq!(compared.unwrap_err().field, field, "{twist:?}");
        }
    }
}

static AGENT: LazyLock<(Certificate, PrivateKey)> = LazyLock::new(|| {
    let mut maker = Maker::new("CN=Agents");
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let subject = pki::Name::parse("CN=scepd agent").unwrap();
    let csr = Csr::build(&subject, &SubjectAltNames::default(), None, &[], &key).unwrap();
    let end = Utc::now() + chrono::Duration::days(30);
    (maker.make(&csr, end, Twist::IsForAnRa), key)
});

#[tokio::test]
async fn an_enrollment_agent_signs_what_the_device_asked_for() {
    for interface in BOTH {
        let fake = fake().await;
        let (certificate, key) = AGENT.clone();
        let settings = Settings {
            agent: Some(Agent { certificate, key }),
            ..settings_for(interface)
        };
        let adcs = Adcs::open(opening_at(&fake, interface), settings)
            .await
            .unwrap();
        let order = order();
        issued(adcs.issue(&order).await.unwrap());
        let (octets, is_signed) = fake.state().sent.clone().unwrap();
        assert!(is_signed);
        let signed = Signed::parse(&octets).unwrap();
        assert_eq!(signed.content(), Some(order.csr.as_slice()));
        assert_eq!(signed.certificates(), std::slice::from_ref(&AGENT.0));
        assert_eq!(signed.signer_certificate(), Some(&AGENT.0));
        signed.check().unwrap();
    }
}

fn asks_for(extra: &[Extension]) -> issuer::Order {
    let mut order = order();
    let subject = pki::Name::parse("CN=device one {x}, serialNumber=C02-7, UID=u7").unwrap();
    let csr = Csr::build(&subject, &sans(), None, extra, &KEY).unwrap();
    order.csr = csr.der().to_vec();
    order
}

#[tokio::test]
async fn what_the_ca_would_obey_is_not_passed_on() {
    let (fake, adcs) = ready(Interface::Ces).await;
    let extension = |oid: &str| Extension {
        oid: oid.to_owned(),
        critical: false,
        value: der::utf8_string("x"),
    };
    for oid in [
        oid::MS_SID,
        oid::MS_TEMPLATE_NAME,
        oid::MS_TEMPLATE,
        "1.3.6.1.4.1.311.21.10",
    ] {
        let refused = adcs.issue(&asks_for(&[extension(oid)])).await.unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains(oid) && matches!(refused, IssueError::Refused(_)),
            "{said}"
        );
    }
    let mut order = order();
    order.csr = csr("CN=another", &sans()).der().to_vec();
    let refused = adcs.issue(&order).await.unwrap_err().to_string();
    assert!(refused.contains("cannot make this subject"), "{refused}");
    assert!(fake.state().templates.is_empty());
    issued(adcs.issue(&asks_for(&[])).await.unwrap());
}

#[tokio::test]
async fn logins_that_are_not_taken_are_told_and_not_repeated() {
    for interface in BOTH {
        let fake = fake().await;
        fake.state().password = "canary-other".to_owned();
        let error = Adcs::open(opening_at(&fake, interface), settings_for(interface))
            .await
            .err()
            .unwrap();
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("does not let scepd in") && said.contains("adcs.password_file"),
            "{said}"
        );
        assert!(!said.contains("canary"), "{said}");
    }
    let fake = fake().await;
    fake.state().offers = "Negotiate";
    let opening = opening_at(&fake, Interface::Certsrv);
    let said = Adcs::open(opening, settings_for(Interface::Certsrv))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(said.contains("scepd speaks no NTLM or Kerberos"), "{said}");
}

#[tokio::test]
async fn a_password_is_read_anew_for_each_call() {
    let fake = fake().await;
    let current = Arc::new(std::sync::Mutex::new(PASSWORD.to_owned()));
    let held = Arc::clone(&current);
    let settings = Settings {
        login: Login::Password {
            username: USER.to_owned(),
            password: Arc::new(move || Ok(zeroize::Zeroizing::new(held.lock().unwrap().clone()))),
        },
        ..settings_for(Interface::Ces)
    };
    let adcs = Adcs::open(opening_at(&fake, Interface::Ces), settings)
        .await
        .unwrap();
    fake.state().password = "canary-new".to_owned();
    let error = adcs.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: false, .. }),
        "{error:?}"
    );
    *current.lock().unwrap() = "canary-new".to_owned();
    issued(adcs.issue(&order()).await.unwrap());
}

#[tokio::test]
async fn a_ca_that_is_away_is_there_with_its_chain_of_before() {
    let fake = fake().await;
    fake.state().ca_is_away = true;
    let mut opening = opening_at(&fake, Interface::Ces);
    opening.known = vec![fake.state().maker.ca.clone()];
    let adcs = Adcs::open(opening, settings_for(Interface::Ces))
        .await
        .unwrap();
    assert!(
        adcs.health()
            .trouble
            .unwrap()
            .contains("RPC_S_SERVER_UNAVAILABLE")
    );
    fake.state().ca_is_away = false;
    adcs.look().await.unwrap();
    assert!(adcs.health().trouble.is_none());
    let mut opening = opening_at(&fake, Interface::Ces);
    opening.above.clear();
    let said = Adcs::open(opening, settings_for(Interface::Ces))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(said.contains("by chain_path"), "{said}");
}

#[tokio::test]
async fn another_ca_is_taken_over_from_the_pages_and_not_from_an_answer_alone() {
    let (fake, adcs) = ready(Interface::Certsrv).await;
    fake.state().maker.rolls_over("DC=example, CN=Corp CA");
    let new = issued(adcs.issue(&order()).await.unwrap());
    adcs.authority().made(&new).unwrap();
    // What came with a certificate ends with a root that nobody knows.
    let (fake, adcs) = ready(Interface::Ces).await;
    fake.state().maker.rolls_over("DC=example, CN=Corp CA");
    let new = issued(adcs.issue(&order()).await.unwrap());
    assert!(adcs.authority().made(&new).is_err());
}

#[tokio::test]
async fn revocations_are_done_by_hand_and_the_crl_tells() {
    let (fake, adcs) = ready(Interface::Certsrv).await;
    let certificate = issued(adcs.issue(&order()).await.unwrap());
    assert!(!adcs.revokes() && adcs.revokes_by_hand());
    let refused = adcs
        .revoke(&certificate, RevocationReason::KeyCompromise)
        .await;
    assert!(
        matches!(refused, Err(IssueError::Refused(_))),
        "{refused:?}"
    );
    assert!(!adcs.is_revoked(&certificate).await.unwrap());
    let reason = RevocationReason::KeyCompromise;
    fake.state()
        .maker
        .revoked
        .push((certificate.serial().clone(), reason));
    // The CRL of before is kept for five minutes.
    assert!(!adcs.is_revoked(&certificate).await.unwrap());

    let hand = Hand::new();
    let mut opening = opening_at(&fake, Interface::Ces);
    opening.ticks = hand.ticks();
    let crl_url = endpoint(&format!("{}/corp.crl", fake.url())).unwrap();
    let settings = Settings {
        crl: Some((client(Duration::from_secs(20)), crl_url)),
        ..settings_for(Interface::Ces)
    };
    fake.state().maker.revoked.clear();
    let ces = Adcs::open(opening, settings).await.unwrap();
    assert!(ces.revokes_by_hand() && ces.findings().is_empty());
    assert!(!ces.is_revoked(&certificate).await.unwrap());
    fake.state()
        .maker
        .revoked
        .push((certificate.serial().clone(), reason));
    hand.passes(300);
    assert!(ces.is_revoked(&certificate).await.unwrap());
    assert_eq!(
        ces.newest_crl(Utc::now())
            .await
            .unwrap()
            .unwrap()
            .entries()
            .len(),
        1
    );

    let bare = Adcs::open(
        opening_at(&fake, Interface::Ces),
        settings_for(Interface::Ces),
    )
    .await
    .unwrap();
    assert!(!bare.revokes_by_hand() && bare.findings()[0].remedy.contains("adcs.crl_url"));
    assert!(bare.newest_crl(Utc::now()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_ra_of_its_own_template_is_of_use_and_another_is_not() {
    let fake = fake().await;
    let with = |template: &str| Settings {
        ra_template: Some(template.to_owned()),
        ..settings_for(Interface::Ces)
    };
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    let end = Utc::now() + chrono::Duration::days(30);
    let adcs = Adcs::open(opening_at(&fake, Interface::Ces), with("ScepRa"))
        .await
        .unwrap();
    let ra = adcs.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.ext_key_usages(), ["1.3.6.1.4.1.311.20.2.1"]);
    fake.state().acts.push_back(Act::Waits);
    let waits = adcs.certify_ra(&csr, end).await.unwrap_err().to_string();
    assert!(waits.contains("wait for a certificate manager"), "{waits}");
    let none = Adcs::open(
        opening_at(&fake, Interface::Ces),
        settings_for(Interface::Ces),
    )
    .await
    .unwrap();
    assert!(!none.makes_ras() && none.certify_ra(&csr, end).await.is_err());
}

#[test]
fn what_to_prepare_and_how_to_revoke_is_said() {
    let lines = recommended(&policy(), "ScepDevice", true);
    for one in [
        "  Subject Name: Supply in the request",
        "  certutil -SetCATemplates +ScepDevice, with the template's name",
    ] {
        assert!(lines.iter().any(|line| line == one), "{one}: {lines:#?}");
    }
    let unsigned = recommended(&policy(), "ScepDevice", false);
    assert!(
        unsigned.iter().any(|line| line.contains("ESC1")),
        "{unsigned:#?}"
    );
    let serial = pki::Serial::from_hex("0c8f").unwrap();
    assert_eq!(
        revocation_command(Some("ca01\\Corp CA"), &serial, RevocationReason::Superseded),
        "certutil -config \"ca01\\Corp CA\" -revoke 0c8f 4"
    );
    assert_eq!(
        revocation_command(None, &serial, RevocationReason::Unspecified),
        "certutil -revoke 0c8f 0"
    );
}
