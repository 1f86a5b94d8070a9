//! Contexts of keys that are ready for their next use.
//!
//! A server signs and decrypts with the same few keys all day. Setting up OpenSSL's context for one of them costs look-ups,
//! locks and allocations each time, so every thread keeps the ones it used last. Public keys are others in each message; but
//! the signature of a request in it is mostly made with the key that signed the message, so every thread keeps the last one.

use std::cell::RefCell;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;

use super::evp;
use super::private::Inner;
use super::public;
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

/// A public key that has verified something.
struct Verifying {
    key: Arc<public::Inner>,
    scheme: SignatureScheme,
    context: PkeyCtx<Public>,
}

thread_local! {
    /// The one used last stands last.
    static READY: RefCell<Vec<Ready>> = const { RefCell::new(Vec::new()) };
    static VERIFYING: RefCell<Option<Verifying>> = const { RefCell::new(None) };
}

/// Whether this is the key's signature of what has this digest.
///
/// # Errors
/// The library's, when a context cannot be set up or the signature cannot be read.
pub(super) fn verify(
    key: &Arc<public::Inner>,
    loaded: &PKey<Public>,
    scheme: &SignatureScheme,
    digest: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    VERIFYING.with_borrow_mut(|last| {
        let known = last
            .take()
            .filter(|last| last.scheme == *scheme && Arc::ptr_eq(&last.key, key));
        let mut one = match known {
            Some(known) => known,
            None => {
                let mut context = PkeyCtx::new(loaded)?;
                context.verify_init()?;
                evp::configure(&mut context, scheme)?;
                Verifying {
                    key: Arc::clone(key),
                    scheme: *scheme,
                    context,
                }
            }
        };
        // After an error nothing is kept.
        let verified = one.context.verify(digest, signature)?;
        *last = Some(one);
        Ok(verified)
    })
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
    use crate::{Curve, Digest, KeyKind, PrivateKey, SignatureScheme};

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

    #[test]
    fn what_one_key_and_scheme_verified_says_nothing_of_another() {
        let [one, other] = [KeyKind::Rsa { bits: 2048 }, KeyKind::Ec(Curve::P256)]
            .map(|kind| PrivateKey::generate(kind).unwrap());
        let schemes = |key: &PrivateKey| {
            [Digest::Sha256, Digest::Sha384].map(|digest| key.scheme(digest).unwrap())
        };
        let third = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        for _ in 0..2 {
            for key in [&one, &other] {
                for scheme in schemes(key) {
                    let signature = key.sign(&scheme, b"octets").unwrap();
                    let verify = |message: &[u8], signature: &[u8]| {
                        key.public_key().verify(&scheme, message, signature).is_ok()
                    };
                    assert!(verify(b"octets", &signature) && verify(b"octets", &signature));
                    assert!(!verify(b"others", &signature));
                    assert!(!verify(b"octets", b"no signature"));
                    assert!(verify(b"octets", &signature), "as before");
                }
            }
            let [scheme, _] = schemes(&one);
            let signature = one.sign(&scheme, b"octets").unwrap();
            let verified = third.public_key().verify(&scheme, b"octets", &signature);
            assert!(verified.is_err(), "another key");
        }
    }
}
