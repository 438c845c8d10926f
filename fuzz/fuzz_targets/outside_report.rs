//! Fuzz target: [`counterfoil_fuzz::outside_report`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::outside_report(data));
