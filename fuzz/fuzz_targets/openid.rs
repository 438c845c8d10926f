//! Fuzz target: [`counterfoil_fuzz::openid`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::openid(data));
