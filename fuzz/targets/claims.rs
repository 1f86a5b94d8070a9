//! The payload of a challenge whose signature holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::claims(data));
