//! The house's rules, as tests: who may import whom, how long files may be, which names documents may use.

#[cfg(test)]
mod tidy;
