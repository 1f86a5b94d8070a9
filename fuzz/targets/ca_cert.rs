//! The body of a GetCACert reply.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::ca_cert(data));
