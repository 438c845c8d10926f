//! Fuzz target: [`counterfoil_fuzz::openai_request`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::openai_request(data));
