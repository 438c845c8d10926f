//! Fuzz target: [`counterfoil_fuzz::own_detectors`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::own_detectors(data));
