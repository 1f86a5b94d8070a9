//! Files that both Intune commands read.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use pki::Csr;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;

use super::Failure;

/// The most octets of standard input that are read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A file, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut input = Vec::new();
        let read = io::stdin().lock().take(LARGEST).read_to_end(&mut input);
        read.map_err(Failure::while_doing("standard input"))?;
        return Ok(input);
    }
    fs::read(path).map_err(Failure::while_doing(path.display()))
}

/// A CSR, PEM or DER.
pub(super) fn read_csr(path: &Path) -> Result<Csr, Failure> {
    let bytes = read(path)?;
    let pem = CertificateSigningRequestDer::from_pem_slice(&bytes);
    let der = match &pem {
        Ok(request) => request.as_ref(),
        Err(_) => bytes.as_slice(),
    };
    Csr::from_der(der).map_err(Failure::while_doing(format!(
        "{}: not a CSR in PEM or DER",
        path.display()
    )))
}
