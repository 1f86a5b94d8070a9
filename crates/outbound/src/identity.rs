//! The certificate by which scepd shows who it is.

use std::fmt;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::SetupError;

/// A client certificate with its chain and key.
pub struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From PEM: the certificate first, then what stands between it and the root; the key as PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// [`SetupError::Identity`] when there is no certificate or no plain key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, SetupError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| SetupError::Identity(format!("the certificate: {error}")))?;
        if chain.is_empty() {
            return Err(SetupError::Identity(
                "the file holds no certificate".to_owned(),
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            SetupError::Identity("the key file holds no unencrypted PEM key".to_owned())
        })?;
        Ok(Self { chain, key })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}
