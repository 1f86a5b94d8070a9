//! Asking a server that nothing is known of yet for a certificate whose fingerprint is known.

use pki::sha256;
use reqwest::Url;
use subtle::ConstantTimeEq as _;

use crate::{CallError, Client, Options, Request, Response, SetupError};

/// Why there is no certificate with the fingerprint.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The client could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The server could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it gave has another fingerprint, or it gave nothing.
    #[error("what the server gives does not have the fingerprint that was named")]
    Other,
}

/// Asks `url` without knowing whom to trust, takes the certificate (DER) out of the answer by `read`, and gives it if its
/// SHA-256 is `fingerprint`. Nothing else of the answer is of use, and nothing secret belongs into the address. The `trust`
/// and `identity` of `options` are not looked at.
///
/// # Errors
/// [`PinError`].
pub async fn pinned(
    url: Url,
    options: Options,
    fingerprint: &[u8; 32],
    read: impl FnOnce(&Response) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, PinError> {
    let client = Client::believing_anybody(options)?;
    let response = client.send(Request::get(url)).await?;
    let der = read(&response).ok_or(PinError::Other)?;
    match bool::from(sha256(&der).ct_eq(fingerprint)) {
        true => Ok(der),
        false => Err(PinError::Other),
    }
}
