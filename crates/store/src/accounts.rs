//! Who may: tokens, and what is kept by name.

use crate::{Result, TokenRecord};

/// The face of the store that knows who may. What reads the disk blocks on it.
///
/// # Errors
///
/// As those of [`Ledger`](crate::Ledger).
pub trait Accounts: Send + Sync + 'static {
    /// All tokens, oldest first, revoked ones too. Never reads the disk.
    fn tokens(&self) -> Vec<TokenRecord>;

    /// The token with this SHA-256, revoked or not; never reads the disk.
    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<TokenRecord>;

    /// The octets kept under a name.
    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Names and octets of the settings whose name begins so, by name.
    fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>>;
}
