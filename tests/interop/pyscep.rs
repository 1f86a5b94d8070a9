//! PyScep 0.0.14 (PyPI): AES-256 and SHA-512, signed with another key than the CSR's.
//!
//! From GetCACert it takes an RA only if that one may encipher keys and *not* sign; else it encrypts to the CA. So it is
//! served by a profile whose CA opens messages itself, and by one with a split RA.

use std::path::Path;

use crate::admin::Operator;
use crate::server::{Added, Server};
use crate::tool::{self, Said};

const PLAIN: Added<'_> = Added {
    path_id: "plain",
    settings: "issuer_id = 'plain'\nprofile_id = 'both'\nra = 'files'\nra_cert_path = 'plain.pem'\nra_key_path = 'plain.key'",
};

const SPLIT: Added<'_> = Added {
    path_id: "split",
    settings: "profile_id = 'both'\nra = 'auto'\nra_split = true",
};

/// A CA that may sign and decipher as well, and a policy for what PyScep asks for: both EKUs.
fn plain_ca(dir: &Path, config: &mut toml::Table) {
    let usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature,keyEncipherment";
    tool::openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-days",
            "3650",
            "-subj",
            "/O=Example/CN=Plain CA",
            "-addext",
            usage,
            "-keyout",
            "plain.key",
            "-out",
            "plain.pem",
        ],
    );
    tool::must(dir, "chmod", &["600", "plain.key"]);
    let issuer = "id = 'plain'\nca_cert_path = 'plain.pem'\nca_key_path = 'plain.key'";
    let issuer: toml::Table = issuer.parse().expect("TOML");
    let both = "id = 'both'\nekus_allowed = ['client_auth', 'server_auth']";
    let both: toml::Table = both.parse().expect("TOML");
    let policies = config["certificate_profile"].as_array_mut();
    policies.expect("policies").push(both.into());
    config["issuer"]
        .as_array_mut()
        .expect("issuers")
        .push(issuer.into());
}

fn client(dir: &Path, args: &[&str]) -> Said {
    let python = std::env::var("PYSCEP_PYTHON").expect("PYSCEP_PYTHON names a Python with PyScep");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interop/pyscep/client.py"
    );
    let args: Vec<&str> = [script].iter().chain(args).copied().collect();
    tool::run(dir, &python, &args)
}

#[test]
#[ignore = "needs PyScep"]
fn it_enrolls_and_asks_for_its_certificate_and_the_crl() {
    let server = Server::start_with(&[], &[PLAIN], plain_ca);
    let (dir, url) = (server.scratch("pyscep"), server.http("plain"));
    let ca = server.beside("plain.pem");
    let said = client(
        &dir,
        &["enroll", &url, crate::server::CHALLENGE, "meter-9", "."],
    );
    assert!(said.ok, "{}", said.all);
    tool::judge(&dir, &ca, "cert.pem", "key.pem", "CN=meter-9");

    let said = client(&dir, &["getcert", &url, "."]);
    assert!(said.ok, "{}", said.all);
    let fingerprint = |name: &str| {
        tool::openssl(
            &dir,
            &["x509", "-in", name, "-noout", "-fingerprint", "-sha256"],
        )
    };
    assert_eq!(fingerprint("again.pem"), fingerprint("cert.pem"));

    let said = client(&dir, &["getcrl", &url, "."]);
    assert!(said.ok, "{}", said.all);
    let checked = tool::openssl(
        &dir,
        &[
            "crl",
            "-inform",
            "DER",
            "-in",
            "crl.der",
            "-noout",
            "-verify",
            "-CAfile",
            ca.to_str().unwrap(),
        ],
    );
    assert!(checked.contains("verify OK"), "{checked}");
}

#[test]
#[ignore = "needs PyScep"]
fn it_enrolls_where_the_ra_is_split() {
    let server = Server::start_with(&[], &[SPLIT], plain_ca);
    let (dir, url) = (server.scratch("pyscep"), server.http("split"));
    let args = ["enroll", &url, crate::server::CHALLENGE, "meter-9", "."];
    let said = client(&dir, &args);
    assert!(said.ok, "{}", said.all);
    tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", "CN=meter-9");
}

#[test]
#[ignore = "needs PyScep"]
fn it_polls_until_an_operator_approves() {
    let settings = format!("{}\napproval = true", PLAIN.settings);
    let waiting = Added {
        path_id: "plain",
        settings: &settings,
    };
    let server = Server::start_with(&[], &[waiting], plain_ca);
    let (dir, url) = (server.scratch("pyscep"), server.http("plain"));
    let args = ["wait", &url, crate::server::CHALLENGE, "meter-9", "."];
    let said = std::thread::scope(|scope| {
        let device = scope.spawn(|| client(&dir, &args));
        Operator::of(&server).approve_next("plain");
        device.join().expect("the device's thread")
    });
    assert!(said.ok, "{}", said.all);
    let ca = server.beside("plain.pem");
    tool::judge(&dir, &ca, "cert.pem", "key.pem", "CN=meter-9");
}

#[test]
#[ignore = "needs PyScep"]
fn a_wrong_challenge_is_a_failure_it_understands() {
    let server = Server::start_with(&[], &[PLAIN], plain_ca);
    let (dir, url) = (server.scratch("pyscep"), server.http("plain"));
    let said = client(&dir, &["enroll", &url, "wrong", "meter-9", "."]);
    assert!(!said.ok && said.all.contains("FAILURE"), "{}", said.all);
    assert!(!dir.join("cert.pem").exists());
}
