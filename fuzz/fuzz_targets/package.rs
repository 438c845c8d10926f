//! Fuzz target: [`counterfoil_fuzz::package`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::package(data));
