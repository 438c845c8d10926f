//! Fuzz target: [`counterfoil_fuzz::scim_patch`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::scim_patch(data));
