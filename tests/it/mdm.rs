//! Challenges for one device, as each of those that hand them out gets them: the admin API, the command line, the webhook of
//! Jamf Pro and Fleet, and the NDES page with the rules of those who scrape it.

use api::{ChallengeCreated, NewChallenge};
use reqwest::Method;
use scep::client::Content;
use scepd::control::{Answer, Order, ask};
use serde_json::{Value, json};
use store::TokenRole;

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

pub(crate) const PASSWORD: &str = "a-long-password-of-jamf";
const ONE_TIME: &str = "
[one_time]
enabled = true
[jamf]
enabled = true
username = 'jamf'
password = 'a-long-password-of-jamf'
[ndes]
enabled = true
at_root = true
username = 'mdm'
password = 'a-long-password-of-jamf'
";

/// Whether a device gets a certificate with this challenge; else what it is told.
async fn enrolled(server: &Running, challenge: &str) -> Result<(), String> {
    let device = Device::of(server, "corp").await;
    let csr = device.csr(Some(challenge));
    let reply = device.post(&device.request(Content::PkcsReq(&csr))).await;
    match reply {
        scep::client::Reply::Failure { .. } => Err(refused(reply).1),
        reply => {
            issued(reply);
            Ok(())
        }
    }
}

fn reason(server: &Running) -> Option<String> {
    let events = server.events("scep_pkcsreq");
    events.first()?.event.details.reason.clone()
}

/// It is good for one device, and for no second one.
pub(crate) async fn is_good_once(server: &Running, challenge: &str) {
    assert_eq!(enrolled(server, challenge).await, Ok(()));
    let told = enrolled(server, challenge).await.unwrap_err();
    assert_eq!(told, "the challenge was refused");
    assert_eq!(reason(server).as_deref(), Some("challenge_used"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_makes_lists_and_withdraws_within_what_a_token_may() {
    let server = TestEnv::new()
        .profile("corp", ONE_TIME)
        .profile("iot", "[one_time]\nenabled = true\nlength = 32")
        .profile("old", "")
        .start()
        .await;
    let path = "/api/v1/challenges";
    let admin = server.admin().await;
    let made = admin
        .post(
            "/api/v1/admin/tokens",
            r#"{"name":"mdm","role":"challenge","profile":"corp"}"#,
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let mdm = server.with_token(&secret);

    let made = mdm.post(path, r#"{"profile":"corp"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let value = made.json()["challenge"].as_str().unwrap().to_owned();
    assert_eq!(value.len(), 16);
    is_good_once(&server, &value).await;

    for (body, status) in [
        (r#"{"profile":"iot"}"#, 403),
        (r#"{"profile":"corp","uses":0}"#, 400),
        (r#"{"profile":"corp","lifetime_seconds":3601}"#, 400),
        (r#"{"profile":"corp","certificate_profile":"other"}"#, 400),
        (r#"{"profile":"corp","sans":"nonsense"}"#, 400),
        (r#"{"profile":"corp","extra":1}"#, 400),
    ] {
        let answer = mdm.post(path, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    assert_eq!(admin.post(path, r#"{"profile":"old"}"#).await.status, 409);
    assert_eq!(admin.post(path, r#"{"profile":"gone"}"#).await.status, 404);
    assert_eq!(mdm.get("/api/v1/admin/scep/profiles").await.status, 403);

    let bound = r#"{"profile":"corp","device":"box-4","lifetime_seconds":60,"note":"for Kim"}"#;
    let bound = mdm.post(path, bound).await.json();
    let id = bound["details"]["id"].as_str().unwrap().to_owned();
    assert_eq!(bound["details"]["bound_to"], "device box-4");
    let other = admin.post(path, r#"{"profile":"iot"}"#).await.json();
    assert_eq!(other["challenge"].as_str().unwrap().len(), 32);
    let other = other["details"]["id"].as_str().unwrap().to_owned();

    let listed = mdm.get(path).await;
    assert!(!listed.text.contains(&value), "{}", listed.text);
    let listed = listed.json();
    let states: Vec<&Value> = listed["challenges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert_eq!(states, ["open", "used"], "newest first, and its own alone");
    let counts = &listed["profiles"][0];
    assert_eq!((&counts["open"], &counts["used"]), (&json!(1), &json!(1)));
    assert_eq!(counts["refused"], 1);
    let open = mdm.get(&format!("{path}?state=open")).await.json();
    assert_eq!(open["challenges"].as_array().unwrap().len(), 1);
    assert_eq!(mdm.get(&format!("{path}?profile=iot")).await.status, 403);
    let all = admin.get(path).await.json();
    assert_eq!(all["challenges"].as_array().unwrap().len(), 3);

    let delete = async |caller: &crate::test_env::Running, token: &str, id: &str| {
        let path = format!("{path}/{id}");
        let caller = caller.with_token(token);
        caller.ask(Method::DELETE, &path, None, &[]).await.status
    };
    assert_eq!(delete(&server, &secret, &other).await, 404);
    assert_eq!(delete(&server, &secret, &id).await, 200);
    assert_eq!(delete(&server, &secret, &id).await, 409);
    let value = bound["challenge"].as_str().unwrap();
    assert!(enrolled(&server, value).await.is_err());
    assert_eq!(reason(&server).as_deref(), Some("challenge_withdrawn"));
    let event = &server.events("scep_challenge_withdrawn")[0].event;
    assert_eq!((event.actor.as_str(), &event.resource_id), ("mdm", &id));
    let metrics = server.nobody().get("/metrics").await.text;
    let line = "scepd_challenges_refused_total{profile=\"corp\",reason=\"challenge_withdrawn\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_lists_and_withdraws_at_the_running_server() {
    let server = TestEnv::new().profile("corp", ONE_TIME).start().await;
    let data_dir = server.server.config().server.data_dir.clone();
    let order = async |order: Order| {
        let dir = data_dir.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&dir, &order, &mut |_| Ok(())));
        asked.await.unwrap().unwrap()
    };
    let wanted = |profile: &str| {
        Order::CreateChallenge(NewChallenge {
            profile: profile.to_owned(),
            ..NewChallenge::default()
        })
    };
    let Answer::ChallengeMade(ChallengeCreated { challenge, details }) =
        order(wanted("corp")).await
    else {
        panic!("not made");
    };
    let Answer::Refused(words) = order(wanted("gone")).await else {
        panic!("made for a profile that is not there");
    };
    assert!(words.contains("no SCEP profile `gone`"), "{words}");
    is_good_once(&server, &challenge).await;
    let list = Order::ListChallenges {
        profile: None,
        state: None,
        limit: 10,
    };
    let Answer::Challenges(all) = order(list).await else {
        panic!("not listed");
    };
    assert_eq!((all.len(), all[0].used), (1, 1));
    assert_eq!(
        (all[0].interface.as_str(), &all[0].id),
        ("cli", &details.id)
    );
    let Answer::Refused(words) = order(Order::WithdrawChallenge { id: details.id }).await else {
        panic!("withdrawn after its end");
    };
    assert!(words.contains("it is used"), "{words}");
}

/// A call of Jamf Pro's webhook.
fn jamf(server: &Running, body: &str, password: Option<&str>) -> reqwest::RequestBuilder {
    let url = server.https("/hooks/jamf/corp");
    let call = server
        .client()
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_owned());
    match password {
        Some(password) => call.basic_auth("jamf", Some(password)),
        None => call,
    }
}

pub(crate) const JAMF: &str = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":1,"eventTimestamp":1800000000,"name":"SCEPChallenge"},
    "event":{"scepServerUrl":"https://ca/scep/corp","payloadIdentifier":"0A1B","payloadTypes":["com.apple.security.scep"]}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn jamfs_webhook_is_answered_with_the_challenge_and_nothing_else() {
    let server = TestEnv::new().profile("corp", ONE_TIME).start().await;
    // Fleet takes the whole body as the challenge.
    let fleet = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":"2","eventTimestamp":1800000000123,"name":"x"},
        "event":{"payloadIdentifier":"p","device":{"uuid":"U-1","serialNumber":"C02"}}}"#;
    for body in [JAMF, fleet] {
        let reply = jamf(&server, body, Some(PASSWORD)).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "text/plain");
        assert_eq!(reply.headers()["cache-control"], "no-store");
        let challenge = reply.text().await.unwrap();
        let is_hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        assert!(
            challenge.len() == 16 && challenge.chars().all(is_hex),
            "{challenge:?}"
        );
        is_good_once(&server, &challenge).await;
    }
    let event = &server.events("scep_challenge_made")[1].event;
    assert_eq!(
        (event.actor.as_str(), event.actor_type.as_str()),
        ("jamf", "MDM")
    );
    let bound = event.details.extra.get("bound").unwrap();
    assert!(bound.contains("0A1B"), "{bound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jamfs_webhook_refuses_strangers_xml_other_events_and_too_many() {
    let settings = ONE_TIME.replace("[jamf]\n", "[jamf]\nper_minute = 1\n");
    let server = TestEnv::new().profile("corp", &settings).start().await;
    for (password, presented) in [(None, false), (Some("wrong"), true)] {
        let reply = jamf(&server, JAMF, password).send().await.unwrap();
        assert_eq!(reply.status(), 401, "{presented}");
        let asked = reply.headers()["www-authenticate"].to_str().unwrap();
        assert!(asked.starts_with("Basic realm="), "{asked}");
    }
    let xml = jamf(&server, "<webhook/>", Some(PASSWORD))
        .send()
        .await
        .unwrap();
    assert_eq!(xml.status(), 415);
    assert!(xml.text().await.unwrap().contains("JSON"));
    let other = JAMF.replace("SCEPChallenge", "ComputerAdded");
    let other = jamf(&server, &other, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(other.status(), 400);
    let url = server.https("/hooks/jamf/corp");
    let get = server.client().get(&url).basic_auth("jamf", Some(PASSWORD));
    assert_eq!(get.send().await.unwrap().status(), 405);
    let gone = server.client().post(server.https("/hooks/jamf/gone"));
    assert_eq!(gone.send().await.unwrap().status(), 404);
    let plain = url.replace("https", "http");
    assert_ne!(plain, url);
    let http = server
        .http("corp")
        .replace("/scep/corp", "/hooks/jamf/corp");
    let plain = server
        .client()
        .post(http)
        .basic_auth("jamf", Some(PASSWORD));
    assert_eq!(
        plain.body(JAMF).send().await.unwrap().status(),
        404,
        "on https alone"
    );

    let first = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(first.status(), 200, "one a minute,");
    let limited = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(limited.status(), 429, "and no more");
    assert!(limited.headers().contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_waits_even_with_the_right_one() {
    let server = TestEnv::new()
        .profile("corp", ONE_TIME)
        .with("[admin]\nbad_token_limit = 2")
        .start()
        .await;
    for expected in [401, 401, 429] {
        let guess = jamf(&server, JAMF, Some("wrong")).send().await.unwrap();
        assert_eq!(guess.status(), expected);
    }
    let right = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(right.status(), 429);
    assert!(right.headers().contains_key("retry-after"));
    let page = server.https("/certsrv/mscep_admin/");
    let page = server.client().get(&page).basic_auth("mdm", Some(PASSWORD));
    assert_eq!(page.send().await.unwrap().status(), 429);
    server.env.clock.advance(chrono::Duration::hours(1));
    let right = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(right.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_lets_jamf_in_as_well_and_enforcing_refuses_another_profile() {
    let settings = "
[one_time]
enabled = true
[jamf]
enabled = true
header_name = 'X-Jamf-Token'
header_value = 'a-long-token-of-jamf'
binding = 'enforce'
";
    let server = TestEnv::new().profile("corp", settings).start().await;
    let call = |body: String| {
        jamf(&server, &body, None)
            .header("x-jamf-token", "a-long-token-of-jamf")
            .send()
    };
    let other = call(JAMF.to_owned()).await.unwrap().text().await.unwrap();
    assert!(enrolled(&server, &other).await.is_err());
    assert_eq!(reason(&server).as_deref(), Some("challenge_bound"));
    // The device of these tests has the common name box-4.
    let own = call(JAMF.replace("0A1B", "box-4")).await.unwrap();
    is_good_once(&server, &own.text().await.unwrap()).await;
    let wrong = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
}

/// Where a scraper looks, and what it finds.
const PHRASE: &str = "The enrollment challenge password is: <B> ";

/// Fleet: UTF-16LE when it begins with `3C 00`, else UTF-8; then `(?i)The enrollment challenge password is: <B> (\S*)`.
fn fleet(octets: &[u8]) -> Option<String> {
    let text = if octets.starts_with(&[0x3c, 0]) {
        let units: Vec<u16> = octets
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).ok()?
    } else {
        String::from_utf8(octets.to_vec()).ok()?
    };
    let at = text
        .to_ascii_lowercase()
        .find(&PHRASE.to_ascii_lowercase())?;
    let found: String = text[at + PHRASE.len()..]
        .chars()
        .take_while(|c| !c.is_whitespace())
        .collect();
    Some(found)
}

/// ManageEngine: one encoding after the other until the phrase shows up; then what stands before one of two endings.
fn manage_engine(octets: &[u8]) -> Option<String> {
    let utf16 = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = octets
            .chunks_exact(2)
            .map(|pair| read([pair[0], pair[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    let text = [
        utf16(u16::from_be_bytes),
        String::from_utf8_lossy(octets).into_owned(),
        utf16(u16::from_le_bytes),
    ]
    .into_iter()
    .find(|text| text.contains(PHRASE))?;
    let rest = text.split_once(PHRASE)?.1;
    let end = " </B> <P> This password can be used only once";
    Some(rest.split_once(end)?.0.to_owned())
}

fn page(server: &Running, method: Method, path: &str, user: &str) -> reqwest::RequestBuilder {
    let url = server.https(path);
    server
        .client()
        .request(method, url)
        .basic_auth(user, Some(PASSWORD))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ndes_page_gives_each_scraper_its_challenge_in_both_encodings() {
    for (encoding, content_type) in [
        ("utf-8", "text/html; charset=utf-8"),
        ("utf-16le", "text/html"),
    ] {
        let settings = format!("{ONE_TIME}encoding = '{encoding}'\n");
        let server = TestEnv::new().profile("corp", &settings).start().await;
        for (path, user, scraper) in [
            (
                "/certsrv/mscep_admin/",
                "mdm",
                fleet as fn(&[u8]) -> Option<String>,
            ),
            ("/CertSrv/mscep_admin", "CORP\\mdm", manage_engine),
            ("/ndes/corp/certsrv/mscep_admin/", "mdm", fleet),
            ("/ndes/corp/certsrv/mscep_admin/", "mdm", manage_engine),
        ] {
            let reply = page(&server, Method::GET, path, user).send().await.unwrap();
            assert_eq!(reply.status(), 200, "{path}");
            assert_eq!(reply.headers()["content-type"], content_type);
            assert_eq!(reply.headers()["cache-control"], "no-store");
            let octets = reply.bytes().await.unwrap();
            let challenge = scraper(&octets).expect("a challenge");
            assert_eq!(challenge.len(), 16, "{challenge}");
            is_good_once(&server, &challenge).await;
        }
        assert_eq!(server.events("scep_challenge_made").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ndes_page_makes_none_for_head_options_strangers_and_when_it_is_full() {
    let settings = ONE_TIME.replace(
        "enabled = true\n[jamf]",
        "enabled = true\nmax_open = 1\n[jamf]",
    );
    let other = "
[one_time]
enabled = true
[ndes]
enabled = true
username = 'other'
password = 'a-long-password-of-jamf'
";
    let server = TestEnv::new()
        .profile("corp", &settings)
        .profile("iot", other)
        .start()
        .await;
    let path = "/certsrv/mscep_admin/";
    for method in [Method::HEAD, Method::OPTIONS] {
        let reply = page(&server, method, path, "mdm").send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert!(reply.bytes().await.unwrap().is_empty());
    }
    let post = page(&server, Method::POST, path, "mdm")
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 405);
    let nobody = server
        .client()
        .get(server.https(path))
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), 401);
    let stranger = page(&server, Method::GET, path, "stranger")
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), 401);
    let known = page(&server, Method::GET, path, "other")
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 200);
    let text = known.text().await.unwrap();
    assert!(
        text.contains("You do not have sufficient permission to enroll with SCEP."),
        "{text}"
    );
    assert_eq!(server.events("scep_challenge_made").len(), 0);

    let first = page(&server, Method::GET, path, "mdm")
        .send()
        .await
        .unwrap();
    assert!(fleet(&first.bytes().await.unwrap()).is_some());
    let full = page(&server, Method::GET, path, "mdm")
        .send()
        .await
        .unwrap();
    assert_eq!(full.status(), 200);
    let octets = full.bytes().await.unwrap();
    assert_eq!((fleet(&octets), manage_engine(&octets)), (None, None));
    let text = String::from_utf8_lossy(&octets);
    assert!(text.contains("The password cache is full."), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_exchanges_passwords_and_a_challenge_outlives_a_restart() {
    let mut server = TestEnv::new().profile("corp", ONE_TIME).start().await;
    let made = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    let challenge = made.text().await.unwrap();
    server.env.edit(|config| {
        let profile = &mut config["profile"].as_array_mut().unwrap()[0];
        profile["jamf"]["password"] = "another-password-of-jamf".into();
    });
    server.server.reload("test").await.unwrap();
    let old = jamf(&server, JAMF, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(old.status(), 401);
    let new = jamf(&server, JAMF, Some("another-password-of-jamf"));
    assert_eq!(new.send().await.unwrap().status(), 200);
    let server = server.stop().await.start().await;
    is_good_once(&server, &challenge).await;
    let viewer = server.token("v", TokenRole::Viewer).await;
    let denied = server.with_token(&viewer).get("/api/v1/challenges").await;
    assert_eq!(denied.status, 403);
}
