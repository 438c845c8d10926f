//! Fuzz target: [`counterfoil_fuzz::note`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::note(data));
