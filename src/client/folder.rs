//! The directory in which a device keeps its key, its certificate, and a request that is pending.
//!
//! | module | holds |
//! |---|---|
//! | `durable` | files that are there whole after a crash, or not at all |
//! | `pairs` | key and certificate, switched by one rename, and the pair before |

mod durable;
mod pairs;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use pki::{Certificate, PrivateKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Device, Error, Issued, ServerTrust};
use durable::Access;
use pairs::{Pairs, Parts};

/// A request that waits for a decision: what `poll` needs beside the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The server.
    pub url: String,
    /// The transaction.
    pub transaction_id: String,
    /// The name asked for.
    pub subject: String,
    /// The alternative names asked for; `None` where an earlier version did not keep them.
    #[serde(default)]
    pub sans: Option<String>,
    /// The validity of the certificate that is renewed, its first and last second.
    #[serde(default)]
    pub previous: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// SHA-256 of the issuing CA's certificate, in hex: `poll` talks to no other.
    pub ca_fingerprint: String,
    /// How the https server was judged.
    #[serde(default)]
    pub tls: ServerTrust,
    /// Whether the request was sent by GET.
    pub by_get: bool,
    /// Whether triple DES and SHA-1 were allowed.
    pub legacy: bool,
    /// The key file of the request; relative paths are relative to the directory.
    pub key: PathBuf,
}

/// The directory, which no other command of scepd works in while this value lives.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    _lock: Arc<File>,
}

impl Folder {
    /// Makes the directory where it is missing, and does what a run that was killed has left to be done.
    ///
    /// # Errors
    /// [`Error::File`], also when another command works in it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Folder, Error> {
        let path = path.into();
        durable::make_dir(&path)?;
        let lock = File::open(&path).map_err(|error| Error::file(&path, error))?;
        // Where the file system knows no locks, there is none.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::file(
                path,
                "another scepd command works in this directory: wait for its end",
            ));
        }
        let folder = Folder {
            path,
            _lock: Arc::new(lock),
        };
        folder.finish()?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it. An absolute path stays itself.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// `key.pem`: read where it is there already, so that no key is ever lost.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn key(&self) -> Result<Option<PrivateKey>, Error> {
        let path = self.file(KEY);
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
        self.write_secret(KEY, key)
    }

    /// Writes the key of a renewal beside the old one, and gives its name. It becomes `key.pem` when the certificate has
    /// come.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_next_key(&self, key: &PrivateKey) -> Result<PathBuf, Error> {
        self.write_secret(NEXT_KEY, key)?;
        Ok(PathBuf::from(NEXT_KEY))
    }

    /// Keeps a certificate with its key and chain, forgets what was pending, and gives the file of the key.
    ///
    /// `ca.pem` is the last certificate of the chain, `chain.pem` all of it, the issuer first. Certificate, chain and the
    /// key, where it is one of the directory, are put in the place of the old ones by one rename, when they are on the
    /// disk. The old ones become `cert.pem.previous` and `key.pem.previous`.
    ///
    /// # Errors
    /// [`Error::File`]. The old pair is in force then, or the new one, and the next [`open`](Self::open) finishes what is
    /// left.
    pub fn write_issued(&self, issued: &Issued, pending: &Pending) -> Result<PathBuf, Error> {
        let (key_file, own) = match pending.key.is_absolute() {
            true => (pending.key.clone(), None),
            false => {
                let key = Zeroizing::new(read(&self.file(&pending.key))?);
                (self.file(KEY), Some(key))
            }
        };
        let chain: String = issued.chain.iter().map(Certificate::to_pem).collect();
        let top = issued.chain.last().map(|top| top.to_pem().into_bytes());
        Pairs::of(&self.path).put(&Parts {
            key: own,
            certificate: Some(issued.certificate.to_pem().into_bytes()),
            chain: Some(chain.into_bytes()),
            ca: top,
            transaction: pending.transaction_id.clone(),
        })?;
        self.finish()?;
        Ok(key_file)
    }

    /// Does what is left to be done of a [`write_issued`](Self::write_issued).
    fn finish(&self) -> Result<(), Error> {
        let pairs = Pairs::of(&self.path);
        pairs.finish()?;
        let Some(transaction) = pairs.transaction() else {
            return Ok(());
        };
        if let Ok(Some(pending)) = self.waiting()
            && pending.transaction_id == transaction
        {
            self.forget_pending()?;
        }
        let next = self.file(NEXT_KEY);
        let same = |next: &Path| {
            let (next, current) = (fs::read(next), fs::read(self.file(KEY)));
            matches!((next, current), (Ok(next), Ok(current)) if next == current)
        };
        if next.exists() && same(&next) {
            durable::remove(&next)?;
        }
        Ok(())
    }

    /// Keeps a request that is pending, with the certificate and key that signed it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_pending(&self, pending: &Pending, device: &Device) -> Result<(), Error> {
        self.write_secret(SIGNER_KEY, &device.key)?;
        let signer = device.certificate.to_pem();
        durable::write(&self.file(SIGNER), signer.as_bytes(), Access::Usual)?;
        let path = self.file(PENDING);
        let text = serde_json::to_vec_pretty(pending).map_err(|error| Error::file(&path, error))?;
        // The last one: what it names is there.
        durable::write(&path, &text, Access::Usual)
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
                self.path.display()
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
        // The first one: without it the others mean nothing.
        for name in [PENDING, SIGNER, SIGNER_KEY] {
            let path = self.file(name);
            if path.exists() {
                durable::remove(&path)?;
            }
        }
        durable::sync_dir(&self.path)
    }

    fn write_secret(&self, name: &str, key: &PrivateKey) -> Result<(), Error> {
        durable::write(
            &self.file(name),
            key.to_pkcs8_pem()?.as_bytes(),
            Access::Owner,
        )
    }
}

const KEY: &str = "key.pem";
const CERT: &str = "cert.pem";
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
