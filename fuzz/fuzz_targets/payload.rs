//! `cargo +nightly fuzz run payload`: see `tests/fuzz/payload.rs` for what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| test_fuzz::payload(data));
