//! A small client: tokens, CSRs and calls, made with OpenSSL and reqwest.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use intune_fake::{Clock, Fake, Options, Tenant};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use openssl::stack::Stack;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Builder, X509Name, X509ReqBuilder};
use serde_json::{Value, json};

/// 2026-11-30T14:00:00Z.
pub(crate) const NOW: i64 = 1_796_047_200;

pub(crate) const GRAPH: &str = "https://graph.microsoft.com/.default";
pub(crate) const INTUNE: &str = "https://api.manage.microsoft.com//.default";
pub(crate) const DISCOVERY: &str =
    "/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints";

/// A fake whose clock stands.
pub(crate) async fn fake() -> Fake {
    Fake::start(Options::new(Clock::standing(NOW)))
        .await
        .unwrap()
}

/// A client without TLS and without any proxy.
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.build().unwrap()
}

/// Status and JSON of an answer.
pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
    )
}

/// `application/x-www-form-urlencoded`, by hand.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(fields).unwrap()
}

/// POSTs a form to a tenant's token endpoint.
pub(crate) async fn post_form(fake: &Fake, tenant: &str, body: String) -> (u16, Value) {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", fake.urls().entra);
    let request = http()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    read(request.send().await.unwrap()).await
}

/// The form of a token by secret.
pub(crate) fn by_secret(tenant: &Tenant, scope: &str) -> String {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &tenant.client_id),
        ("client_secret", &tenant.secrets[0].value),
        ("scope", scope),
    ])
}

/// A token of contoso's app.
pub(crate) async fn token(fake: &Fake, scope: &str) -> String {
    let tenant = &fake.tenants()[0];
    let (status, body) = post_form(fake, &tenant.id, by_secret(tenant, scope)).await;
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

/// GETs from Graph.
pub(crate) async fn get(fake: &Fake, token: &str, target: &str) -> (u16, Value) {
    let request = http()
        .get(format!("{}{target}", fake.urls().graph))
        .bearer_auth(token)
        .header("client-request-id", GUID);
    read(request.send().await.unwrap()).await
}

pub(crate) const GUID: &str = "9d9d1c5a-0d0b-4a6b-8a4e-3f0a2b1c4d5e";

/// The URL of a service by discovery.
pub(crate) async fn service(fake: &Fake, name: &str) -> String {
    let graph = token(fake, GRAPH).await;
    let (status, body) = get(fake, &graph, DISCOVERY).await;
    assert_eq!(status, 200, "{body}");
    let services = body["value"].as_array().unwrap();
    let service = services.iter().find(|one| one["providerName"] == name);
    service.unwrap()["uri"].as_str().unwrap().to_owned()
}

/// A call to one of Intune's services, with all headers that it wants.
pub(crate) struct Call {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) version: &'static str,
}

impl Call {
    /// Where SCEP requests are validated.
    pub(crate) async fn scep(fake: &Fake) -> Call {
        Call {
            url: service(fake, "ScepRequestValidationFEService").await + "/ScepActions/",
            token: token(fake, INTUNE).await,
            version: "2018-02-20",
        }
    }

    /// Where revocation requests are.
    pub(crate) async fn revocation(fake: &Fake) -> Call {
        let url = service(fake, "PkiConnectorFEService").await;
        Call {
            url: url + "/CertificateAuthorityRequests/",
            token: token(fake, INTUNE).await,
            version: "5019-05-05",
        }
    }

    pub(crate) fn request(&self, action: &str, body: &Value) -> reqwest::RequestBuilder {
        http()
            .post(format!("{}{action}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json; charset=utf-8")
            .header("api-version", self.version)
            .header("client-request-id", GUID)
            .body(body.to_string())
    }

    pub(crate) async fn post(&self, action: &str, body: &Value) -> (u16, Value) {
        read(self.request(action, body).send().await.unwrap()).await
    }

    /// The code of a validation.
    pub(crate) async fn validate(&self, transaction: &str, csr: &str) -> String {
        let body = json!({"request": {"transactionId": transaction, "certificateRequest": csr,
            "callerInfo": "test/1"}});
        let (status, body) = self.post("validateRequest", &body).await;
        assert_eq!(status, 200, "{body}");
        body["code"].as_str().unwrap().to_owned()
    }
}

/// A success notification.
pub(crate) fn success(transaction: &str, csr: &str) -> Value {
    json!({"notification": {
        "transactionId": transaction,
        "certificateRequest": csr,
        "certificateThumbprint": "0123456789ABCDEF0123456789ABCDEF01234567",
        "certificateSerialNumber": "0A1B2C",
        "certificateExpirationDateUtc": "2027-01-31T12:00:00.000Z",
        "issuingCertificateAuthority": "Example CA",
        "callerInfo": "test/1",
        "caConfiguration": "corp",
        "certificateAuthority": "Example CA",
    }})
}

/// A failure notification.
pub(crate) fn failure(transaction: &str, csr: &str) -> Value {
    json!({"notification": {
        "transactionId": transaction,
        "certificateRequest": csr,
        "hResult": -2_147_467_259_i64,
        "errorDescription": "the issuer is away",
        "callerInfo": "test/1",
    }})
}

/// An RSA key of 2048 bits, the same for all tests of this process.
pub(crate) fn key() -> PKey<Private> {
    static KEY: LazyLock<PKey<Private>> = LazyLock::new(another_key);
    KEY.clone()
}

/// One of its own.
pub(crate) fn another_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

/// A CSR in base64 with a common name, DNS names and a challenge.
pub(crate) fn csr(
    key: &PKey<Private>,
    name: &str,
    dns: &[&str],
    challenge: Option<&str>,
) -> String {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let mut builder = X509ReqBuilder::new().unwrap();
    builder.set_version(0).unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder.set_pubkey(key).unwrap();
    if !dns.is_empty() {
        let mut names = SubjectAlternativeName::new();
        dns.iter().for_each(|dns| {
            names.dns(dns);
        });
        let names = names.build(&builder.x509v3_context(None)).unwrap();
        let mut extensions = Stack::new().unwrap();
        extensions.push(names).unwrap();
        builder.add_extensions(&extensions).unwrap();
    }
    builder.sign(key, MessageDigest::sha256()).unwrap();
    let der = builder.build().to_der().unwrap();
    let der = match challenge {
        Some(challenge) => with_challenge(&der, challenge, key),
        None => der,
    };
    STANDARD.encode(der)
}

/// OpenSSL's bindings cannot set challengePassword: put it among the attributes and sign again.
fn with_challenge(der: &[u8], challenge: &str, key: &PKey<Private>) -> Vec<u8> {
    let (info, _) = element(content(der).0);
    let inside = content(info).0;
    let mut fields = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (field, after) = element(rest);
        fields.push(field);
        rest = after;
    }
    // PrintableString
    let value = wrap(0x31, &wrap(0x13, challenge.as_bytes()));
    let oid = hex::decode("06092a864886f70d010907").unwrap();
    let attribute = wrap(0x30, &[oid, value].concat());
    let known = fields
        .get(3)
        .map_or(&[][..], |attributes| content(attributes).0);
    let attributes = wrap(0xa0, &[known, &attribute].concat());
    let info = wrap(
        0x30,
        &[fields[0], fields[1], fields[2], &attributes].concat(),
    );
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    let signature = signer.sign_oneshot_to_vec(&info).unwrap();
    let algorithm = hex::decode("300d06092a864886f70d01010b0500").unwrap();
    let bits = wrap(0x03, &[&[0], &signature[..]].concat());
    wrap(0x30, &[info, algorithm, bits].concat())
}

fn header(der: &[u8]) -> (usize, usize) {
    let short = usize::from(der[1]);
    if short < 0x80 {
        return (2, short);
    }
    let count = short - 0x80;
    let length = der[2..2 + count]
        .iter()
        .fold(0, |sum, octet| sum * 256 + usize::from(*octet));
    (2 + count, length)
}

fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = header(der);
    der.split_at(head + length)
}

fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = header(der);
    der[head..].split_at(length)
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut octets = vec![tag];
    match length {
        0..0x80 => octets.push(u8::try_from(length).unwrap()),
        _ => {
            octets.push(0x82);
            octets.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            if length < 0x100 {
                octets.truncate(1);
                octets.extend_from_slice(&[0x81, u8::try_from(length).unwrap()]);
            }
        }
    }
    octets.extend_from_slice(content);
    octets
}

/// A self-signed certificate of a key.
pub(crate) fn certificate(key: &PKey<Private>) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "app").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

/// How an assertion is signed.
#[derive(Clone, Copy)]
pub(crate) enum Signs {
    Ps256 { salt: i32 },
    Rs256,
}

/// A JWT.
pub(crate) fn jwt(header: &Value, claims: &Value, key: &PKey<Private>, signs: Signs) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    if let Signs::Ps256 { salt } = signs {
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        signer
            .set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))
            .unwrap();
    }
    signer.update(signed.as_bytes()).unwrap();
    let signature = signer.sign_to_vec().unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
