#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| glooistio::workload::fuzz::command(bytes));
