//! A request, from the octets of the message to the CSR.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::pki_message(data));
