//! Fuzz target: [`counterfoil_fuzz::passkey`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::passkey(data));
