//! The directory in which a device keeps its key, its certificate, and a request that is pending.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pki::{Certificate, PrivateKey};
use serde::{Deserialize, Serialize};

use super::{Device, Error, Issued};

/// A request that waits for a decision: what `poll` needs beside the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The server.
    pub url: String,
    /// The transaction.
    pub transaction_id: String,
    /// The name asked for.
    pub subject: String,
    /// SHA-256 of the issuing CA's certificate, in hex: `poll` talks to no other.
    pub ca_fingerprint: String,
    /// Whether the request was sent by GET.
    pub by_get: bool,
    /// Whether triple DES and SHA-1 were allowed.
    pub legacy: bool,
    /// The key file of the request; relative paths are relative to the directory.
    pub key: PathBuf,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the directory where it is missing, closed to others.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Folder, Error> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(|error| Error::file(&path, error))?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it. An absolute path stays itself.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// `key.pem`: read where it is there already, so that no key is ever lost.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn key(&self) -> Result<Option<PrivateKey>, Error> {
        let path = self.file("key.pem");
        if path.exists() {
            read_key(&path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Writes `key.pem`.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_key(&self, key: &PrivateKey) -> Result<(), Error> {
        write_secret(&self.file("key.pem"), key.to_pkcs8_pem()?.as_bytes())
    }

    /// Writes the key of a renewal beside the old one, and gives its name. It becomes `key.pem` when the certificate has
    /// come.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_next_key(&self, key: &PrivateKey) -> Result<PathBuf, Error> {
        write_secret(&self.file(NEXT_KEY), key.to_pkcs8_pem()?.as_bytes())?;
        Ok(PathBuf::from(NEXT_KEY))
    }

    /// Writes `cert.pem`, `chain.pem` and `ca.pem`, forgets what was pending, and gives the file of the certificate's key.
    ///
    /// `ca.pem` is the last certificate of the chain, `chain.pem` all of it, the issuer first. The key of a renewal
    /// becomes `key.pem`, and what was that becomes `key-old.pem`.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_issued(&self, issued: &Issued, key: &Path) -> Result<PathBuf, Error> {
        let chain: String = issued.chain.iter().map(Certificate::to_pem).collect();
        write(&self.file("chain.pem"), chain.as_bytes())?;
        if let Some(top) = issued.chain.last() {
            write(&self.file("ca.pem"), top.to_pem().as_bytes())?;
        }
        write(
            &self.file("cert.pem"),
            issued.certificate.to_pem().as_bytes(),
        )?;
        self.forget_pending()?;
        if key != Path::new(NEXT_KEY) {
            return Ok(self.file(key));
        }
        let current = self.file("key.pem");
        if current.exists() {
            let old = self.file("key-old.pem");
            fs::rename(&current, &old).map_err(|error| Error::file(&old, error))?;
        }
        fs::rename(self.file(key), &current).map_err(|error| Error::file(&current, error))?;
        Ok(current)
    }

    /// Keeps a request that is pending, with the certificate and key that signed it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_pending(&self, pending: &Pending, device: &Device) -> Result<(), Error> {
        write_secret(
            &self.file(SIGNER_KEY),
            device.key.to_pkcs8_pem()?.as_bytes(),
        )?;
        write(&self.file(SIGNER), device.certificate.to_pem().as_bytes())?;
        let path = self.file(PENDING);
        let text = serde_json::to_vec_pretty(pending).map_err(|error| Error::file(&path, error))?;
        write(&path, &text)
    }

    /// What is known of a request that is pending, if there is one.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn waiting(&self) -> Result<Option<Pending>, Error> {
        let path = self.file(PENDING);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&read(&path)?)
            .map(Some)
            .map_err(|error| Error::file(&path, error))
    }

    /// Reads a request that is pending.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Usage`] when nothing is pending.
    pub fn pending(&self) -> Result<(Pending, Device), Error> {
        let Some(pending) = self.waiting()? else {
            return Err(Error::Usage(format!(
                "nothing is pending in {}",
                self.0.display()
            )));
        };
        let device = Device {
            certificate: read_certificate(&self.file(SIGNER))?,
            key: read_key(&self.file(SIGNER_KEY))?,
        };
        Ok((pending, device))
    }

    /// Forgets what was pending.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn forget_pending(&self) -> Result<(), Error> {
        for name in [PENDING, SIGNER, SIGNER_KEY] {
            let path = self.file(name);
            if path.exists() {
                fs::remove_file(&path).map_err(|error| Error::file(&path, error))?;
            }
        }
        Ok(())
    }
}

const NEXT_KEY: &str = "key-next.pem";
/// The file of a request that is pending.
pub const PENDING: &str = "pending.json";
const SIGNER: &str = "pending-signer.pem";
const SIGNER_KEY: &str = "pending-signer-key.pem";

/// Reads a private key in PEM.
///
/// # Errors
/// [`Error::File`].
pub fn read_key(path: &Path) -> Result<PrivateKey, Error> {
    PrivateKey::from_pem(&read(path)?).map_err(|error| Error::file(path, error))
}

/// Reads the first certificate of a PEM file.
///
/// # Errors
/// [`Error::File`].
pub fn read_certificate(path: &Path) -> Result<Certificate, Error> {
    read_certificates(path)?
        .into_iter()
        .next()
        .ok_or_else(|| Error::file(path, "it holds no certificate"))
}

/// Reads all certificates of a PEM file, or the one of a DER file.
///
/// # Errors
/// [`Error::File`].
pub fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    Certificate::bundle_from_pem(&read(path)?).map_err(|error| Error::file(path, error))
}

/// Reads a file.
///
/// # Errors
/// [`Error::File`].
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::file(path, error))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(|error| Error::file(path, error))
}

/// Readable by the owner only, from its first octet on.
fn write_secret(path: &Path, content: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        // A file that was there already keeps its mode otherwise.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(content)
    };
    write().map_err(|error: std::io::Error| Error::file(path, error))
}
