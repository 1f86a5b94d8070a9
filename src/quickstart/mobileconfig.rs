//! Configuration profiles for Apple devices: trust the CA, get a certificate.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pki::{Certificate, Digest};

use super::facts::{Facts, ProfileFacts, profile_url};
use super::place::{self, Readers};
use super::{Error, material};

/// The file of a profile.
pub(super) fn file(dir: &Path, path_id: &str) -> PathBuf {
    let name = if path_id.is_empty() { "root" } else { path_id };
    dir.join(format!("scepd-{name}.mobileconfig"))
}

/// Writes one file for each profile with a static challenge.
pub(super) fn write(dir: &Path, facts: &Facts) -> Result<(), Error> {
    let ca_file = dir.join(material::CA_CERT);
    let ca = Certificate::from_pem(place::read(&ca_file)?.as_bytes()).map_err(|error| {
        Error::Unusable {
            path: ca_file,
            reason: error.to_string(),
        }
    })?;
    for profile in &facts.profiles {
        if let Some(challenge) = &profile.challenge {
            let text = text(facts, profile, challenge, &ca);
            place::write(
                &file(dir, &profile.path_id),
                text.as_bytes(),
                Readers::Owner,
            )?;
        }
    }
    Ok(())
}

/// SCEP goes over plain http where that is on: the message itself is encrypted and signed, and the
/// device does not trust the server's CA before this very profile is installed.
fn address(facts: &Facts, path_id: &str) -> String {
    let base = facts.http_url.as_deref().unwrap_or(&facts.https_url);
    let base = match place::outward_address() {
        Some(outward) => base.replacen("localhost", &bracketed(outward), 1),
        None => base.to_owned(),
    };
    profile_url(&base, path_id)
}

fn bracketed(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn text(facts: &Facts, profile: &ProfileFacts, challenge: &str, ca: &Certificate) -> String {
    let url = escaped(&address(facts, &profile.path_id));
    let name = escaped(if profile.path_id.is_empty() {
        "root"
    } else {
        &profile.path_id
    });
    let challenge = escaped(challenge);
    let certificate = STANDARD.encode(ca.der());
    let fingerprint = STANDARD.encode(Digest::Sha1.hash(ca.der()));
    let [whole, root, scep] =
        ["whole", "root", "scep"].map(|part| uuid(ca, &profile.path_id, part));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadType</key><string>Configuration</string>
	<key>PayloadVersion</key><integer>1</integer>
	<key>PayloadIdentifier</key><string>scepd.quickstart.{name}</string>
	<key>PayloadUUID</key><string>{whole}</string>
	<key>PayloadDisplayName</key><string>scepd quickstart: {name}</string>
	<key>PayloadDescription</key><string>Trusts the quickstart CA and gets a certificate from it by SCEP.</string>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadType</key><string>com.apple.security.root</string>
			<key>PayloadVersion</key><integer>1</integer>
			<key>PayloadIdentifier</key><string>scepd.quickstart.{name}.root</string>
			<key>PayloadUUID</key><string>{root}</string>
			<key>PayloadDisplayName</key><string>scepd quickstart CA</string>
			<key>PayloadContent</key><data>{certificate}</data>
		</dict>
		<dict>
			<key>PayloadType</key><string>com.apple.security.scep</string>
			<key>PayloadVersion</key><integer>1</integer>
			<key>PayloadIdentifier</key><string>scepd.quickstart.{name}.scep</string>
			<key>PayloadUUID</key><string>{scep}</string>
			<key>PayloadDisplayName</key><string>Certificate of this device</string>
			<key>PayloadContent</key>
			<dict>
				<key>URL</key><string>{url}</string>
				<key>Name</key><string>scepd</string>
				<key>Subject</key>
				<array>
					<array><array><string>O</string><string>scepd quickstart</string></array></array>
					<array><array><string>CN</string><string>Apple device</string></array></array>
				</array>
				<key>Challenge</key><string>{challenge}</string>
				<key>CAFingerprint</key><data>{fingerprint}</data>
				<key>Keysize</key><integer>2048</integer>
				<key>Key Type</key><string>RSA</string>
				<key>Key Usage</key><integer>5</integer>
				<key>Retries</key><integer>3</integer>
				<key>RetryDelay</key><integer>10</integer>
			</dict>
		</dict>
	</array>
</dict>
</plist>
"#
    )
}

/// Always the same for the same CA and profile, so that installing again replaces.
fn uuid(ca: &Certificate, path_id: &str, part: &str) -> String {
    let seed = [
        ca.fingerprint().as_slice(),
        path_id.as_bytes(),
        b"\0",
        part.as_bytes(),
    ]
    .concat();
    let digest = hex::encode_upper(pki::sha256(&seed));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // Version 8 (the writer's own) and the variant of RFC 9562.
    format!(
        "{}-{}-8{}-A{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

fn escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                c => out.push(c),
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn markup_in_a_challenge_is_escaped() {
        assert_eq!(escaped("a<b>&\"c"), "a&lt;b&gt;&amp;&quot;c");
    }
}
