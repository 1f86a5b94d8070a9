//! Issuers whose keys are somewhere else. One folder a kind:
//!
//! | module | holds |
//! |---|---|
//! | [`google_cas`] | Google Certificate Authority Service |
//! | [`step_ca`] | step-ca |
//! | [`upstream_scep`] | another SCEP server |
//! | [`adcs`] | Active Directory Certificate Services: CES and the pages of `/certsrv` |
//! | [`aws_pca`] | AWS Private CA |
//! | [`ejbca`] | EJBCA: its REST API |
//! | [`vault`] | HashiCorp Vault and OpenBao: the PKI secrets engine |
//! | `asked` | what an issuer takes from the device's own CSR |
//! | `base` | what issuers of every kind have |
//! | `chain` | reading and keeping what a CA says of itself |
//! | `crl` | its CRL, kept for a while |
//! | `standing` | how an issuer is, by the last call |
//! | `pause` | how long an issuer asks to be left alone |
//! | `pem`, `ra` | what is sent; certificates for scepd's own RAs |
//! | `words` | texts from outside, cut and escaped |
//!
//! Each kind is an [`issuer::Issuer`] with the face [`issuer::RemoteCa`]. What policy approved goes into the fields of the
//! issuer's API; what comes back is compared by whoever asked. Nothing here keeps anything on disk, and no text of an error
//! holds a credential.

pub mod adcs;
mod asked;
pub mod aws_pca;
mod base;
mod chain;
mod crl;
pub mod ejbca;
pub mod google_cas;
mod pause;
mod pem;
mod ra;
mod standing;
pub mod step_ca;
pub mod upstream_scep;
pub mod vault;
mod words;

pub use base::Opening;

use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Instant;
use zeroize::Zeroizing;

/// Where the monotonic time comes from: lifetimes of logins are counted by it.
pub type Ticks = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Where the time of day comes from: tokens say when they were made.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Where a credential comes from: read anew at each login, so that one that was exchanged counts from then on. May block.
/// Its error names the file and what is wrong, without any of its content.
pub type Credential = Arc<dyn Fn() -> Result<Zeroizing<String>, String> + Send + Sync>;

/// Reads a credential beside the async threads: a file system may hang.
pub(crate) async fn read(credential: &Credential) -> Result<Zeroizing<String>, String> {
    let credential = Arc::clone(credential);
    match tokio::task::spawn_blocking(move || credential()).await {
        Ok(read) => read,
        Err(_) => Err("reading the credential was broken off".to_owned()),
    }
}
