//! How long the controls over inferences take, and what memory, when there are ten million records.
//!
//! `cargo bench -p counterfoil -p assurance --bench controls -- [records] [percent guarded] [directory]` (10,000,000
//! and 1 by default). Segments are written as a node seals them, with the digests of each record all different, into the
//! directory, and are taken from there the next time; without one they are thrown away. `percent guarded` of the calls
//! are of a service that requires guardrails. There are none yet, so that each of those is a violation: 100 is the worst
//! case, ten million violations. One call in two hundred fails.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use domain::assurance::RunParams;
use domain::infrastructure::{NodeJoined, OrgCreated};
use domain::serving::{
    DeploymentStarted, GatewayCounted, InferenceCore, RiskTier, SegmentFile, SegmentSealed, ServiceDeclared,
    ServiceSpec, Target, WhenUnrecordable,
};
use domain::{Entry, Event};
use ledger::records::segment::{Place, core_properties, core_schema, leaves, to_batch};
use merkle::{Hash, hex, leaf_hash, root_of};
use parquet::arrow::ArrowWriter;
use query::{At, Database, Limits, Source, Tail};
use sha2::{Digest, Sha256};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// 2026-11-01, in milliseconds since the epoch.
const START: i64 = 1_793_491_200_000;
const HOUR: i64 = 3_600_000;
/// The calls are spread over a month.
const HOURS: i64 = 30 * 24;
/// As a node rolls its segments.
const SEGMENT_RECORDS: u64 = 65_536;

fn main() -> Result<(), Failure> {
    // Cargo adds flags of its own, such as `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, usual: u64| arguments.get(at).map_or(Ok(usual), |argument| argument.parse());
    let plan = Plan { records: number(0, 10_000_000)?, guarded_percent: number(1, 1)? };
    let thrown_away = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = arguments.get(2).map_or_else(|| thrown_away.path().to_owned(), PathBuf::from);
    let source = Arc::new(plan.ledger(&dir)?);
    println!("{} records in {} segments, {} MB", plan.records, plan.segments(), source.bytes / 1_000_000);

    let limits = Limits { memory_bytes: 1 << 30, timeout: std::time::Duration::from_secs(600), ..Limits::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let params = RunParams { start: START, end: START + HOURS * HOUR, now: START + HOURS * HOUR + 3 * HOUR };
    let begun = peak_mib();
    runtime.block_on(async {
        let all = Instant::now();
        let session = Database::new(source, limits)?.at(At::Latest { tail: false }).await?;
        println!("ledger folded in {:.2?}", all.elapsed());
        for control in assurance::catalogue().controls.iter().filter(|control| control.family == "inference") {
            let start = Instant::now();
            let run = assurance::test(&session, control, params).await?.run;
            println!(
                "{}: {:.2?}, {} in the population, {} violations, {:?}",
                control.id,
                start.elapsed(),
                run.population,
                run.violations,
                run.outcome,
            );
        }
        println!("all: {:.2?}, peak of memory {:.0} MiB ({begun:.0} MiB before)", all.elapsed(), peak_mib());
        Ok::<_, Failure>(())
    })
}

/// The most memory that this process ever had (proc(5)).
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// A ledger in memory, with its record files in a directory.
struct Ledger {
    entries: Vec<Vec<u8>>,
    dir: PathBuf,
    bytes: u64,
}

impl Ledger {
    fn add(&mut self, ts: i64, event: Event) -> Result<(), Failure> {
        let id = format!("00000000-0000-7000-8000-{:012}", self.entries.len());
        let entry = Entry { v: 1, id, ts, actor: "a_operator".into(), stream: event.stream(), sv: 1, event };
        self.entries.push(entry.encode()?);
        Ok(())
    }
}

impl Source for Ledger {
    fn known_until(&self) -> i64 {
        i64::MAX
    }

    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn entries(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8]) -> Result<(), String>) -> Result<(), String> {
        range.into_iter().try_for_each(|seq| each(seq, &self.entries[seq as usize]))
    }

    fn root_at(&self, size: u64) -> Result<Hash, String> {
        Ok(root_of(&self.entries[..size as usize].iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>()))
    }

    fn records_dir(&self) -> PathBuf {
        self.dir.clone()
    }

    fn tail(&self) -> Tail {
        Tail::default()
    }
}

/// What is in the ledger.
#[derive(Clone, Copy)]
struct Plan {
    records: u64,
    guarded_percent: u64,
}

impl Plan {
    fn segments(&self) -> u64 {
        self.records.div_ceil(SEGMENT_RECORDS)
    }

    fn ledger(&self, dir: &Path) -> Result<Ledger, Failure> {
        let start = Instant::now();
        let dir = dir.join(format!("controls-{}-{}", self.records, self.guarded_percent));
        fs::create_dir_all(&dir)?;
        let mut ledger = Ledger { entries: Vec::new(), dir: dir.clone(), bytes: 0 };
        let org = OrgCreated {
            name: "Bench".into(),
            origin: "bench.example/log".into(),
            log_vkey: "none".into(),
            retention_days: 400,
        };
        ledger.add(START, Event::OrgCreated(org))?;
        let joined = NodeJoined { node: "n1".into(), incarnation: 1, program: "bench".into() };
        ledger.add(START, Event::NodeJoined(joined))?;
        for name in ["open", "guarded"] {
            ledger.add(START, Event::ServiceDeclared(service(name)))?;
            ledger.add(START, Event::DeploymentStarted(deployment(name)))?;
        }
        for sealed in self.seals(&dir)? {
            ledger.bytes += sealed.core.len;
            ledger.add(sealed.t1 / 1000 + 1000, Event::SegmentSealed(sealed))?;
        }
        for hour in 0..HOURS {
            let requests = (0..self.segments()).flat_map(|number| self.hours(number)).filter(|(at, _)| *at == hour);
            let requests = requests.map(|(_, n)| n).sum();
            let hour = START + hour * HOUR;
            let body = GatewayCounted { node: "n1".into(), incarnation: 1, hour, requests, logged: requests };
            ledger.add(hour + HOUR, Event::GatewayCounted(body))?;
        }
        println!("written or found in {:.2?}", start.elapsed());
        Ok(ledger)
    }

    /// The seals of all segments, whose files are written by two threads unless they are there.
    fn seals(&self, dir: &Path) -> Result<Vec<SegmentSealed>, Failure> {
        let list = dir.join("seals.json");
        if let Ok(found) = fs::read(&list) {
            return Ok(serde_json::from_slice(&found)?);
        }
        let (next, seals) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<(), Failure> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.segments() {
                    return Ok(());
                }
                let sealed = self.seal(dir, number)?;
                seals.lock().map_err(|_| "the other thread panicked")?.push(sealed);
            }
        };
        std::thread::scope(|scope| {
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })?;
        let mut seals = seals.into_inner()?;
        seals.sort_by_key(|sealed| sealed.number);
        fs::write(&list, serde_json::to_vec(&seals)?)?;
        Ok(seals)
    }

    /// The numbers of the records of a segment.
    fn range(&self, number: u64) -> Range<u64> {
        number * SEGMENT_RECORDS..self.records.min((number + 1) * SEGMENT_RECORDS)
    }

    /// How many records of a segment ended in each hour since the start.
    fn hours(&self, number: u64) -> Vec<(i64, u64)> {
        let mut hours = Vec::new();
        for at in self.range(number).map(|record| self.hour(record)) {
            match hours.last_mut() {
                Some((hour, n)) if *hour == at => *n += 1,
                _ => hours.push((at, 1)),
            }
        }
        hours
    }

    fn hour(&self, record: u64) -> i64 {
        (self.micros(record) / 1000 - START) / HOUR
    }

    /// When a record ended.
    fn micros(&self, record: u64) -> i64 {
        let all = i128::from(HOURS * HOUR) * 1000;
        START * 1000 + (all * i128::from(record) / i128::from(self.records)) as i64
    }

    fn seal(&self, dir: &Path, number: u64) -> Result<SegmentSealed, Failure> {
        let range = self.range(number);
        let cores: Vec<InferenceCore> = range.clone().map(|record| self.core(record)).collect();
        let root = hex(&root_of(&leaves(&cores)));
        let path = format!("inferences/segment_day=2026-11/n1-1-{number}.core.parquet");
        let target = dir.join(&path);
        fs::create_dir_all(target.parent().ok_or("a path without a directory")?)?;
        let mut writer = ArrowWriter::try_new(
            File::create(&target)?,
            core_schema::<InferenceCore>(),
            Some(core_properties::<InferenceCore>()?),
        )?;
        for chunk in cores.chunks(1024) {
            writer.write(&to_batch(chunk, Some(Place { segment: number, day: "2026-11" }))?)?;
        }
        writer.close()?;
        let file = |path: &str, len| SegmentFile { path: path.to_owned(), sha256: String::new(), len };
        Ok(SegmentSealed {
            node: "n1".into(),
            incarnation: 1,
            number,
            first: range.start,
            n: range.end - range.start,
            root,
            prev: None,
            t0: self.micros(range.start),
            t1: self.micros(range.end - 1),
            hours: self.hours(number).into_iter().map(|(hour, n)| (START + hour * HOUR, n)).collect(),
            core: file(&path, fs::metadata(&target)?.len()),
            payload: Some(file("payloads/none", 0)),
        })
    }

    fn core(&self, number: u64) -> InferenceCore {
        let random = |what: u64| Sha256::digest([what.to_le_bytes(), number.to_le_bytes()].concat()).to_vec();
        let text = |text: &str| Some(text.to_owned());
        let name = if number % 100 < self.guarded_percent { "guarded" } else { "open" };
        let failed = number % 200 == 7;
        let end = self.micros(number);
        let id = random(4);
        InferenceCore {
            // A UUIDv7: the time in milliseconds, then chance.
            inference_id: format!(
                "{:08x}-{:04x}-7{}-8{}",
                (end / 1000) >> 16,
                (end / 1000) & 0xffff,
                &hex(&id[..2])[1..],
                &hex(&id[2..10])[..3]
            ) + "-"
                + &hex(&id[10..16]),
            ts_start: end - 350_000,
            ts_end: end,
            door: "openai.chat.completions".into(),
            service: text(name),
            key: text("k_0123456789abcdef"),
            route: text("assistant"),
            model: text("stand-in/chat-1"),
            version: text("as-served"),
            deployment: Some(format!("d_{name}")),
            provider: text("stand-in"),
            region: text("ap-southeast-2"),
            purpose: text("customer-support"),
            classification: "confidential".into(),
            subject_tag: Some(random(0)[..16].to_vec()),
            status: if failed { "error" } else { "ok" }.into(),
            http_status: Some(if failed { 500 } else { 200 }),
            error_code: failed.then(|| "provider_error".into()),
            tokens_in: Some(500 + number as i64 % 900),
            tokens_out: Some(100 + number as i64 % 700),
            first_byte_us: Some(90_000 + number as i64 % 7919),
            upstream_us: Some(340_000 + number as i64 % 10_007),
            policies: text("service-key-infers"),
            day: "2026-11-22".into(),
            r: random(1)[..24].to_vec(),
            ct_sha256: random(2),
            c_root: random(3),
            node: "n1".into(),
            incarnation: 1,
            node_seq: number as i64,
            ..InferenceCore::default()
        }
    }
}

fn service(name: &str) -> ServiceDeclared {
    let spec = ServiceSpec {
        owner: "bench".into(),
        purpose: "customer-support".into(),
        risk_tier: RiskTier::Low,
        classification: "confidential".into(),
        environment: "prod".into(),
        region: None,
        subject_country: None,
        significant_effect: false,
        uses_personal_info: true,
        guardrails_required: name == "guarded",
        explain_required: false,
        oversight: None,
        when_unrecordable: WhenUnrecordable::Refuse,
        routes: vec![],
    };
    ServiceDeclared { service: name.into(), spec }
}

fn deployment(name: &str) -> DeploymentStarted {
    DeploymentStarted {
        deployment: format!("d_{name}"),
        service: name.into(),
        route: "assistant".into(),
        target: Target::Provider { provider: "stand-in".into(), model: "chat-1".into() },
        artifact_sha256: None,
    }
}
