//! Fuzz target: [`counterfoil_fuzz::entry_json`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::entry_json(data));
