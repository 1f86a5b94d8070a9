//! Google CAS as issuer, against a small script of its API.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{SubsecRound, Utc};
use issuer::{Found, IssueError, Issuer as _, RemoteCa as _};
use outbound::endpoint;
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name,
    PrivateKey, PublicKey, RevocationReason, RevokedEntry, Serial, SubjectAltNames,
};
use remote_issuers::google_cas::{GoogleCas, Login, Settings, subject_file};
use serde_json::{Value, json};

use crate::scripted::{self, Answer, Asked, Way};
use crate::support::*;

const POOL: &str = "projects/corp/locations/europe-west3/caPools/devices";

/// What it does instead of creating well.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Answers(Way),
    Says(u16, &'static str),
    Redirects,
    Floods(usize),
    Garbles(&'static str),
    Clips(i64),
    AddsAnEku,
    DropsNames,
    SwapsTheKey,
    IsAnImpostor,
}

struct State {
    ca: Certificate,
    key: PrivateKey,
    acts: VecDeque<Act>,
    /// By the certificate's id: the certificate, and whether it is revoked.
    made: BTreeMap<String, (Certificate, bool)>,
    asked: Vec<Value>,
    enabled: usize,
    token: String,
    /// What was sent to get a token: the path, and the body.
    logins: Vec<(String, String)>,
    url: String,
}

struct Fake(Arc<Mutex<State>>);

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    async fn start() -> Self {
        let name = Name::parse("CN=Google Sub CA").unwrap();
        let now = Utc::now() - chrono::Duration::minutes(5);
        let (ca, key) = issuer::create_root(&name, KeyKind::Ec(Curve::P256), now, 10).unwrap();
        let state = Arc::new(Mutex::new(State {
            ca,
            key,
            acts: VecDeque::new(),
            made: BTreeMap::new(),
            asked: Vec::new(),
            enabled: 1,
            token: "canary-token-1".to_owned(),
            logins: Vec::new(),
            url: String::new(),
        }));
        let shared = Arc::clone(&state);
        let address = scripted::start(move |asked| answer(asked, &mut lock(&shared))).await;
        lock(&state).url = format!("http://{address}");
        Self(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn url(&self) -> String {
        self.state().url.clone()
    }
}

fn error(status: u16, named: &str) -> Answer {
    let body =
        json!({"error": {"code": status, "message": format!("it says {named}"), "status": named}});
    Answer::new(status, body.to_string())
}

fn ok(body: Value) -> Answer {
    Answer::new(200, body.to_string())
}

fn answer(asked: &Asked, state: &mut State) -> Answer {
    let body = String::from_utf8(asked.body.clone()).unwrap();
    if let "/token"
    | "/sts"
    | "/impersonate"
    | "/computeMetadata/v1/instance/service-accounts/default/token" = asked.path.as_str()
    {
        state.logins.push((asked.path.clone(), body));
        if asked.path.starts_with("/compute")
            && asked.headers.get("metadata-flavor").map(String::as_str) != Some("Google")
        {
            return Answer::new(403, "");
        }
        let token = &state.token;
        return match asked.path.as_str() {
            "/impersonate" => {
                ok(json!({"accessToken": token, "expireTime": "2030-01-01T00:00:00Z"}))
            }
            "/sts" => ok(json!({"access_token": "canary-federated", "expires_in": 3600})),
            _ => ok(json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})),
        };
    }
    if asked.path == "/crl" {
        return Answer::new(200, crl(state));
    }
    let bearer = format!("Bearer {}", state.token);
    if asked.headers.get("authorization") != Some(&bearer) {
        return error(401, "UNAUTHENTICATED");
    }
    let path = asked.path.strip_prefix("/v1/").unwrap();
    let rest = path.strip_prefix(POOL).unwrap();
    let query = |name: &str| {
        let pairs = asked.query.split('&').filter_map(|one| one.split_once('='));
        let mut found = pairs.filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| value.to_owned())
    };
    match (asked.method.as_str(), rest) {
        ("GET", "/certificateAuthorities") => {
            let one = authority(state);
            ok(json!({"certificateAuthorities": vec![one; state.enabled]}))
        }
        ("GET", "/certificateAuthorities/one") => ok(authority(state)),
        ("GET", "/certificates") => {
            let filter = query("filter").unwrap();
            let shown = state.made.iter().filter(|(_, (made, _))| {
                filter.ends_with(
                    &made
                        .serial()
                        .to_hex()
                        .trim_start_matches("00")
                        .to_lowercase(),
                )
            });
            let shown: Vec<Value> = shown.map(|(id, made)| show(id, made)).collect();
            ok(json!({"certificates": shown}))
        }
        ("GET", rest) => match state.made.get_key_value(id_of(rest)) {
            Some((id, made)) => ok(show(id, made)),
            None => error(404, "NOT_FOUND"),
        },
        ("POST", "/certificates") => {
            let id = query("certificateId").unwrap();
            assert_eq!(query("requestId").unwrap().len(), 36);
            let body: Value = serde_json::from_str(&body).unwrap();
            create(&id, &body, state)
        }
        ("POST", rest) => {
            let id = id_of(rest.strip_suffix(":revoke").unwrap()).to_owned();
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["reason"], "KEY_COMPROMISE");
            state.made.get_mut(&id).unwrap().1 = true;
            ok(show(&id, &state.made[&id]))
        }
        _ => error(404, "NOT_FOUND"),
    }
}

fn id_of(rest: &str) -> &str {
    rest.strip_prefix("/certificates/").unwrap()
}

fn authority(state: &State) -> Value {
    json!({
        "name": format!("{POOL}/certificateAuthorities/one"),
        "state": "ENABLED",
        "pemCaCertificates": [state.ca.to_pem()],
        "accessUrls": {"crlAccessUrls": [format!("{}/crl", state.url)]},
    })
}

fn show(id: &str, (made, is_revoked): &(Certificate, bool)) -> Value {
    let mut shown = json!({
        "name": format!("{POOL}/certificates/{id}"),
        "pemCertificate": made.to_pem(),
        "pemCertificateChain": [],
    });
    if *is_revoked {
        shown["revocationDetails"] = json!({"revocationState": "KEY_COMPROMISE"});
    }
    shown
}

fn create(id: &str, body: &Value, state: &mut State) -> Answer {
    state.asked.push(body.clone());
    if state.made.contains_key(id) {
        return error(409, "ALREADY_EXISTS");
    }
    let act = state.acts.pop_front();
    match act {
        Some(Act::Says(status, named)) => return error(status, named),
        Some(Act::Redirects) => {
            return Answer::new(307, "").header("Location", "https://elsewhere.example/");
        }
        Some(Act::Floods(size)) => return Answer::new(200, vec![b' '; size]),
        Some(Act::Garbles(text)) => return Answer::new(200, text),
        _ => {}
    }
    let made = make(body, state, act.as_ref());
    state.made.insert(id.to_owned(), (made, false));
    let answer = ok(show(id, &state.made[id]));
    match act {
        Some(Act::Answers(way)) => answer.by(way),
        _ => answer,
    }
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn dotted(value: &Value) -> String {
    let arcs = value["objectIdPath"].as_array().unwrap();
    let arcs: Vec<String> = arcs.iter().map(ToString::to_string).collect();
    arcs.join(".")
}

fn make(body: &Value, state: &State, act: Option<&Act>) -> Certificate {
    assert_eq!(body["subjectMode"], "RDN_SEQUENCE");
    let config = &body["config"];
    let rdns = config["subjectConfig"]["subject"]["rdnSequence"]
        .as_array()
        .unwrap();
    let subject: Vec<String> = rdns
        .iter()
        .map(|rdn| {
            let one = &rdn["attributes"][0];
            let name = match one["type"].as_str() {
                Some("COMMON_NAME") => "CN".to_owned(),
                Some(other) => panic!("{other}"),
                None => Name::short_name(&dotted(&one["objectId"])).to_owned(),
            };
            format!("{name}={}", one["value"].as_str().unwrap())
        })
        .collect();
    let subject = Name::parse(&subject.join(", ")).unwrap();
    let names = &config["subjectConfig"]["subjectAltName"];
    let upn = names["customSans"].as_array().unwrap().iter().map(|one| {
        assert_eq!(dotted(&one["objectId"]), pki::oid::MS_UPN);
        let der = STANDARD.decode(one["value"].as_str().unwrap()).unwrap();
        assert_eq!(der[0], 0x0c, "a UTF8String in DER");
        String::from_utf8(der[2..].to_vec()).unwrap()
    });
    let sans = SubjectAltNames {
        dns: texts(&names["dnsNames"]),
        email: texts(&names["emailAddresses"]),
        upn: upn.collect(),
        uri: texts(&names["uris"]),
        ip: texts(&names["ipAddresses"])
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect(),
        other: Vec::new(),
    };
    let usage = &config["x509Config"]["keyUsage"];
    assert_eq!(
        usage["baseKeyUsage"],
        json!({"digitalSignature": true, "keyEncipherment": true})
    );
    assert_eq!(usage["extendedKeyUsage"], json!({"clientAuth": true}));
    let pem = STANDARD
        .decode(config["publicKey"]["key"].as_str().unwrap())
        .unwrap();
    let pem = String::from_utf8(pem).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let swapped = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let key = match act {
        Some(Act::SwapsTheKey) => swapped.public_key().clone(),
        _ => PublicKey::from_spki_der(&STANDARD.decode(base64).unwrap()).unwrap(),
    };
    let mut ekus = vec!["1.3.6.1.5.5.7.3.2"];
    ekus.extend((act == Some(&Act::AddsAnEku)).then_some("1.3.6.1.5.5.7.3.1"));
    let bits = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
    let mut extensions = vec![
        Extension::key_usage(bits),
        Extension::ext_key_usage(&ekus).unwrap(),
        Extension::basic_constraints(false, None),
    ];
    if !sans.is_empty() && act != Some(&Act::DropsNames) {
        extensions.push(Extension::subject_alt_names(&sans, &subject).unwrap());
    }
    let lifetime = body["lifetime"]
        .as_str()
        .unwrap()
        .strip_suffix('s')
        .unwrap();
    let lifetime = chrono::Duration::seconds(lifetime.parse().unwrap());
    let clipped = match act {
        Some(Act::Clips(days)) => chrono::Duration::days(*days),
        _ => chrono::Duration::zero(),
    };
    let now = Utc::now().trunc_subsecs(0);
    let signer = match act {
        Some(Act::IsAnImpostor) => &swapped,
        _ => &state.key,
    };
    let builder = CertificateBuilder {
        subject,
        issuer: state.ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now,
        not_after: now + lifetime - clipped,
        public_key: key,
        extensions,
    };
    builder
        .sign(signer, &signer.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

fn crl(state: &State) -> Vec<u8> {
    let now = Utc::now().trunc_subsecs(0);
    let revoked = state.made.values().filter(|(_, is_revoked)| *is_revoked);
    let builder = CrlBuilder {
        issuer: state.ca.subject().clone(),
        entries: revoked
            .map(|(made, _)| RevokedEntry {
                serial: made.serial().clone(),
                revoked_at: now,
                reason: None,
            })
            .collect(),
        number: 1,
        this_update: now,
        next_update: now + chrono::Duration::days(1),
        aki: state.ca.ski().map(<[u8]>::to_vec),
    };
    let scheme = state.key.scheme(Digest::Sha256).unwrap();
    builder.sign(&state.key, &scheme).unwrap().der().to_vec()
}

fn settings(fake: &Fake) -> Settings {
    Settings {
        pool: POOL.to_owned(),
        ca: None,
        template: None,
        login: Login::Metadata(endpoint(&fake.url()).unwrap()),
    }
}

async fn ready() -> (Fake, GoogleCas) {
    let fake = Fake::start().await;
    let google = GoogleCas::open(patient(&fake.url()), settings(&fake))
        .await
        .unwrap();
    (fake, google)
}

#[tokio::test]
async fn what_was_approved_goes_into_the_fields_and_comes_back() {
    let (fake, google) = ready().await;
    let order = order();
    google.can_express(&order.approved).unwrap();
    let certificate = issued(google.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    google.authority().made(&certificate).unwrap();
    // The same enrollment is the same certificate there.
    assert_eq!(issued(google.issue(&order).await.unwrap()), certificate);
    assert_eq!(fake.state().asked.len(), 2);

    let empty = google.newest_crl(Utc::now()).await.unwrap().unwrap();
    assert!(empty.entries().is_empty());
    for _ in 0..2 {
        google
            .revoke(&certificate, RevocationReason::KeyCompromise)
            .await
            .unwrap();
    }
    let crl = google.newest_crl(Utc::now()).await.unwrap().unwrap();
    assert!(crl.entries()[0].serial.same_number(certificate.serial()));
    let unknown = fake.state().ca.clone();
    let refused = google
        .revoke(&unknown, RevocationReason::KeyCompromise)
        .await;
    assert!(matches!(refused.unwrap_err(), IssueError::Refused(_)));
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_id_and_nothing_where_nothing_was_made() {
    let (fake, google) = ready().await;
    let order = order();
    assert!(matches!(google.find(&order).await.unwrap(), Found::Nothing));
    fake.state().acts.push_back(Act::Answers(Way::Lost));
    let error = google.issue(&order).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let Found::Issued(found) = google.find(&order).await.unwrap() else {
        panic!("it is there");
    };
    order.approved.matches(&found).unwrap();
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    for (act, contains, unheard) in [
        (Act::Answers(Way::Cut), "", true),
        (
            Act::Says(400, "INVALID_ARGUMENT"),
            "refused: it says INVALID_ARGUMENT",
            false,
        ),
        (
            Act::Says(400, "FAILED_PRECONDITION"),
            "creating the certificate: it says FAILED",
            false,
        ),
        (
            Act::Says(403, "PERMISSION_DENIED"),
            "scepd issuer role google-cas",
            false,
        ),
        (Act::Says(404, "NOT_FOUND"), "it says NOT_FOUND", false),
        (
            Act::Says(429, "RESOURCE_EXHAUSTED"),
            "too many requests",
            false,
        ),
        (Act::Says(500, "INTERNAL"), "status 500", true),
        (Act::Says(503, "UNAVAILABLE"), "not available", true),
        (Act::Redirects, "not followed", false),
        (Act::Floods((1 << 20) + 1), "larger than", true),
        (Act::Garbles("<html>"), "not JSON", true),
        (
            Act::Garbles("{\"pemCertificate\": \"x\"}"),
            "no certificate",
            true,
        ),
    ] {
        let (fake, google) = ready().await;
        fake.state().acts.push_back(act.clone());
        let (said, found) = match google.issue(&order()).await.unwrap_err() {
            IssueError::Refused(words) => (format!("refused: {words}"), false),
            IssueError::Again { why, unheard, .. } => (why, unheard),
        };
        assert!(said.contains(contains), "{act:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
        assert_eq!(found, unheard, "{act:?}: {said}");
    }
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate() {
    let fake = Fake::start().await;
    let opening = opening(
        &fake.url(),
        client(Duration::from_millis(500)),
        Hand::new().ticks(),
    );
    let google = GoogleCas::open(opening, settings(&fake)).await.unwrap();
    fake.state().acts.push_back(Act::Answers(Way::Hangs));
    let error = google.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for (act, field) in [
        (Act::Clips(30), "notAfter"),
        (Act::AddsAnEku, "extKeyUsage"),
        (Act::DropsNames, "subjectAltName (DNS)"),
        (Act::SwapsTheKey, "subjectPublicKeyInfo"),
        (Act::IsAnImpostor, "signature"),
    ] {
        let (fake, google) = ready().await;
        fake.state().acts.push_back(act.clone());
        let order = order();
        let certificate = issued(google.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| google.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{act:?}");
    }
}

#[tokio::test]
async fn several_cas_that_sign_must_be_told_apart() {
    let fake = Fake::start().await;
    fake.state().enabled = 2;
    let opened = GoogleCas::open(patient(&fake.url()), settings(&fake)).await;
    let said = opened.err().unwrap().to_string();
    assert!(said.contains("google_cas.ca"), "{said}");
    let named = Settings {
        ca: Some("one".to_owned()),
        ..settings(&fake)
    };
    let google = GoogleCas::open(patient(&fake.url()), named).await.unwrap();
    issued(google.issue(&order()).await.unwrap());
    fake.state().enabled = 0;
    let opened = GoogleCas::open(patient(&fake.url()), settings(&fake)).await;
    assert!(
        opened
            .err()
            .unwrap()
            .to_string()
            .contains("no CA of the pool")
    );
}

#[tokio::test]
async fn a_token_is_kept_to_near_its_end_and_exchanged_when_it_is_not_taken() {
    let fake = Fake::start().await;
    let hand = Hand::new();
    let opening = opening(&fake.url(), client(Duration::from_secs(20)), hand.ticks());
    let google = GoogleCas::open(opening, settings(&fake)).await.unwrap();
    google.look().await.unwrap();
    assert_eq!(fake.state().logins.len(), 1);
    hand.passes(3500);
    google.look().await.unwrap();
    assert_eq!(fake.state().logins.len(), 2);
    fake.state().token = "canary-token-2".to_owned();
    google.look().await.unwrap();
    assert_eq!(fake.state().logins.len(), 3);
}

#[tokio::test]
async fn a_service_accounts_key_signs_an_assertion() {
    let fake = Fake::start().await;
    let account = json!({
        "type": "service_account",
        "client_email": "scepd@corp.iam.gserviceaccount.com",
        "private_key_id": "canary-id",
        "private_key": *KEY.to_pkcs8_pem().unwrap(),
        "token_uri": format!("{}/token", fake.url()),
    });
    let by_key = Settings {
        login: Login::ServiceAccount(secret(&account.to_string())),
        ..settings(&fake)
    };
    GoogleCas::open(patient(&fake.url()), by_key).await.unwrap();
    let (_, form) = fake.state().logins[0].clone();
    let assertion = form
        .split('&')
        .find_map(|one| one.strip_prefix("assertion="));
    let parts: Vec<&str> = assertion.unwrap().split('.').collect();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!(claims["iss"], "scepd@corp.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], format!("{}/token", fake.url()));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 600);
    let public = KEY.public_key().spki_der();
    let verifier = josekit::jws::RS256.verifier_from_der(public).unwrap();
    josekit::jws::deserialize_compact(assertion.unwrap(), &verifier).unwrap();

    let bad = Settings {
        login: Login::ServiceAccount(secret("{\"client_email\": \"canary\"}")),
        ..settings(&fake)
    };
    let said = GoogleCas::open(patient(&fake.url()), bad)
        .await
        .err()
        .unwrap();
    let said = said.to_string();
    assert!(
        said.contains("google_cas.key_file") && !said.contains("canary"),
        "{said}"
    );
}

#[tokio::test]
async fn a_workloads_token_is_exchanged_and_the_account_impersonated() {
    let fake = Fake::start().await;
    let config = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", fake.url()),
        "service_account_impersonation_url": format!("{}/impersonate", fake.url()),
        "credential_source": {"file": "/var/run/secrets/token"},
    })
    .to_string();
    assert_eq!(
        subject_file(&config).unwrap().to_str(),
        Some("/var/run/secrets/token")
    );
    assert!(subject_file("{}").is_err());
    let by_workload = Settings {
        login: Login::Workload {
            config: secret(&config),
            subject: secret("canary-subject"),
        },
        ..settings(&fake)
    };
    let google = GoogleCas::open(patient(&fake.url()), by_workload)
        .await
        .unwrap();
    issued(google.issue(&order()).await.unwrap());
    let paths: Vec<String> = {
        let state = fake.state();
        assert!(state.logins[0].1.contains("subject_token=canary-subject"));
        state.logins.iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(paths, ["/sts", "/impersonate"]);
}
