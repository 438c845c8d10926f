//! Fuzz target: [`counterfoil_fuzz::recovery_code`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::recovery_code(data));
