//! Clients that others wrote judge the fakes: `judges/*.py`, run by `cargo xtask test --only issuer-fakes`, which installs
//! them and names the interpreter in `JUDGES_PYTHON`.

use std::path::Path;
use std::process::Command;

use issuer_fakes::{Clock, Fake, Fault, Kind, Operation, Options, Rule};

async fn fake(kind: Kind) -> Fake {
    let options = Options {
        kind,
        clock: Clock::system(),
        first_port: None,
    };
    Fake::start(options).await.unwrap()
}

/// Runs a judge against the fake; its files are in a folder of its own.
async fn judge(fake: &Fake, script: &str, files: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("trust.pem"), fake.trust()).unwrap();
    std::fs::write(dir.path().join("client.pem"), fake.client_identity()).unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "whoever installed the judges says where"
    )]
    let python = std::env::var("JUDGES_PYTHON").expect("JUDGES_PYTHON names the interpreter");
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("judges")
        .join(script);
    let mut command = Command::new(python);
    command
        .arg(&script)
        // Libraries would take the machine's bundle and proxy before what they are told.
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .env_remove("AWS_CA_BUNDLE")
        .env("NO_PROXY", "*")
        .env("FAKE_URL", fake.url())
        .env("FAKE_METADATA_URL", fake.metadata_url())
        .env("FAKE_DIR", dir.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python packages; cargo xtask test --only issuer-fakes"]
async fn acme2certifier_enrolls_and_revokes_at_ejbca() {
    let fake = fake(Kind::Ejbca).await;
    // It sends no response_format, which the newest versions take for DER.
    fake.settings(|settings| settings.ejbca.default_format = true);
    judge(&fake, "ejbca.py", &[]).await;
    let issued = fake.issued();
    assert_eq!(issued.len(), 1);
    assert_eq!(issued[0].reference, "acme-laptop-1");
    assert!(matches!(issued[0].revoked, Some((_, 1))));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python packages; cargo xtask test --only issuer-fakes"]
async fn certsrv_uses_the_pages_of_adcs() {
    let fake = fake(Kind::Adcs).await;
    fake.settings(|settings| settings.adcs.templates.push("SCEPWaits".to_owned()));
    fake.rule(Rule {
        operation: Operation::Issue,
        times: Some(1),
        containing: Some("SCEPWaits".to_owned()),
        fault: Fault::Pending,
    });
    judge(&fake, "certsrv_pages.py", &[]).await;
    assert_eq!(fake.issued().len(), 1);
    assert_eq!(fake.waiting().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python packages; cargo xtask test --only issuer-fakes"]
async fn boto3_uses_aws_private_ca_and_moto_answers_alike() {
    let fake = fake(Kind::AwsPca).await;
    fake.settings(|settings| settings.aws_pca.in_progress = 2);
    judge(&fake, "aws.py", &[]).await;
    let issued = fake.issued();
    assert_eq!(issued.len(), 1);
    assert!(matches!(issued[0].revoked, Some((_, 1))));
    assert_eq!(issued[0].subject, "O=Example,CN=laptop-1");
    assert!(fake.count(Operation::Collect) >= 3, "it was in progress");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python packages; cargo xtask test --only issuer-fakes"]
async fn google_auth_logs_in_and_gets_a_certificate() {
    let fake = fake(Kind::GoogleCas).await;
    let key = fake.google_key_file();
    judge(&fake, "google_cas.py", &[("key.json", &key)]).await;
    let issued = fake.issued();
    assert_eq!(issued.len(), 1);
    assert!(matches!(issued[0].revoked, Some((_, 1))));
    assert_eq!(issued[0].subject, "O=Example,CN=laptop-1");
    assert!(fake.count(Operation::Login) >= 4);
}
