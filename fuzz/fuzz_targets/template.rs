#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| glooistio::render::template::fuzz::template(bytes));
