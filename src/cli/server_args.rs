//! The flags that say which SCEP server is meant and why it is believed.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use pki::Certificate;
use scep::client::CaCertificates;

use super::Failure;
use crate::client::folder::{read_certificates, read_key};
use crate::client::{
    CaTrust, Dialect, Endpoint, Error, Method, Pending, Server, ServerTrust, Session, TlsIdentity,
};

/// Flags of every command that talks to a SCEP server.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    /// PEM file with the CA of the https server's certificate, which is verified with the system's root certificates
    /// otherwise. Over plain http, the SCEP CA must be in it or issued by a CA in it.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// SHA-256 fingerprint of the SCEP CA, or of a CA above it, in hex. Over plain http, nothing else has to be believed
    /// then; an https server is verified all the same.
    #[arg(long, value_name = "HEX", conflicts_with = "insecure")]
    ca_fingerprint: Option<String>,
    /// Do not verify the https server's certificate. The SCEP CA has to be pinned with --ca-fingerprint; `poll` knows it.
    #[arg(long, conflicts_with = "ca_file")]
    insecure_tls: bool,
    /// Believe any https server, any CA and any RA. For trials only.
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
    /// PEM file with the client certificate for servers that ask for one (mTLS), and its chain.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the key of --tls-cert.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Longest time to wait for a reply, in seconds. Connecting takes no longer either, nor 15 seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Flags of every command that makes messages.
#[derive(Debug, Clone, Args)]
pub(super) struct DialectArgs {
    /// Use triple DES and SHA-1 where the server has nothing better.
    #[arg(long)]
    legacy: bool,
    /// Send messages by GET even where the server takes POST.
    #[arg(long)]
    get: bool,
    /// Content cipher: aes128, aes192, aes256 or des3. Without it, what fits the server.
    #[arg(long, value_name = "NAME", value_parser = cipher)]
    cipher: Option<pki::ContentCipher>,
    /// Digest: sha1, sha256, sha384 or sha512. Without it, what fits the server.
    #[arg(long, value_name = "NAME", value_parser = digest)]
    digest: Option<pki::Digest>,
    /// Carry content keys with RSA-OAEP (SHA-256) and not with PKCS #1 v1.5.
    #[arg(long)]
    oaep: bool,
}

impl DialectArgs {
    /// Whether triple DES and SHA-1 may be used.
    pub(super) fn legacy(&self) -> bool {
        self.legacy
    }

    /// How to speak to `server`.
    pub(super) fn choose(&self, server: &Server) -> Result<Dialect, Failure> {
        // What is named needs no leave.
        let named = self.cipher.is_some() && self.digest.is_some();
        let mut dialect =
            Dialect::choose(&server.capabilities, self.legacy || named).map_err(failure)?;
        if self.get {
            dialect.method = Method::Get;
        }
        if let Some(cipher) = self.cipher {
            dialect.cipher = cipher;
        }
        if let Some(digest) = self.digest {
            dialect.digest = digest;
        }
        if self.oaep {
            dialect.key_transport = pki::KeyTransport::oaep(pki::Digest::Sha256);
        }
        Ok(dialect)
    }
}

impl ServerArgs {
    /// Connects, and asks for capabilities and CA certificates. What has to be said about trust goes to stderr.
    pub(super) async fn meet(&self, url: &str) -> Result<Server, Failure> {
        let endpoint: Endpoint = url.parse().map_err(failure)?;
        let pin = self.pin()?;
        if self.insecure_tls && pin.is_none() && !self.insecure {
            return Err(Failure::usage(
                "--insecure-tls needs --ca-fingerprint: somebody has to vouch for the SCEP CA",
            ));
        }
        if self.insecure {
            eprintln!(
                "WARNING: --insecure: nothing is known about who answers at {endpoint}. Anybody could issue to you now."
            );
        }
        let named = self.named_trust()?;
        let ca_trust = match (pin, &self.ca_file) {
            (Some(pin), _) => CaTrust::Fingerprint(pin),
            (None, Some(path)) if !endpoint.is_secure() => {
                CaTrust::Anchors(read_certificates(path).map_err(failure)?)
            }
            (None, None) if self.insecure => CaTrust::Anybody,
            (None, _) => CaTrust::AsGiven,
        };
        let unproven = matches!(ca_trust, CaTrust::AsGiven) && !endpoint.is_secure();
        let trust = named.unwrap_or_default();
        let server = self.connect(endpoint, trust, &ca_trust).await?;
        if unproven {
            say_unproven(&server.ca);
        }
        for why in &server.unfit_ras {
            eprintln!("WARNING: what the server shows as its RA is none: {why}");
        }
        Ok(server)
    }

    /// Connects to the server of a request that is pending: its issuing CA is known, and how TLS was verified.
    pub(super) async fn meet_again(&self, pending: &Pending) -> Result<Server, Failure> {
        let endpoint: Endpoint = pending.url.parse().map_err(failure)?;
        let pin = match self.pin()? {
            Some(pin) => pin,
            None => fingerprint(&pending.ca_fingerprint)?,
        };
        let trust = self.named_trust()?.unwrap_or_else(|| pending.tls.clone());
        self.connect(endpoint, trust, &CaTrust::Fingerprint(pin))
            .await
    }

    fn pin(&self) -> Result<Option<[u8; 32]>, Failure> {
        let pin = self.ca_fingerprint.as_deref();
        pin.map(fingerprint).transpose()
    }

    /// How the flags say that TLS is verified; `None` when they say nothing.
    fn named_trust(&self) -> Result<Option<ServerTrust>, Failure> {
        if self.insecure_tls || self.insecure {
            return Ok(Some(ServerTrust::Unchecked));
        }
        let Some(path) = &self.ca_file else {
            return Ok(None);
        };
        let anchors = read_certificates(path).map_err(failure)?;
        let anchors = anchors.iter().map(Certificate::to_pem).collect();
        Ok(Some(ServerTrust::Anchors(anchors)))
    }

    async fn connect(
        &self,
        endpoint: Endpoint,
        trust: ServerTrust,
        ca: &CaTrust,
    ) -> Result<Server, Failure> {
        let limit = Duration::from_secs(self.timeout.max(1));
        let session = Session::new(endpoint, trust, self.identity()?, limit).map_err(failure)?;
        Server::meet(session, ca, Utc::now()).await.map_err(failure)
    }

    fn identity(&self) -> Result<Option<TlsIdentity>, Failure> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let chain = read_certificates(cert)
            .map_err(failure)?
            .iter()
            .map(|c| c.der().to_vec())
            .collect();
        let key = read_key(key)
            .and_then(|key| Ok(key.to_pkcs8_pem()?))
            .map_err(failure)?;
        Ok(Some(TlsIdentity { chain, key }))
    }
}

fn say_unproven(ca: &CaCertificates) {
    eprintln!(
        "note: over plain http nothing vouches for this CA. Compare its SHA-256 fingerprint, or pass it next time:\n  \
         \"{}\"\n  --ca-fingerprint {}",
        ca.issuing().subject(),
        hex::encode(ca.issuing().fingerprint())
    );
}

/// A SHA-256 fingerprint in hex, with or without colons and blanks.
fn fingerprint(text: &str) -> Result<[u8; 32], Failure> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let octets = hex::decode(digits)
        .ok()
        .and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| {
        Failure::usage(format!(
            "the fingerprint {text:?} is not a SHA-256 digest of 64 hexadecimal digits"
        ))
    })
}

fn cipher(name: &str) -> Result<pki::ContentCipher, String> {
    match name {
        "aes128" => Ok(pki::ContentCipher::Aes128Cbc),
        "aes192" => Ok(pki::ContentCipher::Aes192Cbc),
        "aes256" => Ok(pki::ContentCipher::Aes256Cbc),
        "des3" => Ok(pki::ContentCipher::DesEde3Cbc),
        _ => Err("it is none of aes128, aes192, aes256 and des3".to_owned()),
    }
}

fn digest(name: &str) -> Result<pki::Digest, String> {
    match name {
        "sha1" => Ok(pki::Digest::Sha1),
        "sha256" => Ok(pki::Digest::Sha256),
        "sha384" => Ok(pki::Digest::Sha384),
        "sha512" => Ok(pki::Digest::Sha512),
        _ => Err("it is none of sha1, sha256, sha384 and sha512".to_owned()),
    }
}

/// A client error as a command's failure.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Usage(words) => Failure::usage(words),
        other => Failure::new(other.to_string()),
    }
}

/// Runs a client command to its end on a small runtime of its own.
pub(super) fn block_on<F: Future<Output = Result<(), Failure>>>(future: F) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::while_doing("starting the asynchronous runtime"))?
        .block_on(future)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_write_them() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint(&plain).unwrap(), [0xab; 32]);
        assert_eq!(fingerprint(&colons).unwrap(), [0xab; 32]);
        assert!(fingerprint("abcd").unwrap_err().to_string().contains("64"));
    }
}
