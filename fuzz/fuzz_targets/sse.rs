//! Fuzz target: [`counterfoil_fuzz::sse`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::sse(data));
