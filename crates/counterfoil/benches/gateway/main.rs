//! The gateway beside no gateway and beside nginx, in one run on one machine: what it adds to a call, how many calls a
//! second it carries, and what it keeps in memory.
//!
//! ```text
//! cargo bench -p counterfoil --bench gateway                                   speed, about a minute
//! cargo bench -p counterfoil --bench gateway -- soak [--seconds 60]            memory at a steady load
//! cargo bench -p counterfoil --bench gateway -- guard                          what a guard adds, half a minute
//! ```
//!
//! Everything is on and durable: keys, policies, sealing under keys of 64 subjects, a synced record before each answer.
//! The provider is a stand-in in this process that answers at once, and load comes from this process too, so that all of
//! it shares the machine. nginx is a reverse proxy to the same stand-in without a log, twice: with `proxy_pass` alone, and
//! told to keep connections to the stand-in, as the gateway does. It is left out, by name, when there is none;
//! `--nginx PATH` names one. `--under "taskset -c 0"` is put before the command of each server.

mod disk;
mod guard;
mod load;
mod report;
mod servers;
mod soak;
mod speed;
mod stand_in;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What to measure and how.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// nginx, when it is not on the path
    #[arg(long, global = true, default_value = "nginx")]
    nginx: PathBuf,
    /// A command to start each server under, such as "taskset -c 0"
    #[arg(long, global = true, default_value = "")]
    under: String,
    /// Where the server keeps its data for the time being; must be a disk
    #[arg(long, global = true, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Keep the processor from sleeping, with an idle-class process a core: virtual machines wake slowly
    #[arg(long, global = true)]
    awake: bool,
    /// Cargo adds it
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Added latency and throughput
    Speed(speed::Speed),
    /// Memory, idle and at a steady load
    Soak(soak::Soak),
    /// What a guard adds to a prompt of 4 KiB
    Guard(guard::Guard),
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let _awake = arguments.awake.then(servers::keep_awake).transpose()?;
    match &arguments.mode {
        None => speed::Speed::default().run(&arguments),
        Some(Mode::Speed(speed)) => speed.run(&arguments),
        Some(Mode::Soak(soak)) => soak.run(&arguments),
        Some(Mode::Guard(guard)) => guard.run(&arguments),
    }
}
