//! Fuzz target: [`counterfoil_fuzz::checkpoint`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::checkpoint(data));
