//! `scepd intune-challenge`: mint a challenge as the Intune connector would, for tests and drills.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use challenge::mint::{self, Connector};
use challenge::{Algorithm, CsrFacts};
use chrono::{DateTime, Utc};
use clap::Args;
use pki::{PrivateKey, SubjectAltNames};
use serde_json::{Map, Value};

use super::{Failure, intune_files};
use crate::config::Span;

/// Mint an Intune challenge with a connector's key, or make a throwaway connector
///
/// The challenge goes to standard output. iat, exp and a random nonce are added where they are
/// not given, and left out where they are given as null.
#[derive(Debug, Args)]
pub(super) struct IntuneChallengeArgs {
    /// The connector's private key, PEM: RSA of 2048 bits or more, or EC P-256
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "new_connector",
        conflicts_with = "new_connector"
    )]
    key: Option<PathBuf>,
    /// Make a throwaway connector: connector-key.pem (mode 0600) and connector-cert.pem in DIR; mint with it if claims are given
    #[arg(long, value_name = "DIR")]
    new_connector: Option<PathBuf>,
    /// Common name of the throwaway connector's certificate
    #[arg(
        long,
        value_name = "NAME",
        default_value = "scepd throwaway connector",
        requires = "new_connector"
    )]
    connector_name: String,
    /// For how many days the throwaway connector's certificate is valid
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 365,
        requires = "new_connector"
    )]
    connector_days: u32,
    /// Signature algorithm: what a new connector is made for, what --key must fit [default: rs256 for a new connector]
    #[arg(long, value_name = "rs256|es256", value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// How long the challenge is valid
    #[arg(long, value_name = "DURATION", default_value = "60m")]
    lifetime: Span,
    #[command(flatten)]
    claims: ClaimArgs,
}

/// What the challenge says; later ones win: --csr, --claims, the single flags, --claim.
#[derive(Debug, Args)]
struct ClaimArgs {
    /// Vouch for the names in this CSR, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Claims as a JSON object, or the file that holds it; - = standard input
    #[arg(long, value_name = "JSON|FILE")]
    claims: Option<String>,
    /// Who mints (iss) [default: scepd intune-challenge]
    #[arg(long, value_name = "TEXT")]
    iss: Option<String>,
    /// The device (sub) [default: its device name]
    #[arg(long, value_name = "TEXT")]
    sub: Option<String>,
    /// The server it is meant for (aud)
    #[arg(long, value_name = "TEXT")]
    aud: Option<String>,
    /// Makes the challenge unique (nonce) [default: random]
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// The common name that the CSR must have (device_name)
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Alternative names that the CSR must have, for instance dns:a.example.com,email:a@example.com,upn:a@example.com
    #[arg(long, value_name = "NAMES")]
    san: Vec<String>,
    /// Any claim, for instance --claim 'version="v1"'; null takes it out
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,
}

pub(super) fn run(args: IntuneChallengeArgs) -> Result<(), Failure> {
    let now = Utc::now();
    let key = match (&args.key, &args.new_connector) {
        (Some(file), _) => read_key(file, args.alg)?,
        (None, Some(directory)) => {
            let algorithm = args.alg.unwrap_or(Algorithm::Rs256);
            let connector =
                Connector::throwaway(algorithm, &args.connector_name, now, args.connector_days)
                    .map_err(Failure::while_doing("cannot make a connector"))?;
            write_connector(&connector, directory)?;
            if args.claims.is_empty() {
                return Ok(());
            }
            connector.key
        }
        (None, None) => return Err(Failure::usage("give --key or --new-connector")),
    };
    let claims = args.claims.object()?;
    println!("{}", challenge(claims, &key, args.lifetime, now)?);
    Ok(())
}

fn challenge(
    claims: Map<String, Value>,
    key: &PrivateKey,
    lifetime: Span,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    mint::mint(claims, key, lifetime.chrono(), now)
        .map_err(Failure::while_doing("cannot mint the challenge"))
}

fn read_key(file: &Path, wanted: Option<Algorithm>) -> Result<PrivateKey, Failure> {
    let key = PrivateKey::from_pem(&intune_files::read(file)?)
        .map_err(Failure::while_doing(file.display()))?;
    let algorithm = mint::algorithm_for(&key).map_err(Failure::while_doing(file.display()))?;
    match wanted {
        Some(wanted) if wanted != algorithm => Err(Failure::usage(format!(
            "--alg {}: the key in {} is {}, which signs with {}",
            wanted.as_str(),
            file.display(),
            key.kind(),
            algorithm.as_str()
        ))),
        _ => Ok(key),
    }
}

/// Never over an existing file: the key may be in use.
fn write_connector(connector: &Connector, directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::while_doing(directory.display()))?;
    let key = connector
        .key
        .to_pkcs8_pem()
        .map_err(Failure::while_doing("cannot write the key"))?;
    let certificate = connector.certificate.to_pem();
    for (name, mode, content) in [
        ("connector-key.pem", 0o600, key.as_str()),
        ("connector-cert.pem", 0o644, certificate.as_str()),
    ] {
        let path = directory.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(Failure::while_doing(path.display()))?;
        eprintln!("scepd: made {}", path.display());
    }
    Ok(())
}

impl ClaimArgs {
    fn is_empty(&self) -> bool {
        let texts = [
            &self.claims,
            &self.iss,
            &self.sub,
            &self.aud,
            &self.nonce,
            &self.device_name,
        ];
        texts.into_iter().all(Option::is_none)
            && self.csr.is_none()
            && self.san.is_empty()
            && self.claim.is_empty()
    }

    fn object(&self) -> Result<Map<String, Value>, Failure> {
        let mut claims = match &self.csr {
            Some(file) => names_of(&CsrFacts::from_csr(&intune_files::read_csr(file)?)),
            None => Map::new(),
        };
        if let Some(given) = &self.claims {
            claims.extend(json_object(given)?);
        }
        let texts = [
            ("iss", &self.iss),
            ("sub", &self.sub),
            ("aud", &self.aud),
            ("nonce", &self.nonce),
            ("device_name", &self.device_name),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                claims.insert(name.to_owned(), Value::from(text.as_str()));
            }
        }
        if !self.san.is_empty() {
            let sans = SubjectAltNames::parse(&self.san.join(","))
                .map_err(|error| Failure::usage(format!("--san: {error}")))?;
            let facts = CsrFacts {
                common_names: Vec::new(),
                sans,
            };
            claims.extend(names_of(&facts));
        }
        claims
            .entry("iss")
            .or_insert_with(|| "scepd intune-challenge".into());
        if let Some(name) = claims.get("device_name").cloned() {
            claims.entry("sub").or_insert(name);
        }
        for claim in &self.claim {
            set(&mut claims, claim)?;
        }
        Ok(claims)
    }
}

/// The claims that vouch for these names; says which cannot be vouched for.
fn names_of(facts: &CsrFacts) -> Map<String, Value> {
    let mut claims = Map::new();
    if let Some(name) = facts.common_names.last() {
        claims.insert("device_name".to_owned(), name.as_str().into());
    }
    let sans = &facts.sans;
    for (name, values) in [
        ("san_dns", &sans.dns),
        ("san_rfc822", &sans.email),
        ("san_upn", &sans.upn),
    ] {
        if !values.is_empty() {
            claims.insert(name.to_owned(), values.clone().into());
        }
    }
    let others = sans.uri.len() + sans.ip.len() + sans.other.len();
    if others > 0 {
        eprintln!("scepd: {others} names (URI, IP or other) left out: no claim can vouch for them");
    }
    claims
}

fn json_object(given: &str) -> Result<Map<String, Value>, Failure> {
    let text = match given.trim_start().starts_with('{') {
        true => given.as_bytes().to_vec(),
        false => intune_files::read(Path::new(given))?,
    };
    serde_json::from_slice(&text)
        .map_err(|error| Failure::usage(format!("--claims: not a JSON object: {error}")))
}

fn set(claims: &mut Map<String, Value>, claim: &str) -> Result<(), Failure> {
    let (name, json) = claim
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("--claim {claim}: write NAME=JSON")))?;
    let value = serde_json::from_str(json).map_err(|error| {
        Failure::usage(format!(
            "--claim {name}: not JSON: {error}; a text needs its quotes: '{name}=\"...\"'"
        ))
    })?;
    match value {
        // Minting would add these by itself; it takes null for "leave it out".
        Value::Null if !["iat", "exp", "nonce"].contains(&name) => claims.remove(name),
        value => claims.insert(name.to_owned(), value),
    };
    Ok(())
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    match text.to_ascii_lowercase().as_str() {
        "rs256" => Ok(Algorithm::Rs256),
        "es256" => Ok(Algorithm::Es256),
        _ => Err("write rs256 or es256".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use challenge::{IntuneSettings, TrustAnchors, verify};
    use clap::Parser;
    use pki::{Csr, Curve, KeyKind, Name};
    use std::os::unix::fs::PermissionsExt;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: IntuneChallengeArgs,
    }

    fn parse(args: &[&str]) -> IntuneChallengeArgs {
        Command::try_parse_from([&["x"], args].concat())
            .unwrap()
            .args
    }

    fn claims(args: &[&str]) -> Map<String, Value> {
        parse(&[&["--key", "k"], args].concat())
            .claims
            .object()
            .unwrap()
    }

    #[test]
    fn flags_become_claims() {
        let given = claims(&[
            "--aud",
            "https://a",
            "--device-name",
            "D",
            "--san",
            "dns:a.example,upn:u@x",
            "--san",
            "email:e@x",
            "--claims",
            r#"{"aud":"overridden","version":"v1"}"#,
            "--claim",
            "x=[1]",
            "--claim",
            "version=null",
        ]);
        assert_eq!(
            Value::from(given),
            serde_json::json!({
                "iss": "scepd intune-challenge", "sub": "D", "aud": "https://a", "device_name": "D",
                "san_dns": ["a.example"], "san_upn": ["u@x"], "san_rfc822": ["e@x"], "x": [1],
            })
        );
    }

    #[test]
    fn null_leaves_out_what_minting_would_add() {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let given = claims(&["--aud", &"a".repeat(100), "--claim", "nonce=null"]);
        let text = challenge(given, &key, Span::minutes(5), Utc::now()).unwrap();
        let report = challenge::inspect(&text, None, &IntuneSettings::default(), None, Utc::now());
        let payload = report.payload.unwrap();
        assert!(payload.get("nonce").is_none(), "{payload}");
        assert!(payload.get("exp").is_some(), "{payload}");
    }

    #[test]
    fn a_connector_its_key_and_a_csr_make_a_challenge_that_passes() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let folder = directory.path().to_str().unwrap();
        for alg in ["rs256", "es256"] {
            for name in ["connector-key.pem", "connector-cert.pem"] {
                let _ = fs::remove_file(path(name));
            }
            run(parse(&["--new-connector", folder, "--alg", alg])).unwrap();
            let mode = fs::metadata(path("connector-key.pem"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = run(parse(&["--new-connector", folder])).unwrap_err();
            assert!(again.to_string().contains("connector-key.pem"), "{again}");

            let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
            let sans = SubjectAltNames::parse("dns:a.example.com,upn:u@example.com").unwrap();
            let csr = Csr::build(&Name::parse("CN=D").unwrap(), &sans, None, &[], &key).unwrap();
            fs::write(path("csr.der"), csr.der()).unwrap();
            let claims = claims(&["--csr", path("csr.der").to_str().unwrap()]);
            let key = read_key(&path("connector-key.pem"), None).unwrap();
            let now = Utc::now();
            let text = challenge(claims, &key, Span::minutes(5), now).unwrap();
            let pem = fs::read(path("connector-cert.pem")).unwrap();
            let anchors = TrustAnchors::parse("f", &pem, now).unwrap();
            let settings = IntuneSettings::default();
            let verified =
                verify(&text, &anchors, &settings, &CsrFacts::from_csr(&csr), now).unwrap();
            assert_eq!(verified.claim.sub, "D");
        }
    }

    #[test]
    fn the_algorithm_must_fit_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().to_str().unwrap();
        run(parse(&["--new-connector", folder, "--alg", "es256"])).unwrap();
        let key = directory.path().join("connector-key.pem");
        let failure = run(parse(&["--key", key.to_str().unwrap(), "--alg", "rs256"])).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().contains("ES256"), "{failure}");
    }

    #[test]
    fn wrong_usage_is_said() {
        assert!(Command::try_parse_from(["x"]).is_err());
        assert!(Command::try_parse_from(["x", "--key", "a", "--new-connector", "b"]).is_err());
        for args in [
            &["--claims", "{"][..],
            &["--claims", "{} {}"],
            &["--claim", "x"],
            &["--claim", "x=y"],
            &["--san", "what:x"],
        ] {
            let failure = parse(&[&["--key", "k"], args].concat())
                .claims
                .object()
                .unwrap_err();
            assert_eq!(failure.code(), 2, "{args:?}");
        }
        assert!(
            run(parse(&["--key", "/nonexistent/key"]))
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/key")
        );
    }
}
