//! Each kind of credential, each cloud by its own names, a proxy.

use actors::Clock;
use intune_fake::{Clock as FakeClock, Fake, Fault, Mint, Operation, Options, Service};
use issuer::create_root;
use pki::{Curve, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::Reply;

use super::{Cloud, PROFILE, fake_of, options_of, request, tenant_with};
use crate::crash::Process;
use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{TestEnv, trusting};

/// A device enrolls with this credential; the fake.
async fn enrolls(credential: impl FnOnce(&TestEnv, &Fake) -> String) -> Fake {
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    let section = tenant_with(&fake, &credential(&env, &fake));
    let cloud = Cloud::of(env.with(&section), fake, "").await;
    let request = cloud.request();
    let certificate = issued(cloud.device.post(&request).await);
    cloud.told_of(&request, &certificate);
    cloud.is_clean();
    cloud.fake
}

/// A self-signed RSA certificate, registered on the app of the first tenant; the settings that name it.
fn app_certificate(env: &TestEnv, fake: &Fake) -> String {
    let tenant = fake.tenants().remove(0).id;
    app_certificate_of(env, fake, &tenant)
}

/// The same of any tenant.
pub(super) fn app_certificate_of(env: &TestEnv, fake: &Fake, tenant: &str) -> String {
    let name = Name::parse("CN=scepd").unwrap();
    let now = env.clock.now();
    let (certificate, key) = create_root(&name, KeyKind::Rsa { bits: 2048 }, now, 1).unwrap();
    let pem = certificate.to_pem();
    fake.tenant(tenant, |tenant| tenant.certificates = vec![pem.clone()]);
    let (certificate, key) = (
        env.file("app.pem", pem.as_bytes()),
        env.file("app.key", key.to_pkcs8_pem().unwrap().as_bytes()),
    );
    format!(
        "client_cert_path = '{}'\nclient_key_path = '{}'",
        certificate.display(),
        key.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_in_both_forms() {
    for (assertion, algorithm) in [("ps256", "PS256"), ("rs256", "RS256")] {
        let fake = enrolls(|env, fake| {
            format!("{}\nassertion = '{assertion}'", app_certificate(env, fake))
        })
        .await;
        let call = fake.calls_of(Operation::Token).remove(0);
        let text = call.body["client_assertion"].as_str().unwrap();
        let header = text.split('.').next().unwrap();
        use base64::Engine;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(header)
            .unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["alg"], algorithm);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_may_stand_in_a_file() {
    enrolls(|env, _| {
        let path = env.file("secret", b"contoso-secret\n");
        format!("client_secret_file = '{}'", path.display())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_providers_token_is_read_anew() {
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    let tenant = fake.tenants().remove(0).id;
    let token = fake.foreign_token(&tenant, 600).unwrap();
    let path = env.file("token", token.as_bytes());
    let section = tenant_with(
        &fake,
        &format!("federated_token_file = '{}'", path.display()),
    );
    let cloud = Cloud::of(env.with(&section), fake, "").await;
    issued(cloud.device.post(&cloud.request()).await);
    // An hour later the file has another token.
    cloud.pass(3700);
    let token = cloud.fake.foreign_token(&tenant, 600).unwrap();
    cloud.server.env.replace("token", token.as_bytes());
    issued(cloud.device.post(&cloud.request()).await);
    // Intune's services are known already.
    assert_eq!(cloud.fake.count(Operation::Token), 3);
    cloud.is_clean();
}

/// The real binary with this environment.
async fn enrolls_in(environment: impl FnOnce(&Fake) -> Vec<(&'static str, String)>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fake = Fake::start(Options::new(FakeClock::system()))
        .await
        .unwrap();
    let section = tenant_with(&fake, "managed_identity = true");
    let env = TestEnv::new().with(&section).profile("corp", PROFILE);
    let (config, environment) = (env.write_config(), environment(&fake));
    let process = tokio::task::block_in_place(|| Process::start_in(&config, &environment));
    let http = trusting(&env.ca).build().unwrap();
    let device = Device::at(process.url.clone(), http, device_key()).await;
    let request = request(&device, &fake.mint(Mint::default()).unwrap());
    let certificate = issued(device.post(&request).await);
    super::told_of(&fake, &request, &certificate);
    assert_eq!(fake.count(Operation::ManagedIdentity), 2);
    assert_eq!(fake.count(Operation::Token), 0);
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn app_service_gives_tokens() {
    enrolls_in(|fake| {
        vec![
            (
                "IDENTITY_ENDPOINT",
                format!("{}/msi/token", fake.urls().metadata),
            ),
            ("IDENTITY_HEADER", fake.identity_header()),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_machine_gives_tokens() {
    enrolls_in(|fake| vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.urls().metadata)]).await;
}

/// A tenant of one of Microsoft's clouds, all of it behind a proxy that asks nobody else and is all these hosts.
async fn proxied(cloud: &str, further: &str, hosts: &str, base: &str, settings: &str) -> Cloud {
    let env = TestEnv::new();
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let names = SubjectAltNames::parse(hosts).unwrap();
    let now = env.clock.now();
    let chain = env.local.issue_tls(key.public_key(), &names, now).unwrap();
    let mut options = options_of(&env.clock);
    options.tls = Some((chain.to_pem(), key.to_pkcs8_pem().unwrap().to_string()));
    let fake = Fake::start(options).await.unwrap();
    fake.settings(|settings| settings.services_base = Some(base.to_owned()));
    let tenant = fake.tenants().remove(0);
    let section = format!(
        "[[tenant]]\nid = 'contoso'\ntenant = '{}'\nclient_id = '{}'\nclient_secret = 'contoso-secret'\n\
         cloud = '{cloud}'\nproxy = '{}'\nca_bundle_path = '{}'\n{further}",
        tenant.domain,
        tenant.client_id,
        fake.urls().proxy,
        env.dir().join("ca.pem").display()
    );
    Cloud::of(env.with(&section), fake, settings).await
}

/// A list of services that names somebody else: no challenge goes there, whoever made the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_discovery_gets_nothing() {
    for host in ["evil.example", "manage.microsoft.com.evil.example"] {
        let hosts = format!(
            "dns:login.microsoftonline.com,dns:graph.microsoft.com,dns:fef.manage.microsoft.com,dns:{host}"
        );
        let base = "https://fef.manage.microsoft.com";
        let cloud = proxied("global", "", &hosts, base, "answer_within = '1s'").await;
        let forged = Fault::Forged {
            uri: Some(format!("https://{host}/RACerts")),
        };
        cloud.fake.fail(Operation::Discovery, None, forged);
        let request = cloud.request();
        assert!(matches!(cloud.device.post(&request).await, Reply::Pending));
        assert!(cloud.fake.count(Operation::Discovery) > 0);
        let called = |cloud: &Cloud| {
            let calls = cloud.fake.calls().into_iter();
            calls
                .filter(|call| matches!(call.service, Service::Thief | Service::Intune))
                .count()
        };
        assert_eq!(called(&cloud), 0, "{host}");
        cloud.fake.heal();
        issued(cloud.end(&request).await);
        cloud.is_clean();
    }
}

/// Microsoft's own host names, over https, through a proxy that asks nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn each_cloud_is_reached_by_its_own_names() {
    for (cloud, further, hosts, base) in [
        (
            "global",
            "",
            "dns:login.microsoftonline.com,dns:graph.microsoft.com,dns:fef.msuc02.manage.microsoft.com",
            "https://fef.msuc02.manage.microsoft.com",
        ),
        (
            "gcc-high",
            "",
            "dns:login.microsoftonline.us,dns:graph.microsoft.us,dns:fef.msua01.manage.microsoft.us",
            "https://fef.msua01.manage.microsoft.us",
        ),
        (
            "dod",
            "",
            "dns:login.microsoftonline.us,dns:dod-graph.microsoft.us,dns:fef.msua01.manage.microsoft.us",
            "https://fef.msua01.manage.microsoft.us",
        ),
        (
            "china",
            "intune_resource = 'https://api.manage.microsoftonline.cn/'\n",
            "dns:login.partner.microsoftonline.cn,dns:microsoftgraph.chinacloudapi.cn,dns:fef.cnpasu01.manage.microsoftonline.cn",
            "https://fef.cnpasu01.manage.microsoftonline.cn",
        ),
    ] {
        let cloud = proxied(cloud, further, hosts, base, "").await;
        let request = cloud.request();
        let certificate = issued(cloud.device.post(&request).await);
        cloud.told_of(&request, &certificate);
        let calls = cloud.fake.calls();
        assert!(calls.len() >= 5 && calls.iter().all(|call| call.proxied));
        cloud.is_clean();
    }
}
