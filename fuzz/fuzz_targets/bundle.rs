//! Fuzz target: [`counterfoil_fuzz::bundle`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::bundle(data));
