//! Fuzz target: [`counterfoil_fuzz::witness_request`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::witness_request(data));
