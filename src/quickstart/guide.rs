//! What is printed when the server answers: commands and field values that lead to a certificate.

use std::io::{self, Write};
use std::path::Path;

use super::facts::{Facts, ProfileFacts, profile_url};
use super::{material, mobileconfig, settings};

/// Prints the guide. No line but the last holds the word that scripts wait for.
pub(super) fn print(dir: &Path, facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    let guide = Guide {
        dir,
        facts,
        scepd: this_program(),
    };
    guide.places(out)?;
    if let Some(profile) = facts
        .profiles
        .iter()
        .find(|profile| profile.challenge.is_some())
    {
        guide.own_client(profile, out)?;
    }
    if let Some(profile) = facts
        .profile(settings::INTUNE)
        .filter(|_| facts.audience.is_some())
    {
        guide.intune_challenge(profile, out)?;
    }
    if let Some(profile) = facts
        .profile("iot")
        .filter(|profile| profile.challenge.is_some())
    {
        guide.strongswan(profile, out)?;
    }
    if let Some(profile) = facts.profile(settings::INTUNE) {
        guide.mdm(profile, out)?;
    }
    writeln!(
        out,
        "ready: {}  (admin page: {}/scep)",
        facts.https_url, facts.https_url
    )?;
    out.flush()
}

fn this_program() -> String {
    std::env::current_exe().map_or_else(
        |_| "scepd".to_owned(),
        |path| quoted(&path.display().to_string()),
    )
}

/// As a shell word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

struct Guide<'a> {
    dir: &'a Path,
    facts: &'a Facts,
    scepd: String,
}

impl Guide<'_> {
    fn path(&self, name: &str) -> String {
        quoted(&self.dir.join(name).display().to_string())
    }

    fn places(&self, out: &mut dyn Write) -> io::Result<()> {
        let facts = self.facts;
        writeln!(out, "\nscepd serves from {}", self.dir.display())?;
        for profile in &facts.profiles {
            writeln!(out, "  SCEP profile {:<10} {}", label(profile), profile.url)?;
        }
        if let Some(http) = &facts.http_url {
            writeln!(out, "  the same without TLS    {http}")?;
        }
        if let Some(published) = &facts.publish_url {
            writeln!(out, "  CRL, OCSP               {published}")?;
        }
        writeln!(out, "  CA certificate          {}", facts.ca_cert.display())?;
        writeln!(out, "  admin page              {}/scep", facts.https_url)?;
        writeln!(
            out,
            "  admin token, in file    {}",
            facts.admin_token_file.display()
        )?;
        writeln!(
            out,
            "  settings                {}",
            self.dir.join(settings::FILE).display()
        )?;
        writeln!(
            out,
            "Limits on requests from one address are off here, so that it can be measured.\n"
        )
    }

    fn own_client(&self, profile: &ProfileFacts, out: &mut dyn Write) -> io::Result<()> {
        let challenge = profile.challenge.as_deref().unwrap_or_default();
        writeln!(out, "Enroll a device with scepd's own client:")?;
        writeln!(
            out,
            "  {} enroll --url {} --challenge {} --subject 'O=Example, CN=laptop-1' --san dns:laptop-1.example --ca-file {} --out {}\n",
            self.scepd,
            quoted(&profile.url),
            quoted(challenge),
            self.path(material::CA_CERT),
            self.path("devices/laptop-1"),
        )
    }

    fn intune_challenge(&self, profile: &ProfileFacts, out: &mut dyn Write) -> io::Result<()> {
        let audience = self.facts.audience.as_deref().unwrap_or_default();
        writeln!(
            out,
            "Enroll with a challenge that the (throwaway) Intune connector signs:"
        )?;
        writeln!(
            out,
            "  {} enroll --url {} --challenge \"$({} intune-challenge --key {} --aud {} --device-name laptop-2 --san dns:laptop-2.example)\" --subject CN=laptop-2 --san dns:laptop-2.example --ca-file {} --out {}\n",
            self.scepd,
            quoted(&profile.url),
            self.scepd,
            self.path(material::CONNECTOR_KEY),
            quoted(audience),
            self.path(material::CA_CERT),
            self.path("devices/laptop-2"),
        )
    }

    /// Over plain http: `pki` would have to be told about the TLS certificate.
    fn strongswan(&self, profile: &ProfileFacts, out: &mut dyn Write) -> io::Result<()> {
        let base = self
            .facts
            .http_url
            .as_deref()
            .unwrap_or(&self.facts.https_url);
        let url = quoted(&profile_url(base, &profile.path_id));
        let challenge = quoted(profile.challenge.as_deref().unwrap_or_default());
        writeln!(
            out,
            "Enroll with strongSwan's pki (5.9.8 needs --cipher des3, newer ones do not):"
        )?;
        writeln!(
            out,
            "  pki --gen --type rsa --size 2048 --outform pem > key.pem"
        )?;
        writeln!(
            out,
            "  pki --scepca --url {url} --caout ca.pem --raout ra.pem --outform pem"
        )?;
        writeln!(
            out,
            "  pki --scep --url {url} --in key.pem --dn 'O=Example, CN=sensor-1' --san sensor-1.example --password {challenge} --cacert-enc ra.pem --cacert-sig ra.pem --cacert ca.pem --cipher des3 --outform pem > cert.pem\n"
        )
    }

    fn mdm(&self, profile: &ProfileFacts, out: &mut dyn Write) -> io::Result<()> {
        let ca = self.facts.ca_cert.display();
        writeln!(
            out,
            "Apple devices: install {}",
            mobileconfig::file(self.dir, &profile.path_id).display()
        )?;
        writeln!(out, "\nIntune, SCEP certificate profile:")?;
        for (field, value) in [
            ("SCEP server URLs", profile.url.clone()),
            (
                "Root certificate",
                format!("a trusted certificate profile with {ca}"),
            ),
            ("Subject name format", "CN={{AAD_Device_ID}}".to_owned()),
            ("Key size, hash", "2048, SHA-2".to_owned()),
            (
                "Key usage",
                "digital signature, key encipherment".to_owned(),
            ),
            (
                "Extended key usage",
                "Client Authentication (1.3.6.1.5.5.7.3.2)".to_owned(),
            ),
            (
                "Connector certificate",
                format!(
                    "put yours into {}, then SIGHUP",
                    self.facts.connector_cert.display()
                ),
            ),
        ] {
            writeln!(out, "  {field:<22} {value}")?;
        }
        writeln!(out, "\nJamf Pro, SCEP payload:")?;
        for (field, value) in [
            ("URL", profile.url.clone()),
            ("Name", "scepd".to_owned()),
            ("Subject", "CN=$COMPUTERNAME".to_owned()),
            ("Challenge type", "Static".to_owned()),
            ("Challenge", profile.challenge.clone().unwrap_or_default()),
            ("Key size", "2048, for signing and encryption".to_owned()),
            ("Certificate payload", ca.to_string()),
        ] {
            writeln!(out, "  {field:<22} {value}")?;
        }
        writeln!(
            out,
            "(Put the name that devices reach this machine by in the place of localhost.)\n"
        )
    }
}

fn label(profile: &ProfileFacts) -> &str {
    if profile.path_id.is_empty() {
        "(root)"
    } else {
        &profile.path_id
    }
}
