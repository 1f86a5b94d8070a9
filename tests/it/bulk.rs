//! Many certificates revoked, put on hold and released: counted first, in one step, and once.

use actors::{Clock as _, Sweep};
use chrono::Duration;
use pki::{Certificate, Serial};
use scep::client::Content;
use serde_json::{Value, json};
use store::{CaId, CertificateRecord, Change, Standing};

use crate::admin::operator::Operator;
use crate::commands::{err, out, scepd};
use crate::device::{Device, issued};
use crate::fake_vault::FakeVault;
use crate::fleet::device_key;
use crate::published::{Status, crl, enrolled, status};
use crate::test_env::{Running, TestEnv};

const BULK: &str = "/api/v1/admin/certificates/bulk";

/// How many certificates the large selection has.
const MANY: usize = 10_000;

async fn server() -> Running {
    TestEnv::new()
        .profile("corp", "")
        .profile("iot", "")
        .with("[publish]\nlisten = '127.0.0.1:0'\nbase_url = 'http://pki.example.com/pub'")
        .start()
        .await
}

async fn change(admin: &Operator<'_>, body: Value) -> Value {
    let answer = admin.post(BULK, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn refused(admin: &Operator<'_>, body: Value) -> String {
    let answer = admin.post(BULK, &body.to_string()).await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    answer.error()
}

fn standing(server: &Running, serial: &[u8]) -> Standing {
    let store = &server.server.runtime().services.store;
    let ca = CaId::of_ca(&server.env.ca);
    store.standing(&ca, serial).unwrap()
}

/// So many further certificates of `profile` in the store, like this one. Their serial numbers.
async fn many(server: &Running, like: &Certificate, profile: &str, count: usize) -> Vec<Vec<u8>> {
    let services = &server.server.runtime().services;
    let ca = CaId::of_ca(&server.env.ca);
    let record = services.store.certificate(&ca, like.serial().as_bytes());
    let record = record.unwrap().unwrap();
    let serials: Vec<Vec<u8>> = (0..count)
        .map(|n| [&[0x5a; 8][..], &(n as u64).to_be_bytes()].concat())
        .collect();
    for some in serials.chunks(1000) {
        let mut change = Change::new();
        for serial in some {
            change.push(CertificateRecord {
                serial: serial.clone(),
                profile: profile.to_owned(),
                transaction_id: hex::encode(serial),
                ..record.clone()
            });
        }
        services.journal.commit(change, None).await.unwrap();
    }
    // What is issued at this very moment is for the next selection.
    server.env.clock.advance(Duration::seconds(1));
    serials
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_a_device_out_until_it_is_released() {
    let server = server().await;
    let ca = server.env.ca.clone();
    let mut device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let certificate = device.enroll().await;
    device.signer = certificate.clone();
    let admin = server.admin().await;
    let path = format!(
        "/api/v1/admin/certificates/local/{}",
        certificate.serial().to_hex()
    );
    let release = format!("{path}/release");
    let early = admin.post(&release, "{}").await;
    assert_eq!(early.status, 409, "{}", early.text);
    let body = json!({"reason": "certificate_hold", "note": "looked for"}).to_string();
    let held = admin.post(&format!("{path}/revoke"), &body).await;
    assert_eq!(held.status, 200, "{}", held.text);

    let renew = async |device: &Device| {
        let csr = device.csr(None);
        device
            .post(&device.request(Content::RenewalReq(&csr)))
            .await
    };
    let serial = certificate.serial();
    assert_eq!(status(&server, &ca, serial).await, Status::Revoked);
    let list = crl(&server, "/crl/local.crl").await;
    assert_eq!(
        list.entries()[0].reason,
        Some(pki::RevocationReason::CertificateHold)
    );
    crate::device::refused(renew(&device).await);

    let released = admin.post(&release, r#"{"note":"found"}"#).await;
    assert_eq!(released.status, 200, "{}", released.text);
    assert_eq!(status(&server, &ca, serial).await, Status::Good);
    assert!(crl(&server, "/crl/local.crl").await.entries().is_empty());
    issued(renew(&device).await);
    let [event] = &server.events("cert_release")[..] else {
        panic!("one release is one event");
    };
    let details = &event.event.details;
    assert_eq!(details.note.as_deref(), Some("found"));
    assert_eq!(details.serial, Some(hex::encode(serial.as_bytes())));
    assert_eq!(admin.post(&release, "{}").await.status, 409);

    // What is revoked for good cannot be taken back.
    let for_good = admin.post(&format!("{path}/revoke"), "{}").await;
    assert_eq!(for_good.status, 200, "{}", for_good.text);
    assert_eq!(admin.post(&release, "{}").await.status, 409);
    assert_eq!(status(&server, &ca, serial).await, Status::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_by_filter_are_one_event_and_one_crl_and_a_hold_is_undone() {
    let server = server().await;
    let ca = server.env.ca.clone();
    let kept = enrolled(&server).await;
    let serials = many(&server, &kept, "iot", MANY).await;
    let admin = server.admin().await;
    let (first, last) = (
        Serial::new(serials[0].clone()),
        Serial::new(serials[MANY - 1].clone()),
    );
    let before = crl(&server, "/crl/local.crl").await;
    assert_eq!(status(&server, &ca, &first).await, Status::Good);

    let order = json!({
        "action": "revoke", "reason": "certificate_hold", "note": "a stolen pallet",
        "selection": {"profile": "iot"},
    });
    let preview = change(&admin, order.clone()).await;
    assert_eq!(
        (&preview["done"], &preview["count"]),
        (&json!(false), &json!(MANY))
    );
    assert_eq!(
        preview["profiles"],
        json!([{"profile": "iot", "count": MANY}])
    );
    assert_eq!(preview["newest"].as_array().unwrap().len(), 10);
    assert_eq!(preview["ordered"], 0);
    assert_eq!(standing(&server, &serials[0]), Standing::Good);
    let with = |count: usize| {
        let mut order = order.clone();
        order["expected"] = json!(count);
        order
    };
    let words = refused(&admin, with(MANY - 1)).await;
    assert!(words.contains("10000") && words.contains("9999"), "{words}");
    assert_eq!(standing(&server, &serials[0]), Standing::Good);
    let everything = json!({"action": "revoke", "selection": {}});
    assert!(refused(&admin, everything).await.contains("say which"));

    let done = change(&admin, with(MANY)).await;
    assert_eq!(
        (&done["done"], &done["count"]),
        (&json!(true), &json!(MANY))
    );
    for serial in [&first, &last] {
        assert_eq!(status(&server, &ca, serial).await, Status::Revoked);
    }
    assert_eq!(status(&server, &ca, kept.serial()).await, Status::Good);
    let list = crl(&server, "/crl/local.crl").await;
    assert_eq!(list.entries().len(), MANY);
    let next = before.number().unwrap() + 1;
    assert_eq!(list.number(), Some(next), "they share one CRL");
    assert!(server.events("cert_revoke").is_empty());
    let [event] = &server.events("cert_revoke_many")[..] else {
        panic!("one step is one event");
    };
    let details = &event.event.details;
    assert_eq!(details.extra["count"], MANY.to_string());
    assert_eq!(details.extra["selection"], "profile `iot`");
    assert_eq!(details.note.as_deref(), Some("a stolen pallet"));
    assert_eq!(details.reason.as_deref(), Some("certificateHold"));

    // Another one is on hold for a reason of its own: it is not what is undone.
    server.env.clock.advance(Duration::seconds(1));
    let other = json!({
        "action": "revoke", "reason": "certificate_hold", "expected": 1,
        "selection": {"serials": [kept.serial().to_hex()]},
    });
    change(&admin, other).await;
    let undo = json!({
        "action": "release", "expected": MANY, "selection": {"revoked_at": done["at"]},
    });
    let undone = change(&admin, undo.clone()).await;
    assert_eq!(undone["count"], MANY);
    for serial in [&first, &last] {
        assert_eq!(status(&server, &ca, serial).await, Status::Good);
    }
    assert_eq!(status(&server, &ca, kept.serial()).await, Status::Revoked);
    assert_eq!(crl(&server, "/crl/local.crl").await.entries().len(), 1);
    assert_eq!(server.events("cert_release_many").len(), 1);
    let words = refused(&admin, undo).await;
    assert!(words.contains("has 0 certificates now"), "{words}");
    let report = server.server.runtime().services.store.verify().unwrap();
    assert_eq!(report.faults, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_counts_revokes_and_takes_back() {
    let server = server().await;
    let kept = enrolled(&server).await;
    let serials = many(&server, &kept, "iot", 12).await;
    let env = &server.env;
    let revoke = [
        "certs",
        "revoke",
        "--profile",
        "iot",
        "--reason",
        "certificate_hold",
    ];
    let counted = out(&scepd(env, &revoke).await);
    assert!(
        counted.contains("12 certificates would be put on hold"),
        "{counted}"
    );
    assert!(counted.contains("--expected 12 does it"), "{counted}");
    assert_eq!(standing(&server, &serials[0]), Standing::Good);
    let wrong = scepd(env, &[&revoke[..], &["--expected", "11"]].concat()).await;
    assert!(err(&wrong).contains("has 12 certificates now, not 11"));
    let done = out(&scepd(env, &[&revoke[..], &["--expected", "12"]].concat()).await);
    assert!(
        done.contains("12 certificates put on hold as of "),
        "{done}"
    );
    assert!(matches!(
        standing(&server, &serials[3]),
        Standing::Revoked(_)
    ));
    let [event] = &server.events("cert_revoke_many")[..] else {
        panic!("one step is one event");
    };
    assert_eq!(event.event.actor_type, "CLI");
    // What it says takes it back does.
    let undo = done.lines().last().unwrap();
    let undo = undo.split_once("scepd ").unwrap().1;
    let undo: Vec<&str> = undo.split(' ').chain(["--expected", "12"]).collect();
    let undone = out(&scepd(env, &undo).await);
    assert!(
        undone.contains("12 certificates released from hold"),
        "{undone}"
    );
    assert_eq!(standing(&server, &serials[3]), Standing::Good);

    let file = server.env.file("serials", b" ,\n");
    let list = ["certs", "revoke", "--serials-file", file.to_str().unwrap()];
    let empty = scepd(env, &list).await;
    assert!(err(&empty).contains("there is no serial number in it"));
    let two = format!(
        "{}\n{},",
        hex::encode(&serials[0]),
        hex::encode(&serials[1])
    );
    server.env.replace("serials", two.as_bytes());
    let two = out(&scepd(env, &[&list[..], &["--expected", "2", "--json"]].concat()).await);
    let two: Value = serde_json::from_str(&two).unwrap();
    assert_eq!((&two["done"], &two["count"]), (&json!(true), &json!(2)));
    assert!(matches!(
        standing(&server, &serials[1]),
        Standing::Revoked(_)
    ));
    assert_eq!(standing(&server, &serials[2]), Standing::Good);
    let note = "x".repeat(1001);
    let long = [&revoke[..], &["--note", &note]].concat();
    assert!(err(&scepd(env, &long).await).contains("1000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_elsewhere_is_asked_for_each_until_it_has_answered() {
    let fake = FakeVault::start().await;
    fake.state().role["organization"] = json!(["Example"]);
    let mut env = TestEnv::new()
        .profile("corp", "issuer_id = 'bao'\nanswer_within = '2s'")
        .profile("iot", "");
    let issuer = format!(
        "id = 'bao'\ntype = 'vault'\nurl = '{}'\n[vault]\nrole = 'scepd'\nra_role = 'ra'\ntoken = 'canary-token-7f31'",
        fake.url()
    );
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.parse::<toml::Table>().unwrap().into());
    });
    let server = env.start().await;
    for path_id in ["corp", "corp", "iot"] {
        let device = Device::at(server.http(path_id), server.client(), device_key()).await;
        device.enroll().await;
    }
    server.env.clock.advance(Duration::seconds(1));
    let admin = server.admin().await;
    let since = server.env.clock.now() - Duration::days(1);
    let order = |reason: &str| json!({"action": "revoke", "reason": reason, "selection": {"issued_since": since}, "expected": 3});
    let words = refused(&admin, order("certificate_hold")).await;
    assert!(
        words.contains("issuer bao") && words.contains("no hold"),
        "{words}"
    );
    assert!(server.events("cert_revoke_many").is_empty());

    fake.state().sealed = true;
    let done = change(&admin, order("cessation_of_operation")).await;
    assert_eq!((&done["count"], &done["ordered"]), (&json!(3), &json!(2)));
    let [event] = &server.events("cert_revoke_many")[..] else {
        panic!("one step is one event");
    };
    assert_eq!(event.event.details.extra["ordered"], "2");
    let services = &server.server.runtime().services;
    let revoked = || {
        let query = store::CertificateQuery {
            status: Some(store::CertificateStatus::Revoked),
            ..store::CertificateQuery::default()
        };
        let found = services.store.certificates(&query, services.clock.now());
        found.unwrap().total
    };
    assert_eq!(revoked(), 1, "the one whose CA is here");
    assert_eq!(services.store.sizes().unwrap().notices, 2);
    let actor = server.profile("corp").actor.clone();
    actor.send(Sweep).await.unwrap();
    assert_eq!(
        (revoked(), fake.state().revoked.len()),
        (1, 0),
        "it is sealed"
    );

    // Orders outlive a restart, and are tried until they are done.
    fake.state().sealed = false;
    let server = server.stop().await.start().await;
    let services = &server.server.runtime().services;
    server.env.clock.advance(Duration::minutes(10));
    let actor = server.profile("corp").actor.clone();
    actor.send(Sweep).await.unwrap();
    assert_eq!(fake.state().revoked.len(), 2);
    assert_eq!(services.store.sizes().unwrap().notices, 0);
    let events = server.events("cert_revoke");
    assert_eq!(events.len(), 2, "each as its issuer has done it");
    let by = &events[0].event;
    assert_eq!(
        (by.actor.as_str(), by.details.reason.as_deref()),
        ("ops", Some("cessationOfOperation"))
    );
}
