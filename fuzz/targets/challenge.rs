//! The Intune connector's signed challenge as it stands in a CSR.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::challenge(data));
