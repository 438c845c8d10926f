//! Fuzz target: [`counterfoil_fuzz::artifact`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::artifact(data));
