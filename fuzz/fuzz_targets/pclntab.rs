#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fips_evidence::fuzz::pclntab(bytes));
