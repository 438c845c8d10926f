//! How fast text is searched, with all detectors: `cargo bench -p counterfoil -p scan --bench detect`.
//!
//! Three texts are made: prose without anything to find, the same with a value in every fifth sentence or so, and nothing but
//! lines that hold values. With `-- --presidio PYTHON` the same prose goes through Presidio's engine with its recognisers of
//! patterns, by its public API (`benches/presidio.py`; `pip install presidio-analyzer`).

use std::fmt::Write;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use scan::Detectors;

const WORDS: &str = "the model was asked to read a letter from one of our customers and to say in plain words what they would like us \
                     to do about it; after some thought we sent an answer that named each open point, and the team agreed that \
                     nothing else had to be done before winter because every order was on its way, as promised";

const VALUES: [&str; 12] = [
    "Her card is 4111 1111 1111 1111 and it expires soon.",
    "Write to jane.citizen@example.com.au for details.",
    "The TFN is 123 456 782 as stated.",
    "Call +61 412 345 678 or (02) 9876 5432 today.",
    "Medicare 2123 45670 1/2 was given.",
    "She was born on 12/03/1985 in Hobart.",
    "Deliver to 12/85 Collins St, Melbourne VIC 3000 please.",
    "The invoice names ABN 51 824 753 556 and order 109393785.",
    "The client 203.0.113.77 was refused.",
    "Version 10.4.2 was released on 2024-05-06 at 10:30.",
    "My name is Priya Nguyen and I agree.",
    "Set token=ghp_nD4lz4kWNjGo5sdbEU0dqu23vFjXD3dzH9j0 first.",
];

/// Xorshift: the same text each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("small")
    }
}

/// Sentences, of which one in `every` is a value; 0 for none.
fn text(bytes: usize, every: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let (mut chance, mut text) = (Chance(0x9e37_79b9_7f4a_7c15), String::with_capacity(bytes + 200));
    while text.len() < bytes {
        if every > 0 && chance.below(every) == 0 {
            text.push_str(VALUES[chance.below(VALUES.len())]);
        } else {
            let from = chance.below(words.len() - 12);
            let sentence = words[from..from + 6 + chance.below(6)].join(" ");
            let (first, rest) = sentence.split_at(1);
            write!(text, "{}{rest}.", first.to_uppercase()).expect("text grows");
        }
        text.push_str(if chance.below(8) == 0 { "\n" } else { " " });
    }
    text
}

/// The fastest of some rounds.
fn fastest(rounds: usize, mut what: impl FnMut()) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        what();
        begun.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

fn main() {
    let detectors = Detectors::standard();
    for (name, every) in [("prose", 0), ("prose with values", 5), ("values only", 1)] {
        let text = text(1 << 20, every);
        let mut found = 0;
        let took = fastest(25, || found = black_box(detectors.find(black_box(&text))).len());
        let speed = text.len() as f64 / 1e6 / took.as_secs_f64();
        let prompt = &text[..4_096];
        let one = fastest(2_000, || drop(black_box(detectors.find(black_box(prompt)))));
        println!(
            "{name}: {speed:.0} MB/s, {found} findings in 1 MiB; a prompt of 4 KiB takes {:.1} µs",
            one.as_secs_f64() * 1e6
        );
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(python) = arguments.iter().position(|one| one == "--presidio").and_then(|at| arguments.get(at + 1)) {
        presidio(python);
    }
}

fn presidio(python: &str) {
    let path = std::env::temp_dir().join(format!("detect-{}.txt", std::process::id()));
    std::fs::write(&path, text(256 << 10, 5)).expect("a file for the text");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/presidio.py");
    let done = Command::new(python).arg(script).arg(&path).status();
    std::fs::remove_file(&path).expect("the file goes away");
    assert!(done.expect("Python runs").success(), "Presidio did not run: pip install presidio-analyzer");
}
