//! Runs every target for a while on the stable toolchain: seeds, and seeds changed at random. It finds less than
//! libFuzzer does, and needs nothing but `cargo`.
//!
//! `cargo run --release --no-default-features --example smoke -- [seconds per target] [seed of the random numbers]`

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use counterfoil_fuzz::TARGETS;

/// Xorshift: good enough to change bytes with, and the same everywhere for the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A few changes: a bit, a byte, an interesting byte, a stretch removed or repeated.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(6) {
                _ if bytes.is_empty() => bytes.push(self.next() as u8),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'{'][self.below(8)],
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let stretch = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, stretch);
                }
                _ => bytes.truncate(at),
            }
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let seconds = arguments.next().unwrap_or(5);
    let seed = arguments.next().unwrap_or(0x9e37_79b9_7f4a_7c15).max(1);
    println!("{seconds} s a target, random numbers from seed {seed}");
    for (name, target, seeds) in TARGETS {
        let mut chance = Chance(seed);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut runs = 0_u64;
        while Instant::now() < until {
            let mut bytes = seeds[chance.below(seeds.len())].to_vec();
            if runs > 0 {
                chance.change(&mut bytes);
            }
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                let path = format!("smoke-{name}.bin");
                let kept = std::fs::write(&path, &bytes).map_or("could not be kept in", |()| "is kept in");
                println!("{name}: failed in run {runs} with seed {seed}; the input {kept} {path}");
                return ExitCode::FAILURE;
            }
            runs += 1;
        }
        println!("{name}: {runs} runs");
    }
    ExitCode::SUCCESS
}
