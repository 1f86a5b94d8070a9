//! BER to DER, the first pass over every message.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::ber(data));
