//! `[[issuer]]` whose key is somewhere else: settings, credentials, what the other side says of itself, and whether it can
//! make what certificate profiles approve.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use issuer::{CertificatePolicy, Issuer, Objection};
use outbound::{Client, Identity, Options, Trust, endpoint};
use pki::Certificate;
use remote_issuers::vault::{self, Login};
use remote_issuers::{Credential, Ticks};
use zeroize::Zeroizing;

use super::files::Files;
use super::pair;
use super::problem::{Findings, Location};
use super::secrets;
use crate::config::{self, Config, IssuerKind, Profile, Secret, VaultAuth};
use crate::stable_read;

/// The most octets of an answer: a chain or a CRL of a large fleet.
const LARGEST_ANSWER: usize = 32 << 20;

/// One that is to be reached.
pub(super) struct Opening {
    id: String,
    location: Location,
    settings: vault::Settings,
    client: Client,
    known: Vec<Certificate>,
}

/// Where the chain that an issuer elsewhere last showed is kept, PEM, issuing CA first.
pub(crate) fn chain_file(data_dir: &Path, issuer_id: &str) -> PathBuf {
    data_dir.join("issuers").join(format!("{issuer_id}.pem"))
}

/// Reads the settings and everything that they name. Nothing is asked yet.
pub(super) fn read(
    settings: &config::Issuer,
    location: &Location,
    config: &Config,
    files: &Files,
    findings: &mut Findings,
) -> Option<Opening> {
    let before = findings.0.len();
    refuse_local(settings, location, findings);
    super::range(
        settings.timeout,
        "100ms",
        "1m",
        &location.at("timeout"),
        findings,
    );
    super::count(
        settings.max_in_flight,
        1..=1024,
        &location.at("max_in_flight"),
        findings,
    );
    let certificates = |path: &Option<PathBuf>, at: &'static str, findings: &mut Findings| {
        let path = path.as_deref()?;
        pair::certificates(files, path, &location.at(at), findings)
    };
    let above = certificates(&settings.chain_path, "chain_path", findings);
    let mut previous = Vec::new();
    for path in &settings.previous_ca_cert_paths {
        let location = location.at("previous_ca_cert_paths");
        previous.extend(pair::certificates(files, path, &location, findings).unwrap_or_default());
    }
    let url_location = location.at("url");
    let url = match &settings.url {
        None => {
            findings.fail(&url_location, "it is not set", "write https://host:port");
            None
        }
        Some(url) => endpoint(url.as_str())
            .inspect_err(|error| findings.fail(&url_location, error.to_string(), "correct it"))
            .ok(),
    };
    let login = login(&settings.vault, location, files, findings);
    let client = client(settings, location, files, findings);
    let vault = &settings.vault;
    let mount = path_of(&vault.mount, &location.at("vault.mount"), findings);
    let role = path_of(&vault.role, &location.at("vault.role"), findings);
    let ra_role = vault
        .ra_role
        .as_ref()
        .map(|name| path_of(name, &location.at("vault.ra_role"), findings));
    let issuer_ref = vault
        .issuer_ref
        .as_ref()
        .map(|name| path_of(name, &location.at("vault.issuer_ref"), findings));
    if findings
        .0
        .iter()
        .skip(before)
        .any(|found| found.severity == super::Severity::Failure)
    {
        return None;
    }
    // A file that cannot be read is as good as none: the other side is asked anyway.
    let kept = stable_read::read(&chain_file(&config.server.data_dir, &settings.id)).ok();
    let known = kept.and_then(|kept| Certificate::bundle_from_pem(&kept.bytes).ok());
    Some(Opening {
        id: settings.id.clone(),
        location: location.clone(),
        client: client?,
        settings: vault::Settings {
            id: settings.id.clone(),
            url: url?,
            namespace: vault.namespace.clone(),
            mount,
            role,
            ra_role,
            issuer_ref,
            login: login?,
            max_in_flight: settings.max_in_flight,
            accepts_shorter_validity: settings.accept_shorter_validity,
            above: above.unwrap_or_default(),
            previous,
        },
        known: known.unwrap_or_default(),
    })
}

/// Settings that only a local CA has.
fn refuse_local(settings: &config::Issuer, location: &Location, findings: &mut Findings) {
    let set = [
        ("ca_cert_path", settings.ca_cert_path.is_some()),
        ("ca_key_path", settings.ca_key_path.is_some()),
        ("next_ca_cert_path", settings.next_ca_cert_path.is_some()),
        ("next_ca_key_path", settings.next_ca_key_path.is_some()),
        ("next_chain_path", settings.next_chain_path.is_some()),
        ("cdp_urls", !settings.cdp_urls.is_empty()),
        ("ocsp_urls", !settings.ocsp_urls.is_empty()),
        ("ca_issuers_urls", !settings.ca_issuers_urls.is_empty()),
    ];
    for (setting, is_set) in set {
        if is_set {
            findings.fail(
                &location.at(setting),
                "it is for issuers of type \"local\": this one decides on it by itself",
                "remove it, and set it up at the issuer",
            );
        }
    }
}

/// A piece of a path of the other side's API.
fn path_of(text: &str, location: &Location, findings: &mut Findings) -> String {
    let path = text.trim_matches('/');
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
    };
    if path.is_empty() {
        findings.fail(
            location,
            "it is not set",
            "write the name that it has there",
        );
    } else if !path.split('/').all(plain) {
        findings.fail(
            location,
            "it is no path of letters, digits, -, _ and .",
            "write the name that it has there",
        );
    }
    path.to_owned()
}

fn login(
    settings: &config::Vault,
    location: &Location,
    files: &Files,
    findings: &mut Findings,
) -> Option<Login> {
    let mount = |usual: &str, findings: &mut Findings| {
        let mount = settings.auth_mount.as_deref().unwrap_or(usual);
        path_of(mount, &location.at("vault.auth_mount"), findings)
    };
    let secret = |inline: (&'static str, &Option<Secret>),
                  file: (&'static str, &Option<PathBuf>),
                  findings: &mut Findings| {
        let found = secrets::resolve(
            files,
            (&location.at(inline.0), inline.1.as_ref()),
            (&location.at(file.0), file.1.as_deref()),
            findings,
        );
        if found.is_none() && inline.1.is_none() && file.1.is_none() {
            findings.fail(
                &location.at(file.0),
                "it is not set",
                "name the file that holds the credential",
            );
        }
        Some(credential(file.1.clone(), found?))
    };
    match settings.auth {
        VaultAuth::Token => Some(Login::Token(secret(
            ("vault.token", &settings.token),
            ("vault.token_file", &settings.token_file),
            findings,
        )?)),
        VaultAuth::AppRole => {
            let mount = mount("approle", findings);
            let secret_id = secret(
                ("vault.secret_id", &settings.secret_id),
                ("vault.secret_id_file", &settings.secret_id_file),
                findings,
            );
            let role_id = needed(&settings.role_id, &location.at("vault.role_id"), findings);
            Some(Login::AppRole {
                mount,
                role_id: role_id?,
                secret_id: secret_id?,
            })
        }
        VaultAuth::Kubernetes => {
            let mount = mount("kubernetes", findings);
            let role = needed(
                &settings.auth_role,
                &location.at("vault.auth_role"),
                findings,
            );
            // The kubelet's file belongs to root and may be read by the pod.
            let read = files.read(&settings.jwt_file, &location.at("vault.jwt_file"), findings);
            read?;
            Some(Login::Kubernetes {
                mount,
                role: role?,
                jwt: of_file(settings.jwt_file.clone()),
            })
        }
        VaultAuth::Cert => Some(Login::Certificate {
            mount: mount("cert", findings),
            name: settings.auth_role.clone(),
        }),
    }
}

fn needed(value: &Option<String>, location: &Location, findings: &mut Findings) -> Option<String> {
    if value.is_none() {
        findings.fail(
            location,
            "it is not set",
            "write what the other side calls it",
        );
    }
    value.clone()
}

/// The file's content of the moment, or what the configuration says.
fn credential(file: Option<PathBuf>, inline: Secret) -> Credential {
    match file {
        Some(file) => of_file(file),
        None => Arc::new(move || Ok(Zeroizing::new(inline.expose().to_owned()))),
    }
}

fn of_file(file: PathBuf) -> Credential {
    Arc::new(move || {
        let content = stable_read::read(&file).map_err(|unread| {
            let (what, remedy) = unread.words();
            format!("{}: {what}; {remedy}", file.display())
        })?;
        let text = std::str::from_utf8(&content.bytes)
            .map_err(|_| format!("{}: it is not a text", file.display()))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    })
}

fn client(
    settings: &config::Issuer,
    location: &Location,
    files: &Files,
    findings: &mut Findings,
) -> Option<Client> {
    let pin_location = location.at("tls_fingerprint");
    let trust = match (&settings.ca_bundle_path, &settings.tls_fingerprint) {
        (Some(_), Some(_)) => {
            findings.fail(
                &pin_location,
                "ca_bundle_path is set as well",
                "keep one of the two",
            );
            return None;
        }
        (Some(path), None) => {
            let bundle = pair::certificates(files, path, &location.at("ca_bundle_path"), findings)?;
            Trust::Roots(bundle.iter().map(|root| root.der().to_vec()).collect())
        }
        (None, Some(text)) => {
            let digits: String = text.chars().filter(|one| *one != ':').collect();
            let octets = hex::decode(digits).ok().and_then(|all| all.try_into().ok());
            let Some(octets) = octets else {
                findings.fail(
                    &pin_location,
                    "it is no SHA-256 fingerprint",
                    "write 64 hexadecimal digits: openssl x509 -noout -fingerprint -sha256",
                );
                return None;
            };
            Trust::Fingerprint(octets)
        }
        (None, None) => Trust::System,
    };
    let mut options = Options {
        timeout: settings.timeout.duration(),
        max_body: LARGEST_ANSWER,
        ..Options::new(trust)
    };
    if let Some(proxy) = &settings.proxy {
        match outbound::Url::parse(proxy.as_str()) {
            Ok(proxy) => options.proxy = Some(proxy),
            Err(_) => {
                findings.fail(
                    &location.at("proxy"),
                    "it is no URL",
                    "write http://host:port",
                );
                return None;
            }
        }
    }
    let vault = &settings.vault;
    if vault.auth == VaultAuth::Cert {
        let named = |path: &Option<PathBuf>, at: &'static str, findings: &mut Findings| {
            if path.is_none() {
                findings.fail(&location.at(at), "it is not set", "name the file");
            }
            path.clone()
        };
        let chain = named(&vault.client_cert_path, "vault.client_cert_path", findings);
        let key = named(&vault.client_key_path, "vault.client_key_path", findings);
        let (chain, key) = (chain?, key?);
        let certificate = files.read(&chain, &location.at("vault.client_cert_path"), findings);
        let private = files.read_secret(&key, &location.at("vault.client_key_path"), findings);
        let identity = Identity::from_pem(&certificate?.bytes, &private?.bytes);
        match identity {
            Ok(identity) => options.identity = Some(identity),
            Err(error) => {
                findings.fail(
                    &location.at("vault.client_cert_path"),
                    error.to_string(),
                    "put a certificate and its key there, in PEM",
                );
                return None;
            }
        }
    }
    Client::new(options)
        .inspect_err(|error| {
            findings.fail(
                &location.at("url"),
                error.to_string(),
                "correct the issuer's TLS settings",
            );
        })
        .ok()
}

/// Reaches all of them at a time, and says what is wrong there. Blocks for as long as their timeouts.
pub(super) fn open(
    openings: Vec<Opening>,
    findings: &mut Findings,
) -> Vec<(String, Arc<dyn Issuer>)> {
    if openings.is_empty() {
        return Vec::new();
    }
    let ticks: Ticks = Arc::new(Instant::now);
    let opened = openings.into_iter().map(|opening| {
        let ticks = Arc::clone(&ticks);
        async move {
            let Opening {
                id,
                location,
                settings,
                client,
                known,
            } = opening;
            let opened = vault::Vault::open(settings, client, ticks, &known).await;
            (id, location, opened)
        }
    });
    let opened = match waiting_for(join_all(opened)) {
        Ok(opened) => opened,
        Err(error) => {
            findings.fail(
                &Location::section("issuer").at("url"),
                format!("no issuer can be reached: {error}"),
                "see to the limits of this process",
            );
            return Vec::new();
        }
    };
    let mut ready = Vec::new();
    for (id, location, opened) in opened {
        match opened {
            Err(error) => findings.fail(
                &location.at("url"),
                format!("the issuer gives no CA certificate, and none is known from before: {error}"),
                "see to the issuer, its address and its TLS settings, and try again (`scepd issuer test` tells the steps apart)",
            ),
            Ok(vault) => {
                let issuer: Arc<dyn Issuer> = Arc::new(vault);
                say(&*issuer, &location, findings);
                ready.push((id, issuer));
            }
        }
    }
    ready
}

/// Waits for something outside, on a thread that is none of the asynchronous ones.
///
/// # Errors
/// The system gives no runtime.
pub(super) fn waiting_for<T>(asked: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(asked))
}

fn say(issuer: &dyn Issuer, location: &Location, findings: &mut Findings) {
    let Some(remote) = issuer.remote() else {
        return;
    };
    if let Some(trouble) = remote.health().trouble {
        findings.warn(
            &location.at("url"),
            format!(
                "the issuer is not there now ({trouble}); its CA certificates are those of before"
            ),
            "see to it: devices wait until it is back",
        );
    }
    for objection in remote.findings() {
        add(&objection, &location.at("vault.role"), findings);
    }
}

/// Says what an issuer cannot make of a certificate profile; once for each pair of them.
pub(super) fn objections(
    config: &Config,
    profile: &Profile,
    issuer: &dyn Issuer,
    policy: &CertificatePolicy,
    findings: &mut Findings,
) {
    let pair =
        |one: &Profile| one.issuer_id == profile.issuer_id && one.profile_id == profile.profile_id;
    let is_first = config
        .profiles
        .iter()
        .find(|one| pair(one))
        .is_some_and(|first| first.path_id == profile.path_id);
    let Some(remote) = issuer.remote().filter(|_| is_first) else {
        return;
    };
    let location = Location::one_of("certificate_profile", &profile.profile_id);
    for objection in remote.objections(policy) {
        add(&objection, &location.at(objection.setting), findings);
    }
}

fn add(objection: &Objection, location: &Location, findings: &mut Findings) {
    match objection.is_fatal {
        true => findings.fail(location, objection.what.clone(), objection.remedy.clone()),
        false => findings.warn(location, objection.what.clone(), objection.remedy.clone()),
    }
}

/// Whether a kind is somewhere else.
pub(super) fn is_remote(kind: IssuerKind) -> bool {
    kind != IssuerKind::Local
}
