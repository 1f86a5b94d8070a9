//! Google Certificate Authority Service, as its documents have it.

use issuer_fakes::{Fake, Fault, Kind, Operation};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::x509::X509;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::client::{KEY, NOW, csr, fake, http, names, on_crl, pem, read, subject, verified};

const POOL: &str = "projects/fake/locations/europe-west3/caPools/devices";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A fake, somebody who trusts it, and an access token of the machine's account.
async fn machine() -> (Fake, Client, String) {
    let fake = fake(Kind::GoogleCas).await;
    let client = http(&fake, None);
    let token = of_metadata(&fake, &client).await;
    (fake, client, token)
}

async fn of_metadata(fake: &Fake, client: &Client) -> String {
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let request = client.get(format!("{}/{path}", fake.metadata_url()));
    let request = request.header("metadata-flavor", "Google");
    let (status, answer) = read(request.send().await.unwrap()).await;
    assert_eq!((status, &answer["expires_in"]), (200, &json!(3599)));
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn call(
    (fake, client, token): &(Fake, Client, String),
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let request = client.request(method, format!("{}/v1/{path}", fake.url()));
    let request = request.bearer_auth(token).body(body.to_string());
    read(request.send().await.unwrap()).await
}

/// A certificate as it is asked for, in the order of the RDNs.
fn wanted(lifetime: &str) -> Value {
    let key = String::from_utf8(KEY.public_key_to_pem().unwrap()).unwrap();
    let key = openssl::base64::encode_block(key.as_bytes());
    json!({
        "lifetime": lifetime,
        "subjectMode": "RDN_SEQUENCE",
        "config": {
            "subjectConfig": {
                "subject": {"rdnSequence": [
                    {"attributes": [{"type": "COMMON_NAME", "value": "laptop-1"}]},
                    {"attributes": [{"objectId": {"objectIdPath": [2, 5, 4, 10]}, "value": "Example"}]},
                ]},
                "subjectAltName": {
                    "dnsNames": ["laptop-1.example.org"], "emailAddresses": ["laptop-1@example.org"],
                    "ipAddresses": ["192.0.2.7"],
                },
            },
            "x509Config": {
                "keyUsage": {
                    "baseKeyUsage": {"digitalSignature": true},
                    "extendedKeyUsage": {"clientAuth": true},
                },
                "caOptions": {"isCa": false},
            },
            "publicKey": {"format": "PEM", "key": key},
        },
    })
}

fn certificate(answer: &Value) -> X509 {
    X509::from_pem(answer["pemCertificate"].as_str().unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_certificate_is_what_its_configuration_says() {
    let all = machine().await;
    let path = format!("{POOL}/certificates?certificateId=tx-1");
    let (status, answer) = call(&all, Method::POST, &path, &wanted("2592000s")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["name"], format!("{POOL}/certificates/tx-1"));
    let made = verified(&all.0, &certificate(&answer).to_der().unwrap());
    assert_eq!(subject(&made), "CN=laptop-1, O=Example");
    assert_eq!(
        names(&made),
        ["laptop-1.example.org", "laptop-1@example.org"]
    );
    assert!(made.public_key().unwrap().public_eq(&KEY));
    let issued = &all.0.issued()[0];
    assert_eq!(issued.not_after, NOW + 2_592_000);
    assert_eq!(answer["pemCertificateChain"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer["certificateDescription"]["subjectDescription"]["hexSerialNumber"],
        issued.serial.as_str()
    );
    assert!(all.0.problems().is_empty(), "{:?}", all.0.problems());
}

#[tokio::test]
async fn an_id_names_one_certificate_for_ever_and_a_request_for_an_hour() {
    let all = machine().await;
    let path = |id: &str, request: &str| {
        format!("{POOL}/certificates?certificateId={id}&requestId={request}")
    };
    let (one, two) = (
        "0d5a1441-5891-453b-becf-a2e5f6ea3749",
        "1d5a1441-5891-453b-becf-a2e5f6ea3749",
    );
    let (_, first) = call(&all, Method::POST, &path("tx-1", one), &wanted("86400s")).await;
    let (_, again) = call(&all, Method::POST, &path("tx-1", one), &wanted("86400s")).await;
    assert_eq!(first["pemCertificate"], again["pemCertificate"]);
    let (status, taken) = call(&all, Method::POST, &path("tx-1", two), &wanted("86400s")).await;
    assert_eq!(
        (status, &taken["error"]["status"]),
        (409, &json!("ALREADY_EXISTS"))
    );
    all.0.clock().advance(3601);
    // The token has ended by then.
    let (status, _) = call(&all, Method::GET, POOL, &Value::Null).await;
    assert_eq!(status, 401);
    let token = of_metadata(&all.0, &all.1).await;
    let all = (all.0, all.1, token);
    let (status, _) = call(&all, Method::POST, &path("tx-1", one), &wanted("86400s")).await;
    assert_eq!(status, 409, "the request is forgotten, the id is not");
    assert_eq!(all.0.issued().len(), 1);
    let (_, found) = call(
        &all,
        Method::GET,
        &format!("{POOL}/certificates/tx-1"),
        &Value::Null,
    )
    .await;
    assert_eq!(found["pemCertificate"], first["pemCertificate"]);
    for (id, request) in [
        ("a.b", two),
        ("", two),
        ("tx-2", "1"),
        ("tx-2", "00000000-0000-0000-0000-000000000000"),
    ] {
        let (status, _) = call(&all, Method::POST, &path(id, request), &wanted("86400s")).await;
        assert_eq!(status, 400, "{id} {request}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_found_by_its_serial_number_and_on_the_crl() {
    let all = machine().await;
    let path = format!("{POOL}/certificates?certificateId=tx-1");
    let (_, answer) = call(&all, Method::POST, &path, &wanted("86400s")).await;
    let filter = format!(
        "{POOL}/certificates?filter=certificate_description.subject_description.hex_serial_number:{}",
        all.0.issued()[0].serial
    );
    let (_, listed) = call(&all, Method::GET, &filter, &Value::Null).await;
    assert_eq!(listed["certificates"][0]["name"], answer["name"]);
    assert!(listed["certificates"][0]["revocationDetails"].is_null());
    let revoke = format!("{POOL}/certificates/tx-1:revoke");
    let reason = json!({"reason": "KEY_COMPROMISE"});
    let (status, revoked) = call(&all, Method::POST, &revoke, &reason).await;
    assert_eq!(status, 200);
    assert_eq!(
        revoked["revocationDetails"]["revocationState"],
        "KEY_COMPROMISE"
    );
    let (status, _) = call(&all, Method::POST, &revoke, &reason).await;
    assert_eq!(status, 400, "twice");
    let (_, authority) = call(
        &all,
        Method::GET,
        &format!("{POOL}/certificateAuthorities"),
        &Value::Null,
    )
    .await;
    let crl = &authority["certificateAuthorities"][0]["accessUrls"]["crlAccessUrls"][0];
    let crl = all.1.get(crl.as_str().unwrap()).send().await.unwrap();
    let crl = crl.bytes().await.unwrap();
    assert!(on_crl(&all.0, &crl, &certificate(&answer)));
    assert!(all.0.problems().is_empty(), "{:?}", all.0.problems());
}

#[tokio::test]
async fn the_pool_cuts_adds_and_forbids() {
    let all = machine().await;
    all.0.settings(|settings| {
        settings.google_cas.maximum_lifetime = Some(3600);
        settings.google_cas.baseline_usages = vec!["1.3.6.1.5.5.7.3.1".to_owned()];
    });
    let path = |id: &str| format!("{POOL}/certificates?certificateId={id}");
    let (_, answer) = call(&all, Method::POST, &path("tx-1"), &wanted("86400s")).await;
    assert_eq!(all.0.issued()[0].not_after, NOW + 3600);
    let text = String::from_utf8(certificate(&answer).to_text().unwrap()).unwrap();
    assert!(
        text.contains("TLS Web Client Authentication, TLS Web Server Authentication"),
        "{text}"
    );
    let csr = json!({"lifetime": "60s", "pemCsr": pem("CERTIFICATE REQUEST", &csr("laptop-2"))});
    let (status, _) = call(&all, Method::POST, &path("tx-2"), &csr).await;
    assert_eq!(status, 200);
    all.0.settings(|settings| {
        settings.google_cas.allow_config = false;
        settings.google_cas.allow_csr = false;
    });
    for body in [wanted("60s"), csr] {
        let (status, answer) = call(&all, Method::POST, &path("tx-3"), &body).await;
        assert_eq!(
            (status, &answer["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT"))
        );
    }
    all.0
        .settings(|settings| settings.google_cas.ca_state = "DISABLED".to_owned());
    let (_, answer) = call(&all, Method::POST, &path("tx-3"), &wanted("60s")).await;
    assert_eq!(answer["error"]["status"], "FAILED_PRECONDITION");
    all.0.settings(|settings| {
        settings.google_cas = issuer_fakes::GoogleCasSettings::default();
        settings.google_cas.tier = "DEVOPS".to_owned();
    });
    let (_, answer) = call(
        &all,
        Method::POST,
        &format!("{POOL}/certificates"),
        &wanted("60s"),
    )
    .await;
    assert_eq!(answer["name"], "");
    let (status, _) = call(&all, Method::GET, &path("tx-1"), &Value::Null).await;
    assert_eq!(status, 400, "it keeps none");
}

#[tokio::test]
async fn what_is_of_no_known_form_is_refused() {
    let all = machine().await;
    let path = format!("{POOL}/certificates?certificateId=tx-1");
    let change = |place: &str, value: Value| {
        let mut body = wanted("60s");
        *body.pointer_mut(place).unwrap() = value;
        body
    };
    for body in [
        change("/lifetime", json!("60")),
        change("/lifetime", json!("-1s")),
        change("/subjectMode", json!("DEFAULT")),
        change("/config/publicKey/format", json!("DER")),
        change("/config/publicKey/key", json!("AAAA")),
        change("/config/x509Config/caOptions/isCa", json!(true)),
        change(
            "/config/x509Config/keyUsage/baseKeyUsage",
            json!({"signing": true}),
        ),
        change(
            "/config/subjectConfig/subject",
            json!({"rdnSequence": [{"attributes": []}]}),
        ),
        change(
            "/config/subjectConfig/subjectAltName",
            json!({"customSans": [{"value": "BQA="}]}),
        ),
        change(
            "/config/subjectConfig/subjectAltName",
            json!({"ipAddresses": ["x"]}),
        ),
        json!({"lifetime": "60s"}),
        json!({"lifetime": "60s", "names": []}),
    ] {
        let (status, answer) = call(&all, Method::POST, &path, &body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(400)),
            "{body}"
        );
    }
    assert!(all.0.issued().is_empty());
}

/// An assertion of the service account, with these claims changed.
fn assertion(fake: &Fake, change: impl Fn(&mut Value)) -> String {
    let file: Value = serde_json::from_str(&fake.google_key_file()).unwrap();
    let encode = |octets: &[u8]| {
        let text = openssl::base64::encode_block(octets);
        text.replace('+', "-")
            .replace('/', "_")
            .trim_end_matches('=')
            .to_owned()
    };
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": file["private_key_id"]});
    let mut claims = json!({
        "iss": file["client_email"], "aud": file["token_uri"], "scope": SCOPE,
        "iat": NOW, "exp": NOW + 3600,
    });
    change(&mut claims);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let key = PKey::private_key_from_pem(file["private_key"].as_str().unwrap().as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let proof = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(&proof))
}

#[tokio::test]
async fn a_service_account_gets_tokens_by_its_key() {
    let fake = fake(Kind::GoogleCas).await;
    let client = http(&fake, None);
    let ask = |assertion: String| {
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        let request = client.post(format!("{}/token", fake.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        async move { read(request.body(form).send().await.unwrap()).await }
    };
    let (status, answer) = ask(assertion(&fake, |_| {})).await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    let request = client.get(format!("{}/v1/{POOL}/certificateAuthorities", fake.url()));
    let (status, _) = read(request.bearer_auth(token).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let changes: [fn(&mut Value); 5] = [
        |claims| claims["iss"] = json!("somebody@fake.iam.gserviceaccount.com"),
        |claims| claims["aud"] = json!("https://elsewhere.example/token"),
        |claims| claims["scope"] = json!("openid"),
        |claims| claims["exp"] = json!(NOW + 7200),
        |claims| claims["iat"] = json!(NOW + 600),
    ];
    for change in changes {
        let (status, answer) = ask(assertion(&fake, change)).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    }
    let mut forged = assertion(&fake, |_| {});
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    assert_eq!(
        ask(forged).await.1["error_description"],
        "Invalid JWT Signature."
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test]
async fn a_workload_exchanges_its_token() {
    let fake = fake(Kind::GoogleCas).await;
    let client = http(&fake, None);
    let ask = |subject: &'static str| {
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fa%2Fproviders%2Fb&subject_token={subject}"
        );
        let request = client.post(format!("{}/v1/token", fake.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        async move { read(request.body(form).send().await.unwrap()).await }
    };
    assert_eq!(ask("another").await.0, 400);
    let (_, answer) = ask("s3cret.of-the.workload").await;
    let url =
        "v1/projects/-/serviceAccounts/scepd@fake.iam.gserviceaccount.com:generateAccessToken";
    let request = client.post(format!("{}/{url}", fake.url()));
    let request = request.bearer_auth(answer["access_token"].as_str().unwrap());
    let body = json!({"scope": [SCOPE]}).to_string();
    let (status, answer) = read(request.body(body).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["accessToken"].as_str().unwrap().starts_with("ya29."));
    assert_eq!(fake.count(Operation::Login), 3);
}

#[tokio::test]
async fn whoever_has_no_token_is_refused() {
    let all = machine().await;
    let stranger = (all.0, all.1, "ya29.none".to_owned());
    let (status, answer) = call(
        &stranger,
        Method::GET,
        &format!("{POOL}/certificateAuthorities"),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (status, &answer["error"]["status"]),
        (401, &json!("UNAUTHENTICATED"))
    );
    stranger.0.fail(
        Operation::Login,
        Some(1),
        Fault::Status {
            status: 503,
            retry_after: None,
        },
    );
    let url = format!(
        "{}/computeMetadata/v1/instance/service-accounts/default/token",
        stranger.0.metadata_url()
    );
    let away = stranger
        .1
        .get(&url)
        .header("metadata-flavor", "Google")
        .send()
        .await
        .unwrap();
    assert_eq!(away.status().as_u16(), 503);
    let bare = stranger.1.get(&url).send().await.unwrap();
    assert_eq!(bare.status().as_u16(), 403, "Metadata-Flavor is needed");
}
