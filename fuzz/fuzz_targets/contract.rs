//! Fuzz target: [`counterfoil_fuzz::contract`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::contract(data));
