//! A data set larger than memory, through the program itself: so many gigabytes of CSV are sent to a server, which encrypts
//! and surveys them, and are then checked against 30 rules, two of which tell all rows apart.
//!
//! ```text
//! cargo bench -p counterfoil --bench larger -- [--gb 1] [--dir DIRECTORY]
//! ```
//!
//! The rows are made as they are sent, so the directory needs room for the version as it is stored and for nothing else. It
//! prints how long each step took, and the most memory that the server ever had, which must stay under 1 GiB.

#[path = "../../../ingest/benches/validation/data.rs"]
mod data;

use std::io::{BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clap::Parser;
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PROGRAM: &str = env!("CARGO_BIN_EXE_counterfoil");

const MOST_MIB: f64 = 1024.0;

/// How much, and where.
#[derive(Parser)]
struct Arguments {
    /// Gigabytes of CSV
    #[arg(long, default_value_t = 1)]
    gb: u64,
    /// Where the server keeps its data for the time being; must be a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Cargo adds it
    #[arg(long, hide = true)]
    bench: bool,
}

/// A server that is ended when this is dropped.
struct Server {
    process: Child,
    data: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(dir: &Path) -> Result<Self, Failure> {
        let data = dir.join("data");
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.env("COUNTERFOIL_TELEMETRY_FILTER", "warn").stdout(Stdio::piped());
        // Remembered as it would be, but not in anybody's home.
        command.env("COUNTERFOIL_SERVER_STATE", dir.join("state"));
        let mut server = Self { process: command.spawn()?, data };
        let out = server.process.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        match line.is_empty() {
            true => Err("the server did not start".into()),
            false => Ok(server),
        }
    }

    /// A command of the program against it, by whoever has this key; by its operator when there is none.
    fn command(&self, key: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["--json", "--data"]).arg(&self.data);
        if !key.is_empty() {
            command.args(["--token", key]);
        }
        command.args(words);
        command
    }

    /// Runs one that must end well, or with `code`.
    fn run(&self, key: &str, words: &[&str], code: i32) -> Result<Value, Failure> {
        let ran = self.command(key, words).output()?;
        if !matches!(ran.status.code(), Some(0)) && ran.status.code() != Some(code) {
            return Err(format!("{words:?}: {}", String::from_utf8_lossy(&ran.stderr)).into());
        }
        Ok(serde_json::from_slice(&ran.stdout)?)
    }

    /// Somebody with a role that `approver` approves: pseudonym and key.
    fn somebody(&self, role: &str, approver: &str) -> Result<(String, String), Failure> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("an answer lacks something");
        let actor = text(&self.run("", &["people", "add", "--kind", "human"], 0)?["actor"])?;
        let wish = ["grants", "request", "--actor", &actor, "--role", role, "--scope", "org", "--reference", "BENCH-1"];
        let grant = text(&self.run("", &wish, 0)?["grant"])?;
        self.run(approver, &["grants", "approve", &grant], 0)?;
        let key = self.run("", &["keys", "create", "--actor", &actor, "--expires", "1d"], 0)?;
        Ok((actor, text(&key["secret"])?))
    }

    /// The most memory that it ever had, in MiB (proc(5)).
    fn peak_mib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the server has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir_in(&arguments.dir)?;
    let server = Server::start(dir.path())?;
    let (_, lead) = server.somebody("security_lead", "")?;
    let (actor, steward) = server.somebody("data_steward", &lead)?;
    let declare = ["data", "declare", "bench", "--class", "confidential", "--source", "bench/made", "--licence", "own"];
    let more = ["--purposes", "development", "--owner", &actor];
    server.run(&steward, &[&declare[..], &more].concat(), 0)?;
    println!("before: {:.0} MiB at most", server.peak_mib()?);

    let begun = Instant::now();
    let put = ["data", "put", "bench", "/dev/stdin", "--form", "csv", "--version", "1", "--no-subjects"];
    let mut sending = server.command(&steward, &put).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let to = sending.stdin.take().ok_or("nothing to send to")?;
    let made = data::write(&mut BufWriter::new(to), u64::MAX, arguments.gb * 1_000_000_000);
    let sent = sending.wait_with_output()?;
    if !sent.status.success() {
        return Err("the version was not stored: see above".into());
    }
    let (rows, planted) = made?;
    let stored: Value = serde_json::from_slice(&sent.stdout)?;
    if stored["content"]["rows"] != rows {
        return Err(format!("{rows} rows were sent, and there are {}", stored["content"]["rows"]).into());
    }
    let bytes = stored["stored"]["bytes"].as_f64().unwrap_or_default();
    step("made, sent, encrypted and surveyed", begun, bytes, rows, server.peak_mib()?);

    let contract = dir.path().join("contract.toml");
    std::fs::write(&contract, data::CONTRACT)?;
    let contract = contract.to_str().ok_or("the directory's name is not text")?;
    let begun = Instant::now();
    // It ends with 2, since rows break rules.
    let check = ["--purpose", "development", "data", "check", "bench@1", "--contract", contract];
    let found = server.run(&steward, &check, 2)?;
    let peak = server.peak_mib()?;
    step("checked", begun, bytes, rows, peak);
    for (rule, rows) in &planted {
        let mut results = found["results"].as_array().into_iter().flatten();
        let result = results.find(|one| one["rule"] == rule.as_str()).unwrap_or(&Value::Null);
        if result["violations"] != *rows || result["verdict"] == "unknown" {
            return Err(format!("{rows} rows break `{rule}`, and what was found is {result}").into());
        }
    }
    println!("all {} rules found what was planted, two of them over all rows", planted.len());
    match peak < MOST_MIB {
        true => Ok(()),
        false => Err(format!("{peak:.0} MiB are more than {MOST_MIB:.0}").into()),
    }
}

fn step(what: &str, begun: Instant, bytes: f64, rows: u64, peak_mib: f64) {
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {:.2} GB, {rows} rows in {took:.1} s, {:.0} MB/s; the server had {peak_mib:.0} MiB at most",
        bytes / 1e9,
        bytes / 1e6 / took
    );
}
