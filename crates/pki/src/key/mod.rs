//! Keys: what kind they are, and what they can do.

mod certified;
mod evp;
mod kind;
mod private;
mod public;
mod ready;
#[cfg(test)]
mod tests;
mod weak;

use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};

pub use kind::{Curve, KeyKind};
pub use private::PrivateKey;
pub use public::PublicKey;
pub use weak::RsaWeakness;

/// The version of OpenSSL that does the RSA work, as it states it itself.
#[must_use]
pub fn openssl_version() -> String {
    openssl::version::version().to_owned()
}

/// True when a PKCS #1 v1.5 ciphertext with bad padding decrypts to something random and not to an error: OpenSSL 3.2 or
/// later, and a trial that shows it. The trial is made once.
#[must_use]
pub fn implicit_rejection_available() -> bool {
    static TRIAL: OnceLock<bool> = OnceLock::new();
    openssl::version::number() >= 0x3020_0000
        && *TRIAL.get_or_init(|| rejection_trial().unwrap_or(false))
}

fn rejection_trial() -> Result<bool, ErrorStack> {
    let rsa = Rsa::generate(1024)?;
    let size = usize::try_from(rsa.size()).unwrap_or_default();
    // Block type 3 where PKCS #1 demands 2.
    let mut block = vec![0x5a; size];
    block
        .iter_mut()
        .zip([0, 3])
        .for_each(|(octet, value)| *octet = value);
    let mut ciphertext = vec![0; size];
    rsa.public_encrypt(&block, &mut ciphertext, Padding::NONE)?;
    let key = PKey::from_rsa(rsa)?;
    let mut context = PkeyCtx::new(&key)?;
    context.decrypt_init()?;
    context.set_rsa_padding(Padding::PKCS1)?;
    let mut plaintext = vec![0; size];
    Ok(context.decrypt(&ciphertext, Some(&mut plaintext)).is_ok())
}
