//! What a guard adds to a call with a prompt of 4 KiB: calls to a route that has one and to a route that has none take turns,
//! one after the other on one connection, and so do prose without anything to find and prose with a value every 200 bytes.

use std::time::Duration;

use clap::Args;

use crate::load::Sample;
use crate::report::Report;
use crate::servers::{GUARDED, Server};
use crate::{Arguments, Failure, stand_in};

/// How long.
#[derive(Args, Clone)]
pub struct Guard {
    /// Seconds of each turn
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Turns that each route has
    #[arg(long, default_value_t = 10)]
    rounds: u32,
}

const PROMPT_BYTES: usize = 4096;

const SENTENCES: [&str; 4] = [
    "I applied for a loan last week and have heard nothing since, which is longer than the letter said. ",
    "Please tell me whether anything is missing from what was sent, and when a person will look at it. ",
    "The branch in our town has closed in the meantime, so that I cannot ask there as I used to do. ",
    "If the rate has changed since then I would like to know that too, before I sign anything at all. ",
];

const VALUES: [&str; 4] = [
    "Write to jane.citizen@example.com.au. ",
    "Call +61 412 345 678 in the evening. ",
    "My card is 4111 1111 1111 1111. ",
    "The TFN is 123 456 782. ",
];

fn prompt(with_values: bool) -> String {
    let mut text = String::new();
    for (at, sentence) in SENTENCES.iter().cycle().enumerate() {
        if with_values && at % 2 == 1 {
            text += VALUES[at / 2 % VALUES.len()];
        }
        text += sentence;
        if text.len() >= PROMPT_BYTES {
            break;
        }
    }
    text.truncate(PROMPT_BYTES);
    text
}

impl Guard {
    pub fn run(&self, arguments: &Arguments) -> Result<(), Failure> {
        let dir = tempfile::tempdir_in(&arguments.dir)?;
        let server = Server::counterfoil(arguments, dir.path(), stand_in::start()?)?;
        let time = Duration::from_secs_f64(self.seconds);
        let mut report = Report::default();
        for (what, with_values) in [("prose", false), ("prose with values", true)] {
            let prompt = prompt(with_values);
            let routes = ["assistant", GUARDED].map(|route| server.target.asking(route, &prompt));
            let mut measured = [(Sample::default(), 0.0), (Sample::default(), 0.0)];
            // Keys of subjects are made before anything is measured.
            routes.iter().try_for_each(|target| target.in_turn(time).map(drop))?;
            for _ in 0..self.rounds {
                for (target, (sample, cpu)) in routes.iter().zip(&mut measured) {
                    let before = server.usage().cpu;
                    sample.add(target.in_turn(time)?);
                    *cpu += server.usage().cpu - before;
                }
            }
            let [(plain, plain_cpu), (guarded, guarded_cpu)] = &mut measured;
            let without = row(&mut report, &format!("{what}: without a guard"), plain, *plain_cpu);
            let with = row(&mut report, &format!("{what}: with one"), guarded, *guarded_cpu);
            let added = [("added_p50_us", with.0 - without.0), ("added_cpu_us_per_call", with.1 - without.1)];
            report.row(format!("{what}: a guard adds"), &added);
        }
        println!("{}", report.json());
        Ok(())
    }
}

/// Reports a route; the median and the processor time of a call, in microseconds.
fn row(report: &mut Report, what: &str, sample: &mut Sample, cpu: f64) -> (f64, f64) {
    let (p50, p99) = (sample.ms(0.5), sample.ms(0.99));
    let cpu_us = cpu * 1e6 / sample.latencies.len() as f64;
    report.row(what, &[("p50_ms", p50), ("p99_ms", p99), ("cpu_us_per_call", cpu_us)]);
    (p50 * 1e3, cpu_us)
}
