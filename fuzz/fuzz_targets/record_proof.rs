//! Fuzz target: [`counterfoil_fuzz::record_proof`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::record_proof(data));
