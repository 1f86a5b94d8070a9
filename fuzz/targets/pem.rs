//! PEM bundles: trust anchors, CA files, keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::pem(data));
