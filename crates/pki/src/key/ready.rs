//! Contexts of private keys that are ready for their next use.
//!
//! A server signs and decrypts with the same few keys all day. Setting up OpenSSL's context for one of them costs look-ups,
//! locks and allocations each time, so every thread keeps the ones it used last.

use std::cell::RefCell;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::Private;
use openssl::pkey_ctx::PkeyCtx;

use super::evp;
use super::private::Inner;
use crate::{KeyTransport, SignatureScheme};

/// How many contexts a thread keeps. A key that is no longer used is forgotten when so many others have been.
const MOST: usize = 8;

/// What a context is set up for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Sign(SignatureScheme),
    Decrypt(KeyTransport),
}

struct Ready {
    key: Arc<Inner>,
    purpose: Use,
    context: PkeyCtx<Private>,
}

thread_local! {
    /// The one used last stands last.
    static READY: RefCell<Vec<Ready>> = const { RefCell::new(Vec::new()) };
}

/// Does something with a context of this key. What comes of it changes nothing for the next use.
///
/// # Errors
/// The library's, when a context cannot be set up.
pub(super) fn with<T>(
    key: &Arc<Inner>,
    purpose: Use,
    work: impl FnOnce(&mut PkeyCtx<Private>) -> T,
) -> Result<T, ErrorStack> {
    READY.with_borrow_mut(|ready| {
        let known = ready
            .iter()
            .position(|ready| ready.purpose == purpose && Arc::ptr_eq(&ready.key, key));
        let mut one = match known {
            Some(at) => ready.remove(at),
            None => Ready {
                key: Arc::clone(key),
                purpose,
                context: set_up(key, purpose)?,
            },
        };
        let done = work(&mut one.context);
        if ready.len() >= MOST {
            ready.remove(0);
        }
        ready.push(one);
        Ok(done)
    })
}

fn set_up(key: &Inner, purpose: Use) -> Result<PkeyCtx<Private>, ErrorStack> {
    let mut context = PkeyCtx::new(&key.key)?;
    match purpose {
        Use::Sign(scheme) => {
            context.sign_init()?;
            evp::configure(&mut context, &scheme)?;
        }
        Use::Decrypt(transport) => {
            context.decrypt_init()?;
            evp::configure_transport(&mut context, &transport)?;
        }
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{MOST, READY};
    use crate::{Digest, KeyKind, PrivateKey, SignatureScheme};

    #[test]
    fn keys_and_schemes_are_not_mixed_up_and_few_are_kept() {
        let schemes = [Digest::Sha256, Digest::Sha512].map(SignatureScheme::Ecdsa);
        let keys: Vec<PrivateKey> = (0..=MOST)
            .map(|_| PrivateKey::generate(KeyKind::Ec(crate::Curve::P256)).unwrap())
            .collect();
        for _ in 0..2 {
            for key in &keys {
                for scheme in &schemes {
                    let signature = key.sign(scheme, b"octets").unwrap();
                    let public = key.public_key();
                    public.verify(scheme, b"octets", &signature).unwrap();
                }
            }
            READY.with_borrow(|ready| assert_eq!(ready.len(), MOST));
        }
    }
}
