//! Checking a million rows of 20 columns against 30 rules, beside Great Expectations and Pandera over pandas, in one run:
//!
//! ```text
//! cargo bench -p counterfoil -p ingest --bench validation -- [--rows 1000000] [--rounds 3] [--form csv|parquet] [--python PATH]
//! ```
//!
//! The rows are made with faults in them, the same each time, as CSV and as Parquet. Ours are encrypted as the product keeps
//! them, and decrypted as they are checked; the others read the file as it is. Each takes its turn in a process of its own, which
//! says how long it took and the most memory that it had. What each found is held against what was planted, rule by rule.
//! The types of columns, which ours checks besides, are not counted.
//!
//! Others come from PyPI, in the versions of `requirements.txt`, into a directory below the target directory, or with
//! `--python` from wherever that has them. What cannot be had is named and left out.

mod data;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::data::{Contract, Form};
use ingest::Pieces;
use ingest::check::{References, check, offending};
use ingest::encode::Encoder;
use query::rows::{Frame, RangeRead};
use serde_json::{Value, json};
use vault::memory::{MemoryCustodian, MemoryKeys};
use vault::{SecretKey, Vault};

// As the product has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// 2026-11-28T00:00:00Z
const NOW: i64 = 1_795_824_000_000;

const PEERS: [&str; 2] = ["great_expectations", "pandera"];

/// A file on the disk, read as it is.
struct Plain(File, u64);

impl RangeRead for Plain {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

fn plain(path: &Path) -> io::Result<Arc<Plain>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok(Arc::new(Plain(file, length)))
}

struct Arguments {
    rows: u64,
    rounds: usize,
    forms: Vec<Form>,
    python: Option<PathBuf>,
    /// The file that this process is to check.
    own: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut given =
        Arguments { rows: 1_000_000, rounds: 3, forms: vec![Form::Csv, Form::Parquet], python: None, own: None };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
        match word.as_str() {
            "--rows" => given.rows = value.parse()?,
            "--rounds" => given.rounds = value.parse()?,
            "--form" if value == "csv" => given.forms = vec![Form::Csv],
            "--form" if value == "parquet" => given.forms = vec![Form::Parquet],
            "--python" => given.python = Some(value.into()),
            "--own" => given.own = Some(value.into()),
            _ => return Err(format!("`{word} {value}` means nothing here").into()),
        }
    }
    Ok(given)
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(path) = &arguments.own {
        println!("{}", runtime.block_on(own(path))?);
        return Ok(());
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let csv = dir.path().join("loans.csv");
    let (rows, planted) = data::write(&mut BufWriter::new(File::create(&csv)?), arguments.rows, u64::MAX)?;
    let mib = std::fs::metadata(&csv)?.len() >> 20;
    println!("{rows} rows of 20 columns, {mib} MiB as CSV, {} rules", planted.len());
    let python = python(arguments.python.as_deref());
    for form in &arguments.forms {
        let path = match form {
            Form::Csv => csv.clone(),
            _ => runtime.block_on(as_parquet(&csv, &dir.path().join("loans.parquet")))?,
        };
        compare(*form, &path, arguments.rounds, &planted, python.as_deref())?;
    }
    Ok(())
}

/// What one found in one run.
struct Run {
    load: f64,
    check: f64,
    peak_mib: f64,
    told: Value,
}

/// Lets each take its turn some times, and prints the fastest of each.
fn compare(
    form: Form,
    path: &Path,
    rounds: usize,
    planted: &BTreeMap<String, u64>,
    python: Option<&Path>,
) -> Result<(), Failure> {
    let peers = PEERS.iter().filter(|_| python.is_some());
    let names: Vec<&str> = std::iter::once("counterfoil").chain(peers.copied()).collect();
    let mut best: BTreeMap<&str, Run> = BTreeMap::new();
    for _ in 0..rounds {
        for name in &names {
            let run = match (*name, python) {
                ("counterfoil", _) => run(Command::new(std::env::current_exe()?).arg("--own").arg(path))?,
                (peer, Some(python)) => {
                    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/validation/peers.py");
                    run(Command::new(python).arg(script).arg(peer).arg(path))?
                }
                _ => continue,
            };
            agrees(name, &run.told["broken"], planted)?;
            let total = |run: &Run| run.load + run.check;
            if best.get(name).is_none_or(|before| total(before) > total(&run)) {
                best.insert(*name, run);
            }
        }
    }
    let Some(ours) = best.get("counterfoil") else { return Ok(()) };
    println!("\n{}, the fastest of {rounds}:", form.as_str());
    for (name, run) in names.iter().filter_map(|name| Some((*name, best.get(name)?))) {
        let of = |theirs: f64, ours: f64| theirs / ours;
        println!(
            "  {name:<20} {:>7.2} s ({:.2} to load, {:.2} to check), {:>6.0} MiB; {:.1} times ours in all, {:.1} to check, \
             {:.1} of memory",
            run.load + run.check,
            run.load,
            run.check,
            run.peak_mib,
            of(run.load + run.check, ours.load + ours.check),
            of(run.check, ours.check),
            of(run.peak_mib, ours.peak_mib),
        );
    }
    let seconds = |name: &str| ours.told[name].as_f64().unwrap_or_default();
    let (stored, kept) = (seconds("stored"), seconds("kept"));
    println!(
        "  ours took {stored:.2} s to encrypt and survey it before, and {kept:.2} s to keep the rows that break what blocks"
    );
    println!("  all found what was planted, rule by rule");
    Ok(())
}

fn run(command: &mut Command) -> Result<Run, Failure> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let number = |name: &str| told[name].as_f64().unwrap_or_default();
    Ok(Run { load: number("load"), check: number("check"), peak_mib: number("peak_mib"), told: told.clone() })
}

fn agrees(name: &str, broken: &Value, planted: &BTreeMap<String, u64>) -> Result<(), Failure> {
    for (rule, rows) in planted {
        if broken[rule] != *rows {
            return Err(format!("{name} found {} of `{rule}`, and {rows} were planted", broken[rule]).into());
        }
    }
    Ok(())
}

/// Encrypts a file as the product keeps it, and checks it.
async fn own(path: &Path) -> Result<Value, Failure> {
    let form = Form::of_name(&path.to_string_lossy()).ok_or("a file of another form")?;
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let object = dir.path().join("object");
    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[3; 32])));
    let vault = Vault::open("bench", Arc::new(MemoryKeys::default()), root, 0)?;
    let begun = Instant::now();
    let (id, mut writer) = vault.object_writer("confidential", BufWriter::new(File::create(&object)?), 0)?;
    io::copy(&mut File::open(path)?, &mut writer)?;
    writer.finish()?.0.flush()?;
    let pieces = || -> Result<Arc<dyn RangeRead>, Failure> {
        let (file, length) = (File::open(&object)?, std::fs::metadata(&object)?.len());
        Ok(Arc::new(Pieces(Arc::new(vault.object_pieces("confidential", &id, file, length)?))))
    };
    let (_, survey) = Frame::surveyed(form, pieces()?).await?;
    let stored = begun.elapsed();

    let contract = Contract::parse(data::CONTRACT)?;
    let begun = Instant::now();
    let frame = Frame::known(form, pieces()?, survey.columns).await?;
    let load = begun.elapsed();
    let checked = check(&contract, &frame, &References::new(), NOW).await?;
    let took = begun.elapsed().saturating_sub(load);
    let peak_mib = peak_mib()?;
    let begun = Instant::now();
    let kept = offending(&contract, &frame, &References::new(), &checked.results).await?;
    let keeping = begun.elapsed();
    if kept.is_none() {
        return Err("rows break what blocks, and none were kept".into());
    }
    let broken: BTreeMap<&str, u64> =
        checked.results.iter().map(|result| (result.rule.as_str(), result.violations)).collect();
    if let Some(unsure) = checked.results.iter().find_map(|result| Some((&result.rule, result.why?))) {
        return Err(format!("not evaluated: {unsure:?}").into());
    }
    let seconds = |took: Duration| took.as_secs_f64();
    Ok(json!({
        "stored": seconds(stored),
        "load": seconds(load),
        "check": seconds(took),
        "kept": seconds(keeping),
        "peak_mib": peak_mib,
        "broken": broken,
    }))
}

/// The most memory that this process had (proc(5)).
fn peak_mib() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// The same rows as Parquet.
async fn as_parquet(csv: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let frame = Frame::open(Form::Csv, plain(csv)?).await?.in_order();
    let mut rows = frame.select("SELECT * FROM rows").await?;
    let mut out = BufWriter::new(File::create(to)?);
    let mut encoder = None;
    while let Some(batch) = rows.next().await? {
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            None => encoder.insert(Encoder::new(Form::Parquet, &batch.schema())?),
        };
        out.write_all(&encoder.write(&batch)?)?;
    }
    out.write_all(&encoder.ok_or("no rows")?.finish()?)?;
    out.flush()?;
    Ok(to.to_owned())
}

/// A Python that has what is compared with; `None`, and why, when there is none.
fn python(given: Option<&Path>) -> Option<PathBuf> {
    let skipped = |why: &str| {
        println!("skipped: great_expectations and pandera: {why}");
        None
    };
    let python = match given {
        Some(python) => python.to_owned(),
        None => {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validation-peers");
            let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/validation/requirements.txt");
            let python = dir.join("bin/python");
            let done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
            if !python.is_file() && !done(Command::new("python3").args(["-m", "venv"]).arg(&dir)) {
                return skipped("`python3 -m venv` does not work here");
            }
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", "-r"];
            if !done(Command::new(&python).args(install).arg(wanted)) {
                return skipped("pip could not install them");
            }
            python
        }
    };
    let imports = Command::new(&python).args(["-c", "import great_expectations, pandera.pandas, pyarrow"]).output();
    match imports.is_ok_and(|output| output.status.success()) {
        true => Some(python),
        false => skipped(&format!("`{}` cannot import them", python.display())),
    }
}
