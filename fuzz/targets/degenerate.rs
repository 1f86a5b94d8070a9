//! Certs-only SignedData: GetCACert, and what a CertRep brings.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::degenerate(data));
