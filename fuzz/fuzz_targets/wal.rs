//! Fuzz target: [`counterfoil_fuzz::wal`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::wal(data));
