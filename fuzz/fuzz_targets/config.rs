//! `cargo +nightly fuzz run config`: see `tests/fuzz/config.rs` for what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| test_fuzz::config(data));
