//! Secrets that go to Microsoft, or come from there: they stand in no log, no event, no answer and no command's output, with
//! every library as talkative as it can be, whatever goes wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use api::{Method, ROUTES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intune_fake::{CODES, Clock as FakeClock, Fake, Fault, Mint, Operation, Options, Tenant};
use pki::Certificate;
use scep::client::{Content, Reply};

use super::credentials::app_certificate_of;
use super::{csr, request, section};
use crate::admin::canary::{path_of, token};
use crate::admin::operator::Operator;
use crate::crash::Process;
use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{TestEnv, trusting};

/// One that looks otherwise in the body of a token request.
const SECRET: &str = "canary&client secret/41";
const SECRET_IN_FORM: &str = "canary%26client";

const LOUD: &str =
    "[log]\nlevel = 'trace,hyper=trace,hyper_util=trace,rustls=trace,reqwest=trace,sled=info'";

const PROFILE: &str = "answer_within = '10s'\n[outside]\nfirst_pause = '100ms'\nfailures = 100\n";

fn status(status: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: None,
    }
}

fn entra(code: u32) -> Fault {
    Fault::Entra {
        code,
        retry_after: None,
    }
}

fn code(code: &str) -> Fault {
    Fault::Code {
        code: code.to_owned(),
        description: "said by Intune".to_owned(),
    }
}

/// What goes wrong once, and is asked again with success.
fn passing() -> Vec<(Operation, Fault)> {
    let soon = || Some("1");
    let nested = || Fault::InternalError { retry_after: None };
    let redirect = || Fault::Redirect {
        location: "http://127.0.0.2:1/".to_owned(),
    };
    let mut all = Vec::new();
    for fault in [
        entra(7_000_215),
        entra(90_033),
        status(500, None),
        status(429, soon()),
        Fault::Html,
        Fault::CutHalfway,
        Fault::RolelessToken,
        Fault::DeadToken,
        redirect(),
    ] {
        all.push((Operation::Token, fault));
    }
    for fault in [
        status(503, None),
        status(403, None),
        status(429, soon()),
        Fault::NoServices,
        Fault::Forged {
            uri: Some("https://evil.example/RACerts".to_owned()),
        },
        redirect(),
    ] {
        all.push((Operation::Discovery, fault));
    }
    for operation in [Operation::ValidateRequest, Operation::SuccessNotification] {
        for fault in [
            status(401, None),
            status(503, None),
            status(429, soon()),
            nested(),
            Fault::Html,
            Fault::NotJson,
            Fault::CutAfter,
            redirect(),
        ] {
            all.push((operation, fault));
        }
    }
    all
}

/// Secrets of the apps: a part of each would do.
fn of_apps(fake: &Fake, key: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([SECRET.to_owned(), SECRET_IN_FORM.to_owned()]);
    let lines = key.lines().filter(|line| line.len() == 64);
    all.extend(lines.map(str::to_owned));
    for call in fake.calls() {
        let token = call.header("authorization").unwrap_or_default();
        let further = [&call.answer["access_token"], &call.body["client_assertion"]];
        let further = further.into_iter().filter_map(|text| text.as_str());
        let texts = token.strip_prefix("Bearer ").into_iter().chain(further);
        all.extend(texts.map(part));
    }
    all
}

/// Challenges, also as they stand in the base64 of a CSR, which has them at any of three places.
fn of_devices(challenges: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for challenge in challenges {
        let text = part(challenge);
        for skipped in 0..3 {
            all.insert(STANDARD.encode(&text.as_bytes()[skipped..][..36]));
        }
        all.insert(hex::encode(&text));
        all.insert(text);
    }
    all
}

/// From the middle of a secret.
fn part(text: &str) -> String {
    text[text.len() / 2..][..40].to_owned()
}

/// A device that keeps on asking until it has its certificate.
async fn enroll(device: &Device, fake: &Fake, challenge: &str) -> Certificate {
    let request = request(device, challenge);
    loop {
        match device.post(&request).await {
            Reply::Pending => {}
            reply => {
                assert!(fake.problems().is_empty(), "{:?}", fake.problems());
                return issued(reply);
            }
        }
    }
}

/// What a command prints beside the running server, both streams; and whether it went well.
fn command(config: &Path, arguments: &[&str]) -> (bool, String) {
    let said = Command::new(env!("CARGO_BIN_EXE_scepd"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (
        said.status.success(),
        text(&said.stdout) + &text(&said.stderr),
    )
}

/// A fake with two tenants: the app of the first has the secret, that of the second a certificate.
async fn two_tenants(env: TestEnv) -> (Fake, TestEnv) {
    let mut options = Options::new(FakeClock::system());
    options.tenants.push(Tenant::named("fabrikam"));
    let fake = Fake::start(options).await.unwrap();
    let [contoso, fabrikam] = fake.tenants().try_into().unwrap();
    fake.tenant(&contoso.id, |tenant| {
        tenant.secrets[0].value = SECRET.to_owned();
    });
    let secret = format!("client_secret = '{SECRET}'\ndevice_sweep = 'observe'");
    let certificate = app_certificate_of(&env, &fake, &fabrikam.id);
    let sections = section("contoso", &fake, &contoso, &secret)
        + &section("fabrikam", &fake, &fabrikam, &certificate);
    let cloud = |tenant: &str| {
        format!(
            "{PROFILE}[intune_cloud]\ntenants = ['{tenant}']\ncompliance = 'observe'\nper_device_rate_limit_24h = 0\n"
        )
    };
    let env = env
        .with("[[certificate_profile]]\nid = 'device'\n[certificate_profile.san]\ntypes = ['dns']")
        .with(LOUD)
        .with(&sections)
        .profile("corp", &cloud("contoso"))
        .profile("other", &cloud("fabrikam"));
    (fake, env)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_or_shown_whatever_goes_wrong() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (fake, env) = two_tenants(TestEnv::new()).await;
    let config = env.write_config();
    let admin_token = token(&env);
    let process = tokio::task::block_in_place(|| Process::start(&config));
    let http = trusting(&env.ca).build().unwrap();
    let device = Device::at(process.url.clone(), http.clone(), device_key()).await;
    let (mut challenges, mut shown) = (Vec::new(), Vec::new());
    let mut mint = |tenant: &str| {
        let wanted = Mint {
            tenant: Some(format!("{tenant}.onmicrosoft.com")),
            ..Mint::default()
        };
        let challenge = fake.mint(wanted).unwrap();
        challenges.push(challenge.clone());
        challenge
    };

    let certificate = enroll(&device, &fake, &mint("contoso")).await;
    // A refusal of the server's own, which Intune is told of within half a minute.
    let unwanted = csr(&device, &mint("contoso"), "email:box-4@example.org");
    refused(
        device
            .post(&device.request(Content::PkcsReq(&unwanted)))
            .await,
    );
    for (operation, fault) in passing() {
        let is_early = matches!(operation, Operation::Token | Operation::Discovery);
        if is_early {
            // Token and list of services are asked for anew.
            let denied = status(401, None);
            fake.fail(Operation::ValidateRequest, Some(1), denied);
        }
        let before = fake.count(operation);
        fake.fail(operation, Some(1), fault);
        enroll(&device, &fake, &mint("contoso")).await;
        assert!(fake.count(operation) > before, "{operation:?}");
        fake.heal();
    }
    // A secret that is not the app's any more, until it is one again.
    let refused_token = entra(7_000_222);
    fake.fail(Operation::ValidateRequest, Some(1), status(401, None));
    fake.fail(Operation::Token, Some(3), refused_token.clone());
    enroll(&device, &fake, &mint("contoso")).await;
    // Each refusal of Intune's.
    for name in CODES.into_iter().chain(["Invented"]) {
        if name != "Success" {
            fake.fail(Operation::ValidateRequest, Some(1), code(name));
            refused(device.post(&request(&device, &mint("contoso"))).await);
        }
    }
    fake.fail(Operation::ValidateRequest, Some(1), Fault::MissingCode);
    refused(device.post(&request(&device, &mint("contoso"))).await);
    // The app with the certificate: its assertion is refused first.
    fake.fail(Operation::Token, Some(1), entra(700_027));
    let other = process.url.replace("/scep/corp", "/scep/other");
    let device = Device::at(other, http.clone(), device_key()).await;
    enroll(&device, &fake, &mint("fabrikam")).await;
    fake.ended(Operation::FailureNotification, 1).await;
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());

    let admin = Operator::at(&*process.https, http.clone(), Some(admin_token));
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let answer = admin.get(&path_of(route, &certificate)).await;
        shown.push((
            route.path.to_owned(),
            format!("{:?}{}", answer.headers, answer.text),
        ));
    }
    let mut beside = |arguments: &[&str], is_good: bool, words: &str| {
        let (good, text) = tokio::task::block_in_place(|| command(&config, arguments));
        assert_eq!(good, is_good, "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        shown.push((format!("scepd {arguments:?}"), text));
    };
    beside(&["audit", "export"], true, "ChallengeExpired");
    beside(&["config", "show"], true, "client_secret = \"<set>\"");
    beside(&["check"], true, "");
    beside(&["intune", "test"], true, "Intune judges");
    for fault in [
        (Operation::Token, refused_token),
        (Operation::Discovery, status(403, None)),
        (Operation::ValidateRequest, status(503, None)),
    ] {
        let (operation, fault) = fault;
        fake.fail(operation, None, fault);
        beside(&["intune", "test", "--tenant", "contoso"], false, "FAIL");
        fake.heal();
    }
    let metrics = shown.iter().find(|(what, _)| what == "/metrics");
    let calls = "scepd_intune_calls_total{tenant=\"contoso\",step=\"token\",result=\"failed\"}";
    let (_, metrics) = metrics.unwrap();
    assert!(metrics.contains(calls), "{metrics}");
    assert!(
        metrics.contains("scepd_intune_up{tenant=\"fabrikam\"} 1"),
        "{metrics}"
    );
    let expiry = "scepd_intune_credential_expiry_seconds{tenant=\"fabrikam\"}";
    assert!(metrics.contains(expiry), "{metrics}");

    let mut lines = process.first_lines.clone();
    lines.extend(process.end());
    assert!(lines.len() > 1000, "the log is read");
    for logged in ["AADSTS7000215", "scepd::", "hyper"] {
        let is_there = lines.iter().any(|line| line.contains(logged));
        assert!(is_there, "nothing of {logged} is logged");
    }
    shown.extend(lines.into_iter().map(|line| ("the log".to_owned(), line)));
    let key = std::fs::read_to_string(env.dir().join("app.key")).unwrap();
    let (apps, devices) = (of_apps(&fake, &key), of_devices(&challenges));
    assert!(apps.len() > 50 && devices.len() > 300);
    for canary in apps.iter().chain(&devices) {
        for (place, text) in &shown {
            assert!(!text.contains(canary), "{canary} in {place}: {text}");
        }
    }
    // A request that waits is kept with its challenge, as it came; nothing else is kept.
    for octets in files_of(&env.dir().join("data")) {
        let text = String::from_utf8_lossy(&octets);
        for canary in &apps {
            assert!(!text.contains(canary), "{canary} in the store");
        }
    }
}

/// What is in all files below a directory.
fn files_of(dir: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else if path.is_file() {
            files.push(std::fs::read(&path).unwrap());
        }
    }
    files
}
