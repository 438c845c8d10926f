//! Fuzz target: [`counterfoil_fuzz::openlineage`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::openlineage(data));
