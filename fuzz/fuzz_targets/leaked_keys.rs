//! Fuzz target: [`counterfoil_fuzz::leaked_keys`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::leaked_keys(data));
