//! Schemes as the library wants them told.

use openssl::error::ErrorStack;
use openssl::pkey_ctx::PkeyCtxRef;
use openssl::rsa::Padding;
use openssl::sign::RsaPssSaltlen;

use crate::{Digest, Error, KeyKind, KeyTransport, SignatureScheme};

/// Refuses a scheme that is not for this kind of key, and MD5 with any.
pub(super) fn fits(kind: &KeyKind, scheme: &SignatureScheme) -> Result<(), Error> {
    let digests = match scheme {
        SignatureScheme::RsaPss { digest, mgf, .. } => [*digest, *mgf],
        other => [other.digest(); 2],
    };
    if digests.contains(&Digest::Md5) {
        return Err(Error::Unsupported {
            what: "digest algorithm",
            oid: crate::oid::MD5.to_owned(),
        });
    }
    match (kind, scheme) {
        (KeyKind::Rsa { .. }, SignatureScheme::RsaPkcs1(_) | SignatureScheme::RsaPss { .. })
        | (KeyKind::Ec(_), SignatureScheme::Ecdsa(_)) => Ok(()),
        (_, SignatureScheme::Ecdsa(_)) => Err(Error::WrongKey {
            purpose: "an ECDSA signature",
            found: kind.to_string(),
        }),
        _ => Err(Error::WrongKey {
            purpose: "an RSA signature",
            found: kind.to_string(),
        }),
    }
}

/// Tells a context that was made ready for signing or verifying which scheme it is.
pub(super) fn configure<T>(
    context: &mut PkeyCtxRef<T>,
    scheme: &SignatureScheme,
) -> Result<(), ErrorStack> {
    match scheme {
        SignatureScheme::RsaPkcs1(_) => context.set_rsa_padding(Padding::PKCS1)?,
        SignatureScheme::RsaPss { .. } => context.set_rsa_padding(Padding::PKCS1_PSS)?,
        SignatureScheme::Ecdsa(_) => {}
    }
    context.set_signature_md(scheme.digest().openssl())?;
    if let SignatureScheme::RsaPss { mgf, salt_len, .. } = scheme {
        context.set_rsa_mgf1_md(mgf.openssl())?;
        context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(*salt_len)))?;
    }
    Ok(())
}

/// Tells a context that was made ready for encrypting or decrypting which transport it is.
pub(super) fn configure_transport<T>(
    context: &mut PkeyCtxRef<T>,
    transport: &KeyTransport,
) -> Result<(), ErrorStack> {
    match transport {
        KeyTransport::Pkcs1v15 => context.set_rsa_padding(Padding::PKCS1),
        KeyTransport::Oaep { digest, mgf } => {
            context.set_rsa_padding(Padding::PKCS1_OAEP)?;
            context.set_rsa_oaep_md(digest.openssl())?;
            context.set_rsa_mgf1_md(mgf.openssl())
        }
    }
}
