//! Fuzz target: [`counterfoil_fuzz::oip_infer`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz::oip_infer(data));
