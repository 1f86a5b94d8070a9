//! `[server]`, `[store]`, `[admin]`, `[audit]`, `[log]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use rustls_pki_types::CertificateDer;

use super::loaded::{LoadedAdmin, LoadedTls};
use super::pair;
use super::problem::{Findings, Location, Problem, Severity};
use super::{Run, count, range, secrets, urls};
use crate::auth::jwks::JwksUrl;
use crate::auth::oidc::{Oidc, OidcSettings};
use crate::config::{self, Access, Config, Secret, Server};
use crate::http::{TlsError, TlsIdentity};
use crate::telemetry::logs;

/// Extended key usage of TLS servers.
const SERVER_AUTH: &str = pki::oid::EKU_SERVER_AUTH;

/// What to do about a data directory that is not there.
const MAKE_IT: &str = "make it and give it to the user that runs scepd";

/// Checks everything outside the lists but TLS and admin.
pub(super) fn check(run: &Run<'_>, findings: &mut Findings) {
    let server = &run.config.server;
    let location = Location::section("server");
    listeners(run.config, &location, findings);
    limits(server, &location, findings);
    data_dir(run, &location.at("data_dir"), findings);
    let cache = usize::try_from(run.config.store.cache_bytes).unwrap_or(usize::MAX);
    count(
        cache,
        1 << 20..=1 << 40,
        &Location::section("store").at("cache_bytes"),
        findings,
    );
    let retention = run.config.audit.retention;
    if !retention.is_zero() {
        range(
            retention,
            "1d",
            "36600d",
            &Location::section("audit").at("retention"),
            findings,
        );
    }
    let retention = run.config.certificates.retention;
    if !retention.is_zero() {
        range(
            retention,
            "30d",
            "36600d",
            &Location::section("certificates").at("retention"),
            findings,
        );
    }
    access_log(run, findings);
    if let Err(what) = logs::check(&run.config.log.level) {
        let remedy =
            "write off, error, warn, info, debug, trace, or a filter such as info,scepd=debug";
        findings.fail(&Location::section("log").at("level"), what, remedy);
    }
}

/// Whether the file of the access log can be written; it is made when the server starts.
fn access_log(run: &Run<'_>, findings: &mut Findings) {
    let Access::File(path) = &run.config.log.access else {
        return;
    };
    let location = Location::section("log").at("access").in_file(path);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let why = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => "it is a directory".to_owned(),
        Ok(_) => match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
            Ok(()) => return,
            Err(error) => format!("it cannot be written: {error}"),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_write(directory) => {
            return;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("it cannot be made in {}", directory.display())
        }
        Err(error) => error.to_string(),
    };
    findings.fail(
        &location,
        why,
        "name a file that the user who runs scepd may write, or write log or stdout",
    );
}

fn listeners(config: &Config, location: &Location, findings: &mut Findings) {
    let server = &config.server;
    let all: [(_, Option<SocketAddr>); 5] = [
        ("https_listen", Some(server.https_listen)),
        ("http_listen", server.http_listen),
        ("mtls_listen", server.mtls_listen),
        ("admin.metrics_listen", config.admin.metrics_listen),
        ("publish.listen", config.publish.listen),
    ];
    let mut taken = BTreeMap::new();
    for (setting, address) in all {
        // Port 0 asks the system for a free one each time.
        let Some(address) = address.filter(|address| address.port() != 0) else {
            continue;
        };
        if let Some(other) = taken.insert(address, setting) {
            let what = format!("{address} is the address of {other} as well");
            findings.fail(
                &location.at(setting),
                what,
                "give each listener its own port",
            );
        }
    }
}

fn limits(server: &Server, location: &Location, findings: &mut Findings) {
    count(
        server.max_body_bytes,
        16 << 10..=64 << 20,
        &location.at("max_body_bytes"),
        findings,
    );
    count(
        server.max_header_bytes,
        72 << 10..=4 << 20,
        &location.at("max_header_bytes"),
        findings,
    );
    count(
        server.max_connections,
        1..=1_000_000,
        &location.at("max_connections"),
        findings,
    );
    count(
        server.connections_per_source(),
        0..=1_000_000,
        &location.at("max_connections_per_source"),
        findings,
    );
    count(
        server.compute_threads,
        0..=1024,
        &location.at("compute_threads"),
        findings,
    );
    count(
        server.compute_queue,
        1..=1_000_000,
        &location.at("compute_queue"),
        findings,
    );
    for (setting, span, most) in [
        ("header_timeout", server.header_timeout, "5m"),
        ("body_timeout", server.body_timeout, "10m"),
        ("request_timeout", server.request_timeout, "10m"),
        ("idle_timeout", server.idle_timeout, "1h"),
        ("drain_timeout", server.drain_timeout, "10m"),
    ] {
        range(span, "100ms", most, &location.at(setting), findings);
    }
}

fn data_dir(run: &Run<'_>, location: &Location, findings: &mut Findings) {
    let path = run.config.server.data_dir.as_path();
    if path.as_os_str().is_empty() {
        findings.fail(location, "it is empty", "name a directory");
        return;
    }
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            findings.fail(
                &location.in_file(path),
                "it is not a directory",
                "name a directory",
            );
        }
        Ok(_) if !may_write(path) => {
            findings.fail(
                &location.in_file(path),
                "this user may not write there",
                "give it to the user that runs scepd",
            );
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            can_be_made(path, location, findings);
        }
        Err(error) => {
            findings.fail(
                &location.in_file(path),
                error.to_string(),
                "see to the permissions of the directories above",
            );
        }
    }
}

fn may_write(directory: &Path) -> bool {
    let needed = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(directory, needed).is_ok()
}

/// Whether the server could make it, by the nearest directory above that is there already.
fn can_be_made(path: &Path, location: &Location, findings: &mut Findings) {
    // A link to nowhere is there, and no directory can be made in its place.
    let there = path
        .ancestors()
        .find(|above| above.as_os_str().is_empty() || above.symlink_metadata().is_ok());
    let above = match there {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let why = match above.metadata() {
        Ok(metadata) if !metadata.is_dir() => "is not a directory".to_owned(),
        Ok(_) if !may_write(above) => "may not be written by this user".to_owned(),
        Ok(_) => return,
        Err(error) => format!("leads nowhere: {error}"),
    };
    findings.fail(
        &location.in_file(path),
        format!(
            "it does not exist and cannot be made: {} {why}",
            above.display()
        ),
        MAKE_IT,
    );
}

/// Makes the data directory where there is none. For a start that is accepted.
///
/// # Errors
/// Why it cannot be made.
pub fn make_data_dir(config: &Config) -> Result<(), Box<Problem>> {
    use std::os::unix::fs::DirBuilderExt;
    let path = config.server.data_dir.as_path();
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| {
        let location = Location::section("server").at("data_dir").in_file(path);
        let what = format!("it does not exist and cannot be made: {error}");
        Box::new(location.problem(Severity::Failure, what, MAKE_IT))
    })
}

/// The TLS server certificate and key.
pub(super) fn tls(run: &Run<'_>, findings: &mut Findings) -> Option<LoadedTls> {
    let (server, location) = (&run.config.server, Location::section("server"));
    let (certificate, key) = (
        server.tls_cert_path.as_deref(),
        server.tls_key_path.as_deref(),
    );
    let (certificate_spot, key_spot) = (location.at("tls_cert_path"), location.at("tls_key_path"));
    let pair = pair::load(
        run.files,
        (&certificate_spot, certificate),
        (&key_spot, key),
        run.now,
        findings,
    )?;
    let (certificate, key) = (certificate?, key?);
    let purposes = pair.certificate.ext_key_usages();
    if !purposes.is_empty() && !purposes.iter().any(|purpose| purpose == SERVER_AUTH) {
        let what = "its extended key usage lacks serverAuth, so clients refuse it";
        findings.fail(
            &certificate_spot.in_file(certificate),
            what,
            "use a TLS server certificate",
        );
        return None;
    }
    if pair.certificate.sans().is_empty() {
        let what = "it names no host (no subject alternative name), so clients refuse it";
        findings.warn(
            &certificate_spot.in_file(certificate),
            what,
            "use a certificate with DNS names",
        );
    }
    let chain = std::iter::once(&pair.certificate).chain(&pair.rest);
    let chain = chain.map(|one| CertificateDer::from(one.der().to_vec()));
    let refused = match pair.key.to_pkcs8_pem() {
        Ok(pem) => match TlsIdentity::new(chain.collect(), pem.as_bytes()) {
            Ok(identity) => {
                return Some(LoadedTls {
                    certificate: pair.certificate,
                    identity,
                });
            }
            Err(error @ TlsError::Certificate(_)) => {
                findings.fail(
                    &certificate_spot.in_file(certificate),
                    error.to_string(),
                    "use an X.509 version 3 certificate, as CAs issue them for TLS servers",
                );
                return None;
            }
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    findings.fail(
        &key_spot.in_file(key),
        format!("TLS cannot use this key: {refused}"),
        "use a key of RSA 2048 bits or more, EC P-256 or P-384, and a certificate for it",
    );
    None
}

/// Metrics token and OIDC keys.
pub(super) fn admin(run: &Run<'_>, findings: &mut Findings) -> LoadedAdmin {
    let (admin, location) = (&run.config.admin, Location::section("admin"));
    range(
        admin.session_lifetime,
        "1m",
        "30d",
        &location.at("session_lifetime"),
        findings,
    );
    range(
        admin.session_idle,
        "1m",
        "30d",
        &location.at("session_idle"),
        findings,
    );
    range(
        admin.bad_token_window,
        "1s",
        "1d",
        &location.at("bad_token_window"),
        findings,
    );
    LoadedAdmin {
        metrics_token: metrics_token(run, &location, findings),
        oidc_keys: oidc(run, &admin.oidc, &location, findings),
    }
}

fn metrics_token(run: &Run<'_>, location: &Location, findings: &mut Findings) -> Option<Secret> {
    let admin = &run.config.admin;
    secrets::resolve(
        run.files,
        (&location.at("metrics_token"), admin.metrics_token.as_ref()),
        (
            &location.at("metrics_token_file"),
            admin.metrics_token_file.as_deref(),
        ),
        findings,
    )
}

/// What a provider's tokens must say.
pub(crate) fn oidc_rules(settings: &config::Oidc) -> OidcSettings {
    OidcSettings {
        // Where either is not set, nothing is made of this: OIDC is off, or refused.
        issuer: settings.issuer.clone().unwrap_or_default(),
        audience: settings.audience.clone().unwrap_or_default(),
        role_claim: settings.role_claim.clone(),
        admin_roles: settings.admin_roles.clone(),
        viewer_roles: settings.viewer_roles.clone(),
        user_claim: settings.user_claim.clone(),
        skew: settings.clock_skew_tolerance.chrono(),
        refresh: settings.jwks_refresh.duration(),
    }
}

fn oidc(
    run: &Run<'_>,
    oidc: &config::Oidc,
    location: &Location,
    findings: &mut Findings,
) -> Option<Vec<u8>> {
    if oidc.issuer.is_none() {
        if oidc.keys_file.is_some() || oidc.jwks_url.is_some() || oidc.audience.is_some() {
            let what = "it is not set, so OIDC is off although other settings are there";
            findings.warn(
                &location.at("oidc.issuer"),
                what,
                "set it or remove the others",
            );
        }
        return None;
    }
    findings.demand(
        oidc.audience
            .as_ref()
            .is_some_and(|audience| !audience.is_empty()),
        &location.at("oidc.audience"),
        "it is not set, so tokens made for other services would be taken",
        "set the audience that the provider writes for scepd",
    );
    range(
        oidc.jwks_refresh,
        "1m",
        "7d",
        &location.at("oidc.jwks_refresh"),
        findings,
    );
    range(
        oidc.clock_skew_tolerance,
        "0s",
        "10m",
        &location.at("oidc.clock_skew_tolerance"),
        findings,
    );
    let keys_spot = location.at("oidc.keys_file");
    match (&oidc.keys_file, &oidc.jwks_url) {
        (Some(path), None) => {
            let content = run.files.read(path, &keys_spot, findings)?;
            let keys: Option<serde_json::Value> = serde_json::from_slice(&content.bytes).ok();
            let whole = keys.is_some_and(|set| {
                set.get("keys")
                    .and_then(|keys| keys.as_array())
                    .is_some_and(|keys| !keys.is_empty())
            });
            findings.demand(
                whole,
                &keys_spot.in_file(path),
                "it is no JWK set with keys",
                "fetch the provider's keys again",
            );
            let usable = whole
                .then(|| Oidc::with_keys(oidc_rules(oidc), &content.bytes))
                .transpose();
            if let Err(error) = &usable {
                findings.fail(
                    &keys_spot.in_file(path),
                    error.to_string(),
                    "fetch the provider's keys again",
                );
            }
            (whole && usable.is_ok()).then(|| content.bytes.to_vec())
        }
        (None, Some(url)) => {
            let url = url.as_str();
            let url_spot = location.at("oidc.jwks_url");
            let local = urls::parse(url)
                .is_ok_and(|url| url.scheme == "http" && urls::is_loopback(url.host));
            let good = local || urls::check_asked(url, &url_spot, findings).is_some();
            if let Some(Err(error)) = good.then(|| JwksUrl::new(url)) {
                findings.fail(&url_spot, error, "write https://host/path");
            }
            None
        }
        (given, _) => {
            let what = if given.is_some() {
                "jwks_url is set as well"
            } else {
                "neither it nor jwks_url is set"
            };
            findings.fail(&keys_spot, what, "set one of the two");
            None
        }
    }
}
