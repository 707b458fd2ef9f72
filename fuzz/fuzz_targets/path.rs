//! `cargo +nightly fuzz run path`: see `tests/fuzz/path.rs` for what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| test_fuzz::path(data));
