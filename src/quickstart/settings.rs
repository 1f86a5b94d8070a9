//! `scepd.toml` of a first server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::material::{CA_CERT, CA_KEY, CONNECTOR_CERT, TLS_CERT, TLS_KEY, challenge_file};
use super::place::{self, Readers};
use super::{Error, Options};

pub(super) const FILE: &str = "scepd.toml";
/// The directory of the store.
pub(super) const DATA: &str = "data";
/// The profiles of a first server.
pub(super) const PROFILES: [&str; 2] = ["corp", "iot"];
/// The profile with Intune on.
pub(super) const INTUNE: &str = "corp";

const HTTPS_PORT: u16 = 8443;
const HTTP_PORT: u16 = 8080;
const PUBLISH_PORT: u16 = 8081;

/// All addresses of this machine.
pub(super) fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

/// Writes the file when it is missing.
pub(super) fn ensure(dir: &Path, options: &Options) -> Result<(), Error> {
    let path = dir.join(FILE);
    if path.exists() {
        return Ok(());
    }
    place::write(&path, text(options).as_bytes(), Readers::Owner)
}

fn text(options: &Options) -> String {
    let listen = |port| match options.listen {
        Some(address) => SocketAddr::new(address, port),
        None => everywhere(port),
    };
    let https = listen(options.https_port.unwrap_or(HTTPS_PORT));
    let http = listen(options.http_port.unwrap_or(HTTP_PORT));
    let published = published(options);
    let (corp, iot) = (challenge_file("corp"), challenge_file("iot"));
    format!(
        r#"# Made by `scepd quickstart` for trying out. `scepd config example` explains every setting.
#
# What differs from a configuration for real use:
# - The limits on requests from one source address are off, so that it can be measured from one machine.
# - Plain http is on, for devices that cannot speak https and for clients that do not know this CA yet.
# - The CA's key lies beside this file, and the Intune connector is a throwaway one.

[server]
https_listen = "{https}"
http_listen = "{http}"
tls_cert_path = "{TLS_CERT}"
tls_key_path = "{TLS_KEY}"
data_dir = "{DATA}"

# CRLs, the CA's certificate and OCSP answers, for whoever checks the certificates of devices.
{published}

[[issuer]]
id = "local"
ca_cert_path = "{CA_CERT}"
ca_key_path = "{CA_KEY}"

[[certificate_profile]]
id = "device"
max_ttl = "365d"
ekus_default = ["client_auth"]
ekus_allowed = ["client_auth"]

[certificate_profile.san]
types = ["dns", "email", "upn", "uri", "ip"]

# Laptops and phones: a static challenge, or one signed by the Intune connector.
[[profile]]
path_id = "corp"
issuer_id = "local"
profile_id = "device"
challenge_password_file = "{corp}"
ra = "auto"

[profile.limits]
per_source_per_minute = 0
bad_challenges_per_source_per_minute = 0

[profile.intune]
enabled = true
connector_cert_path = "{CONNECTOR_CERT}"
audience = "https://localhost/scep/corp"

# Things: a static challenge, and the algorithms of the past that old devices still need.
[[profile]]
path_id = "iot"
issuer_id = "local"
profile_id = "device"
challenge_password_file = "{iot}"
ra = "auto"
crypto = "compatible"

[profile.limits]
per_source_per_minute = 0
bad_challenges_per_source_per_minute = 0
"#
    )
}

/// `[publish]`. Where other ports are chosen by hand, and this one is not, the usual one may be taken: then any free one will
/// do, which cannot stand in certificates.
fn published(options: &Options) -> String {
    let others = options.https_port.is_some() || options.http_port.is_some();
    let port = options
        .publish_port
        .unwrap_or(if others { 0 } else { PUBLISH_PORT });
    let address = match options.listen {
        Some(address) => SocketAddr::new(address, port),
        None => everywhere(port),
    };
    let host = match options.listen {
        Some(_) => address.to_string(),
        None => format!("{}:{port}", place::own_name()),
    };
    let base = match port {
        0 => String::new(),
        _ => format!("\nbase_url = \"http://{host}\""),
    };
    format!("[publish]\nlisten = \"{address}\"{base}")
}
