//! Microsoft's own host names over https, through the fake's proxy.

use intune_fake::{Clock, Fake, Operation, Options};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};

use crate::client::{GRAPH, NOW, another_key, by_secret, key, read};

const HOSTS: [&str; 3] = [
    "login.microsoftonline.us",
    "graph.microsoft.us",
    "fef.msua01.manage.microsoft.us",
];

fn authority() -> (X509, PKey<Private>) {
    let key = key();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "rehearsal").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    builder
        .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
        .unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

fn server_certificate(ca: &X509, ca_key: &PKey<Private>, key: &PKey<Private>) -> X509 {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(2).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_issuer_name(ca.subject_name()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    let mut names = SubjectAlternativeName::new();
    HOSTS.iter().for_each(|host| {
        names.dns(host);
    });
    let names = names
        .build(&builder.x509v3_context(Some(ca), None))
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(ca_key, MessageDigest::sha256()).unwrap();
    builder.build()
}

#[tokio::test]
async fn a_cloud_is_reached_by_its_own_names() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (ca, ca_key) = authority();
    let tls_key = another_key();
    let pem = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let chain = server_certificate(&ca, &ca_key, &tls_key).to_pem().unwrap();
    let options = Options {
        tls: Some((pem(chain), pem(tls_key.private_key_to_pem_pkcs8().unwrap()))),
        ..Options::new(Clock::standing(NOW))
    };
    let fake = Fake::start(options).await.unwrap();
    let root = reqwest::Certificate::from_der(&ca.to_der().unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .proxy(reqwest::Proxy::all(fake.urls().proxy).unwrap())
        .build()
        .unwrap();

    let tenant = fake.tenants().remove(0);
    let ask = |scope: &str| {
        let url = format!(
            "https://login.microsoftonline.us/{}/oauth2/v2.0/token",
            tenant.id
        );
        client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(by_secret(&tenant, scope))
            .send()
    };
    let (status, body) = read(ask("https://graph.microsoft.us/.default").await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    let (status, body) = read(ask(GRAPH).await.unwrap()).await;
    assert_eq!(
        (status, &body["error_codes"][0]),
        (400, &500_011.into()),
        "another cloud"
    );

    fake.settings(|settings| {
        settings.services_base = Some("https://fef.msua01.manage.microsoft.us".to_owned());
    });
    let url = format!("https://graph.microsoft.us{}", crate::client::DISCOVERY);
    let (status, body) = read(client.get(url).bearer_auth(token).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let uri = body["value"][0]["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("https://fef.msua01.manage.microsoft.us/RACerts/"),
        "{uri}"
    );
    let response = client
        .post(format!("{uri}/ScepActions/validateRequest"))
        .body("{}");
    assert_eq!(response.send().await.unwrap().status(), 401);
    assert!(fake.calls_of(Operation::ValidateRequest)[0].proxied);
}

#[tokio::test]
async fn plain_http_goes_through_it_too() {
    let fake = crate::client::fake().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proxy = reqwest::Proxy::all(fake.urls().proxy).unwrap();
    let client = reqwest::Client::builder().proxy(proxy).build().unwrap();
    let tenant = fake.tenants().remove(0);
    let url = format!("{}/{}/oauth2/v2.0/token", fake.urls().entra, tenant.id);
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(by_secret(&tenant, GRAPH));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(fake.calls_of(Operation::Token)[0].proxied);
}
