//! Fuzz target: [`counterfoil_fuzz::tlog_proof`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::tlog_proof(data));
