//! EJBCA's REST interface.

use issuer_fakes::{Decision, EjbcaApprovalForm, Fake, Kind, Operation};
use reqwest::Client;
use serde_json::{Value, json};

use crate::client::{
    KEY, csr, csr_of, fake, http, names, on_crl, pem, read, subject, unbase64, verified,
};

const REST: &str = "/ejbca/ejbca-rest-api/v1";

pub(crate) async fn administrator() -> (Fake, Client) {
    let fake = fake(Kind::Ejbca).await;
    let client = http(&fake, Some(fake.client_identity()));
    (fake, client)
}

fn body(user: &str, csr: &[u8]) -> Value {
    json!({
        "certificate_request": pem("CERTIFICATE REQUEST", csr), "certificate_profile_name": "DEVICE",
        "end_entity_profile_name": "Devices", "certificate_authority_name": "ManagementCA",
        "username": user, "password": "pw-1", "include_chain": true, "response_format": "DER",
        "a_member_that_nobody_knows": 1,
    })
}

async fn post(fake: &Fake, client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let request = client
        .post(format!("{}{REST}{path}", fake.url()))
        .header("content-type", "application/json")
        .body(body.to_string());
    read(request.send().await.unwrap()).await
}

async fn get(fake: &Fake, client: &Client, path: &str) -> (u16, Value) {
    read(
        client
            .get(format!("{}{REST}{path}", fake.url()))
            .send()
            .await
            .unwrap(),
    )
    .await
}

async fn enroll(fake: &Fake, client: &Client, body: &Value) -> (u16, Value) {
    post(fake, client, "/certificate/pkcs10enroll", body).await
}

/// Enrolls anew and returns the answer's certificate.
pub(crate) async fn issue(fake: &Fake, client: &Client, user: &str) -> Result<Vec<u8>, Value> {
    let (status, answer) = enroll(fake, client, &body(user, &csr(user))).await;
    if status == 201 {
        Ok(unbase64(&answer["certificate"]))
    } else {
        Err(answer)
    }
}

/// The issuer's DN as it stands in a path.
fn escaped(fake: &Fake) -> String {
    fake.ca_name()
        .replace('=', "%3D")
        .replace(',', "%2C")
        .replace(' ', "%20")
}

#[tokio::test]
async fn it_enrolls_as_the_profiles_say() {
    let (fake, client) = administrator().await;
    let (status, answer) = enroll(&fake, &client, &body("scepd-1", &csr("laptop-1"))).await;
    assert_eq!(status, 201, "{answer}");
    let certificate = verified(&fake, &unbase64(&answer["certificate"]));
    assert_eq!(
        subject(&certificate),
        "CN=laptop-1, O=Example",
        "in EJBCA's order"
    );
    assert_eq!(
        names(&certificate),
        ["laptop-1.example.org", "laptop-1@example.org"]
    );
    let serial = certificate
        .serial_number()
        .to_bn()
        .unwrap()
        .to_hex_str()
        .unwrap();
    let serial = serial.trim_start_matches('0');
    assert_eq!(
        answer["serial_number"], serial,
        "upper case, without a prefix"
    );
    assert_eq!(answer["response_format"], "DER");
    let chain: Vec<Vec<u8>> = answer["certificate_chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(unbase64)
        .collect();
    assert_eq!(chain, fake.chain(), "issuer first");
    let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
    assert!(
        text.contains("TLS Web Client Authentication") && text.contains("CA:FALSE"),
        "{text}"
    );
    assert!(
        text.contains("Digital Signature, Key Encipherment"),
        "{text}"
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());

    let mut without = body("scepd-2", &csr("laptop-2"));
    without["include_chain"] = json!(false);
    without["response_format"] = json!("PKCS7");
    let (status, answer) = enroll(&fake, &client, &without).await;
    assert!(
        status == 201 && answer.get("certificate_chain").is_none(),
        "{answer}"
    );
    let pkcs7 = openssl::pkcs7::Pkcs7::from_pem(&unbase64(&answer["certificate"])).unwrap();
    assert_eq!(pkcs7.signed().unwrap().certificates().unwrap().len(), 1);
}

#[tokio::test]
async fn it_refuses_in_its_own_words() {
    let (fake, client) = administrator().await;
    let mut broken = csr("laptop-1");
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let with = |change: fn(&mut Value)| {
        let mut body = body("scepd-1", &csr("laptop-1"));
        change(&mut body);
        body
    };
    let cases = [
        (
            with(|body| body["response_format"] = Value::Null),
            400,
            "Invalid input. Incorrect response format",
        ),
        (
            with(|body| body["response_format"] = json!("PEM")),
            400,
            "Invalid input. Response format can only be DER or PKCS7",
        ),
        (
            with(|body| body["certificate_authority_name"] = json!("X")),
            400,
            "CA with name \"X\" doesn't exist",
        ),
        (
            with(|body| body["certificate_profile_name"] = json!("X")),
            400,
            "Certificate profile with name \"X\" doesn't exist",
        ),
        (
            with(|body| body["end_entity_profile_name"] = json!("X")),
            404,
            "End Entity Profile of name \"X\" was not found",
        ),
        (
            with(|body| body["certificate_request"] = json!("AAAA")),
            400,
            "Invalid certificate request",
        ),
        (body("scepd-1", &broken), 400, "Popo verification failed."),
    ];
    for (body, status, words) in cases {
        let answer = enroll(&fake, &client, &body).await;
        assert_eq!(
            answer,
            (
                status,
                json!({"error_code": status, "error_message": words})
            )
        );
    }
    assert!(fake.issued().is_empty());
    fake.settings(|settings| settings.ejbca.subject_fields = vec!["CN".to_owned()]);
    let answer = issue(&fake, &client, "scepd-1").await.unwrap_err();
    assert_eq!(
        answer["error_message"],
        "Wrong number of O fields in Subject DN."
    );
}

#[tokio::test]
async fn a_subject_and_a_key_are_of_one_username_unless_the_ca_says_otherwise() {
    let (fake, client) = administrator().await;
    let same = csr_of(&KEY, "laptop-1");
    assert_eq!(enroll(&fake, &client, &body("scepd-1", &same)).await.0, 201);
    let again = enroll(&fake, &client, &body("scepd-1", &same)).await;
    assert_eq!(again.0, 201, "the same username may have both again");
    let (status, answer) = enroll(&fake, &client, &body("scepd-2", &same)).await;
    let words = answer["error_message"].as_str().unwrap();
    assert!(
        status == 400 && words.contains("same subject DN"),
        "{answer}"
    );
    fake.settings(|settings| settings.ejbca.unique_dn = false);
    let (status, answer) = enroll(&fake, &client, &body("scepd-2", &same)).await;
    let words = answer["error_message"].as_str().unwrap();
    assert!(status == 400 && words.contains("same key"), "{answer}");
    fake.settings(|settings| settings.ejbca.unique_keys = false);
    assert_eq!(enroll(&fake, &client, &body("scepd-2", &same)).await.0, 201);
}

#[tokio::test]
async fn newer_versions_take_a_subject_and_an_end() {
    let (fake, client) = administrator().await;
    let mut asked = body("scepd-1", &csr("laptop-1"));
    asked["subject_dn"] = json!("CN=other,O=Example\\, Inc.");
    asked["end_time"] = json!("2026-12-24 12:00:00");
    let (_, answer) = enroll(&fake, &client, &asked).await;
    let certificate = verified(&fake, &unbase64(&answer["certificate"]));
    assert_eq!(subject(&certificate), "CN=other, O=Example, Inc.");
    assert_eq!(
        certificate.not_after().to_string(),
        "Dec 24 12:00:00 2026 GMT"
    );
    fake.settings(|settings| settings.ejbca.overrides = false);
    asked["username"] = json!("scepd-2");
    asked["certificate_request"] = json!(pem("CERTIFICATE REQUEST", &csr("laptop-2")));
    let (_, answer) = enroll(&fake, &client, &asked).await;
    let certificate = verified(&fake, &unbase64(&answer["certificate"]));
    assert_eq!(
        subject(&certificate),
        "CN=laptop-2, O=Example",
        "older ones do not look"
    );
    assert_eq!(
        certificate.not_after().to_string(),
        "Nov 30 14:00:00 2027 GMT"
    );
}

#[tokio::test]
async fn who_has_no_rights_is_told_so() {
    let (fake, _) = administrator().await;
    let words = |answer: Result<Vec<u8>, Value>| answer.unwrap_err()["error_message"].clone();
    let nobody = http(&fake, None);
    assert_eq!(
        words(issue(&fake, &nobody, "a").await),
        "Error no client certificate or OAuth token received for authentication."
    );
    let stranger = http(&fake, Some(fake.stranger_identity()));
    assert_eq!(
        words(issue(&fake, &stranger, "a").await),
        "Administrator is not authorized to resource /administrator. Msg: ."
    );
    let bearer = |token: String| {
        let body = body("a", &csr("a"));
        let url = format!("{}{REST}/certificate/pkcs10enroll", fake.url());
        let request = nobody
            .post(url)
            .header("authorization", format!("Bearer {token}"));
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        async { read(request.send().await.unwrap()).await }
    };
    let (status, answer) = bearer("forged".to_owned()).await;
    assert_eq!(
        (status, &answer["error_message"]),
        (
            403,
            &json!("Authentication failed using OAuth Bearer Token")
        )
    );

    let token = |secret: &str| {
        let form = format!("grant_type=client_credentials&client_id=scepd&client_secret={secret}");
        let request = nobody.post(format!("{}/oauth/token", fake.url()));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        async { read(request.send().await.unwrap()).await }
    };
    assert_eq!(
        token("wrong").await,
        (401, json!({"error": "invalid_client"}))
    );
    let (_, answer) = token("s3cret-of-the-client").await;
    let given = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(bearer(given.clone()).await.0, 201);
    fake.clock().advance(301);
    let (status, answer) = bearer(given).await;
    let said = answer["error_message"].as_str().unwrap();
    assert!(
        status == 403 && said.ends_with("JWT token has expired."),
        "{said}"
    );
}

#[tokio::test]
async fn an_approval_is_waited_for_by_its_number() {
    let (fake, client) = administrator().await;
    fake.settings(|settings| settings.approval = true);
    let (status, answer) = enroll(&fake, &client, &body("scepd-1", &csr("laptop-1"))).await;
    assert_eq!(status, 202, "{answer}");
    let id = answer["request_id"].as_u64().unwrap();
    let link = answer["link"].as_str().unwrap();
    assert!(
        link.ends_with(&format!("/ejbca/ejbca-rest-api/{id}/finalize")),
        "{link}"
    );
    let finalize = |password: &'static str| {
        let path = format!("/certificate/{id}/finalize");
        let (fake, client) = (&fake, &client);
        async move {
            let body = json!({"response_format": "DER", "password": password});
            post(fake, client, &path, &body).await
        }
    };
    let (status, answer) = finalize("pw-1").await;
    let words = answer["info_message"].as_str().unwrap();
    assert!(
        status == 202 && words.contains("is still waiting for approval"),
        "{answer}"
    );
    fake.decide(&id.to_string(), Decision::Approved).unwrap();
    assert_eq!(finalize("other").await.0, 403);
    let (status, answer) = finalize("pw-1").await;
    assert_eq!(status, 201, "{answer}");
    let certificate = verified(&fake, &unbase64(&answer["certificate"]));
    assert_eq!(subject(&certificate), "CN=laptop-1, O=Example");
    let (status, answer) = finalize("pw-1").await;
    let words = answer["error_message"].as_str().unwrap();
    assert!(
        status == 400 && words.contains("already been finalized"),
        "{answer}"
    );

    let (_, answer) = enroll(&fake, &client, &body("scepd-2", &csr("laptop-2"))).await;
    let id = answer["request_id"].as_u64().unwrap();
    fake.decide("*", Decision::Denied).unwrap();
    let path = format!("/certificate/{id}/finalize");
    let asked = json!({"response_format": "DER", "password": "pw-1"});
    let (status, answer) = post(&fake, &client, &path, &asked).await;
    let words = answer["error_message"].as_str().unwrap();
    assert!(
        status == 400 && words.contains("has been rejected"),
        "{answer}"
    );
}

#[tokio::test]
async fn versions_answer_an_approval_in_their_ways() {
    let (fake, client) = administrator().await;
    let forms = [
        (EjbcaApprovalForm::Link, 202),
        (EjbcaApprovalForm::Refused, 400),
        (EjbcaApprovalForm::Failure, 500),
    ];
    for (form, expected) in forms {
        fake.settings(|settings| {
            settings.approval = true;
            settings.ejbca.approval_form = form;
        });
        let (status, answer) = enroll(&fake, &client, &body("scepd-1", &csr("laptop-1"))).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer.get("request_id").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_username() {
    let (fake, client) = administrator().await;
    let der = issue(&fake, &client, "scepd-7").await.unwrap();
    issue(&fake, &client, "scepd-77").await.unwrap();
    let query = |property: &str, operation: &str| {
        json!({"max_number_of_results": 10,
            "criteria": [{"property": property, "value": "scepd-7", "operation": operation}]})
    };
    let path = "/certificate/search";
    let (status, answer) = post(&fake, &client, path, &query("QUERY", "EQUAL")).await;
    let found = answer["certificates"].as_array().unwrap();
    assert!(
        status == 200 && found.len() == 1 && answer["more_results"] == false,
        "{answer}"
    );
    let inner = unbase64(&found[0]["certificate"]);
    let inner: Vec<u8> = inner.into_iter().filter(|octet| *octet != b'\n').collect();
    let inner = openssl::base64::decode_block(std::str::from_utf8(&inner).unwrap()).unwrap();
    assert_eq!(inner, der, "base64 of base64");
    let (_, answer) = post(&fake, &client, path, &query("QUERY", "LIKE")).await;
    assert_eq!(answer["certificates"].as_array().unwrap().len(), 2);
    let (status, _) = post(&fake, &client, path, &query("USERNAME", "EQUAL")).await;
    assert_eq!(status, 400, "there is no such property");
    fake.settings(|settings| settings.ejbca.search = false);
    let (status, _) = post(&fake, &client, path, &query("QUERY", "EQUAL")).await;
    assert_eq!(status, 404, "the Community edition");
}

#[tokio::test]
async fn it_revokes_and_its_crl_says_so() {
    let (fake, client) = administrator().await;
    let der = issue(&fake, &client, "scepd-1").await.unwrap();
    let certificate = verified(&fake, &der);
    let serial = certificate
        .serial_number()
        .to_bn()
        .unwrap()
        .to_hex_str()
        .unwrap()
        .to_string();
    let path = format!("{REST}/certificate/{}/{serial}", escaped(&fake));
    let revoke = |query: &str| {
        let request = client.put(format!("{}{path}/revoke{query}", fake.url()));
        async { read(request.send().await.unwrap()).await }
    };
    let crl = || async {
        let path = format!(
            "/ca/{}/getLatestCrl?deltaCrl=false&crlPartitionIndex=0",
            escaped(&fake)
        );
        unbase64(&get(&fake, &client, &path).await.1["crl"])
    };
    assert!(!on_crl(&fake, &crl().await, &certificate));
    assert_eq!(
        revoke("").await.1["error_message"],
        "Invalid revocation reason."
    );
    assert_eq!(
        revoke("?reason=PRIVILEGE_WITHDRAWN").await.0,
        400,
        "EJBCA writes PRIVILEGES_WITHDRAWN"
    );
    let (status, answer) = revoke("?reason=KEY_COMPROMISE").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["revoked"], true);
    assert_eq!(answer["message"], "Successfully revoked");
    assert_eq!(answer["revocation_date"], "2026-11-30T14:00:00Z");
    assert!(on_crl(&fake, &crl().await, &certificate));
    assert_eq!(revoke("?reason=KEY_COMPROMISE").await.0, 409);
    assert_eq!(fake.issued()[0].revoked, Some((crate::client::NOW, 1)));

    let status = format!("/certificate/{}/{serial}/revocationstatus", escaped(&fake));
    assert_eq!(
        get(&fake, &client, &status).await.1["revocation_reason"],
        "KEY_COMPROMISE"
    );
    let unknown = format!("/certificate/{}/0xAB12/revocationstatus", escaped(&fake));
    assert_eq!(get(&fake, &client, &unknown).await.0, 404);
    let other = format!("/certificate/CN%3Dother/{serial}/revocationstatus");
    assert_eq!(get(&fake, &client, &other).await.0, 404);
}

#[tokio::test]
async fn it_says_what_it_is() {
    let (fake, client) = administrator().await;
    let (_, answer) = get(&fake, &http(&fake, None), "/certificate/status").await;
    assert_eq!(answer["status"], "OK", "without a login");
    let (_, answer) = get(&fake, &client, "/ca").await;
    let first = &answer["certificate_authorities"][0];
    assert_eq!(
        (&first["name"], &first["subject_dn"]),
        (&json!("ManagementCA"), &json!(fake.ca_name()))
    );
    let url = format!(
        "{}{REST}/ca/{}/certificate/download",
        fake.url(),
        escaped(&fake)
    );
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let chain = openssl::x509::X509::stack_from_pem(text.as_bytes()).unwrap();
    let chain: Vec<Vec<u8>> = chain.iter().map(|one| one.to_der().unwrap()).collect();
    assert_eq!(chain, fake.chain());
    assert_eq!(fake.count(Operation::Chain), 2);
    assert_eq!(get(&fake, &client, "/nothing").await.0, 404);
    assert_eq!(fake.problems().len(), 1, "and a call of nothing is noted");
}
