//! Fuzz target: [`counterfoil_fuzz::vault_fields`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::vault_fields(data));
