//! Fuzz target: [`counterfoil_fuzz::root_key`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::root_key(data));
