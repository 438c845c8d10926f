//! Fuzz target: [`counterfoil_fuzz::detect`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::detect(data));
