//! Fuzz target: [`counterfoil_fuzz::outside_contract`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::outside_contract(data));
