//! What operators and capabilities write: names, SANs, serial numbers, GetCACaps.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scepd_fuzz::text(data));
