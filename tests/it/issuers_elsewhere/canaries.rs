//! No credential of an issuer comes out of the real binary: in no log line at the most talkative level, no error, no reply of
//! the admin API, no event, and no output of a command.

use std::process::Command;

use api::{Method, ROUTES};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use issuer_fakes::{Fake, Fault, Kind, Operation};
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::{Jwk, KeyPair as _};
use scep::client::Reply;
use serde_json::json;

use super::adcs::adcs_issuer;
use super::{ejbca_issuer, enrolled, fake, fake_ejbca, files, first_request, with_issuer};
use crate::admin::canary::{LOUD, token};
use crate::admin::operator::Operator;
use crate::crash::Process;
use crate::device::Device;
use crate::fake_step_ca::FakeStepCa;
use crate::fake_vault::FakeVault;
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv, trusting};
use crate::upstream_scep;

/// A profile for each way to log in, the first as the process of other tests has it.
const PROFILES: [&str; 7] = ["corp", "oauth", "cert", "pages", "ces", "step", "scep"];

const SECRET_ID: &str = "canary-secret-id-91b2";
const CLIENT_SECRET: &str = "s3cret-of-the-client";
const PASSWORD: &str = "p4ss of the account";

/// The issuers, as somebody else runs them.
struct Issuers {
    vault: FakeVault,
    oauth: Fake,
    cert: Fake,
    adcs: [Fake; 2],
    step: FakeStepCa,
    above: Running,
}

/// All of them with an environment that knows them, and the private part of each key as text.
async fn issuers() -> (Issuers, TestEnv, Vec<String>) {
    let env = TestEnv::new();
    let vault = FakeVault::start().await;
    vault.state().role["organization"] = json!(["Example"]);
    let issuer = format!(
        "type = 'vault'\nurl = '{}'\n[vault]\nrole = 'scepd'\nra_role = 'ra'\nauth = 'approle'\nrole_id = 'role-1'\n\
         secret_id = '{SECRET_ID}'",
        vault.url()
    );
    let env = with_issuer(env, "corp", &issuer);

    let oauth = fake_ejbca(&env).await;
    let [trust, ..] = files(&env, &oauth);
    let login = format!(
        "auth = 'oauth'\ntoken_url = '{}/oauth/token'\ntoken_ca_bundle_path = '{trust}'\nclient_id = 'scepd'\n\
         client_secret = '{CLIENT_SECRET}'",
        oauth.url()
    );
    let env = with_issuer(env, "oauth", &ejbca_issuer(&oauth, &trust, &login));

    let cert = fake_ejbca(&env).await;
    let [trust, client, client_key] = files(&env, &cert);
    let login = format!("client_cert_path = '{client}'\nclient_key_path = '{client_key}'");
    let env = with_issuer(env, "cert", &ejbca_issuer(&cert, &trust, &login));

    let pages = fake(Kind::Adcs, &env).await;
    let issuer = adcs_issuer(&env, &pages, "certsrv", "/certsrv");
    let env = with_issuer(env, "pages", &issuer);
    let ces = fake(Kind::Adcs, &env).await;
    let path = "/Fake-CA_CES_UsernamePassword/service.svc/CES";
    let issuer = adcs_issuer(&env, &ces, "ces", path);
    let env = with_issuer(env, "ces", &issuer);

    let mut pair = EcKeyPair::generate(EcCurve::P256).unwrap();
    pair.set_key_id(Some("key-1"));
    let step = FakeStepCa::start().await;
    let policy = issuer::CertificatePolicy::new("device");
    let template = remote_issuers::step_ca::recommended(&policy);
    step.has("scepd", &pair.to_jwk_public_key(), &template);
    let jwk: Jwk = pair.to_jwk_private_key();
    let key = env.file("step-key.json", jwk.to_string().as_bytes());
    let issuer = format!(
        "type = 'step-ca'\nurl = '{}'\n[step_ca]\nprovisioner = 'scepd'\naudience = 'https://ca.example.com/'\n\
         key_file = '{}'",
        step.url(),
        key.display()
    );
    let env = with_issuer(env, "step", &issuer);

    let signer = upstream_scep::signer();
    let above = upstream_scep::above("", &signer.0).await;
    let env = upstream_scep::below(env, "scep", &above, &signer);

    let line = |pem: &str| pem.lines().nth(2).unwrap().to_owned();
    let keys = vec![
        line(&std::fs::read_to_string(client_key).unwrap()),
        line(&signer.1.to_pkcs8_pem().unwrap()),
        jwk.parameter("d").unwrap().as_str().unwrap().to_owned(),
    ];
    let issuers = Issuers {
        vault,
        oauth,
        cert,
        adcs: [pages, ces],
        step,
        above,
    };
    (issuers, env, keys)
}

impl Issuers {
    /// From now on nobody takes what scepd shows.
    async fn change_their_locks(&self) {
        {
            let mut vault = self.vault.state();
            vault.tokens.clear();
            vault.secret_id = "another".to_owned();
        }
        self.oauth
            .settings(|settings| settings.ejbca.oauth_client.1 = "another".to_owned());
        self.oauth.fail(Operation::Issue, None, Fault::LoginRanOut);
        self.cert
            .settings(|settings| settings.ejbca.administrator = false);
        for adcs in &self.adcs {
            adcs.settings(|settings| settings.adcs.account.1 = "another".to_owned());
        }
        self.step.state().keys.clear();
        let stopped = self
            .above
            .server
            .stop(std::time::Duration::from_secs(20))
            .await;
        assert!(stopped.in_time);
    }

    /// What scepd was given by its logins, and what it sent to show who it is.
    fn logins(&self) -> Vec<String> {
        let tokens = self.vault.state().tokens.clone();
        let known = [&self.oauth, &self.adcs[0], &self.adcs[1]];
        let calls = known.iter().flat_map(|fake| fake.calls());
        let shown = calls.filter_map(|call| call.header("authorization").map(str::to_owned));
        let shown = shown.filter_map(|value| Some(value.split_once(' ')?.1.to_owned()));
        tokens.into_iter().chain(shown).collect()
    }
}

/// What a command of the real binary says, on both streams.
fn command(env: &TestEnv, arguments: &[&str]) -> String {
    let said = Command::new(env!("CARGO_BIN_EXE_scepd"))
        .args(arguments)
        .arg("--config")
        .arg(env.dir().join("scepd.toml"))
        .env_clear()
        .output()
        .unwrap();
    [said.stdout, said.stderr]
        .map(|octets| String::from_utf8_lossy(&octets).into_owned())
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_no_reply_and_no_command_holds_a_credential_of_an_issuer() {
    let (issuers, env, keys) = issuers().await;
    let env = env.with(&format!("[log]\nlevel = '{LOUD}'"));
    let config = env.write_config();
    let token = token(&env);
    let process = Process::start(&config);
    let http = trusting(&env.ca).build().unwrap();
    let base = process.url.rsplit_once('/').unwrap().0.to_owned();
    let device = async |path_id: &str| {
        let url = format!("{base}/{path_id}");
        Device::at(url, http.clone(), device_key()).await
    };
    let well = PROFILES.map(|path_id| {
        let device = device(path_id);
        async { enrolled(&device.await).await }
    });
    assert_eq!(join_all(well).await.len(), PROFILES.len());

    let mut secrets = keys;
    secrets.extend([SECRET_ID, CLIENT_SECRET, PASSWORD].map(str::to_owned));
    secrets.push(STANDARD.encode(format!("FAKE\\svc-scepd:{PASSWORD}")));
    secrets.extend(issuers.logins());
    // The beginning of every token that step-ca gets.
    secrets.push("eyJ".to_owned());

    let mut outputs = vec![command(&env, &["config", "show"])];
    assert!(outputs[0].contains("oauth/token"), "{}", outputs[0]);
    issuers.change_their_locks().await;
    secrets.extend(issuers.logins());
    let refused = PROFILES.map(|path_id| {
        let device = device(path_id);
        async {
            let device = device.await;
            device.post(&first_request(&device)).await
        }
    });
    let told = PROFILES.iter().zip(join_all(refused).await);
    let told: Vec<String> = told
        .map(|(path_id, reply)| match (reply, *path_id) {
            (Reply::Pending, "scep") => "above was asked: ".to_owned(),
            (Reply::Pending, id) => format!("{id} was asked: "),
            (Reply::Failure { .. }, _) => "issuer_refused".to_owned(),
            _ => panic!("{path_id} has a certificate"),
        })
        .collect();
    outputs.push(command(&env, &["check"]));
    for id in ["corp", "oauth", "cert", "pages", "ces", "step", "above"] {
        let said = command(&env, &["issuer", "test", id, "--issue"]);
        assert!(said.contains("FAIL"), "{id}: {said}");
        outputs.push(said);
    }

    let admin = Operator::at(&*process.https, http.clone(), Some(token));
    // Who is told PENDING may be so before the call has its end.
    let mut events = String::new();
    while !told.iter().all(|words| events.contains(words)) {
        events = admin.read("/api/v1/audit?per_page=200").await.to_string();
    }
    outputs.push(events);
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let path = route
            .path
            .replace("{issuer_id}", "corp")
            .replace("{serial}", "1");
        outputs.push(admin.get(&path.replace("{id}", "x")).await.text);
    }
    outputs.push(admin.post("/api/v1/admin/scep/checks", "{}").await.text);
    outputs.extend(process.first_lines.clone());
    let log = process.end();
    assert!(
        log.iter().any(|line| line.contains("TRACE")),
        "all is logged"
    );
    outputs.extend(log);

    assert!(secrets.len() > 12, "logins were seen: {secrets:?}");
    for secret in &secrets {
        assert!(secret.len() >= 3);
        for output in &outputs {
            assert!(!output.contains(secret), "{secret} in {output}");
        }
    }
}
