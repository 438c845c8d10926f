//! Fuzz target: [`counterfoil_fuzz::transit_answer`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::transit_answer(data));
