//! `cargo +nightly fuzz run header`: see `tests/fuzz/header.rs` for what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| test_fuzz::header(data));
