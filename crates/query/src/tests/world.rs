//! A small ledger in memory, with record files in a temporary directory.

use std::fs::{self, File};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::ArrowWriter;
use domain::assurance::{ControlRan, ControlsScoped, Outcome, RunParams, ScopedControl};
use domain::infrastructure::{LedgerHeartbeat, NodeJoined, OrgCreated};
use domain::people::AccessCore;
use domain::serving::{
    DeploymentStarted, GatewayCounted, InferenceCore, RiskTier, SegmentFile, SegmentSealed, ServiceDeclared,
    ServiceSpec, Target, WhenUnrecordable,
};
use domain::vendors::{ProviderDeclared, ProviderKind, ProviderSpec};
use domain::{Entry, Event, Record};
use merkle::{Checkpoint, Hash, SignerKey};

use crate::segments::unsealed;
use crate::{At, Database, EachEntry, Limits, Session, Source, Tail};

/// 2026-11-22T10:00:00Z.
pub const T0: i64 = 1_795_341_600_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

pub struct World {
    entries: Mutex<Vec<Vec<u8>>>,
    pub tail: Mutex<Tail>,
    /// What the paths of record files that are not here contain.
    pub absent: Mutex<Option<&'static str>>,
    dir: tempfile::TempDir,
    key: SignerKey,
}

impl Source for World {
    fn size(&self) -> u64 {
        self.entries.lock().unwrap().len() as u64
    }

    fn known_until(&self) -> i64 {
        T0 + 120 * MINUTE
    }

    fn entries(&self, range: Range<u64>, each: EachEntry<'_>) -> Result<(), String> {
        let entries = self.entries.lock().unwrap().clone();
        range.into_iter().try_for_each(|seq| each(seq, &entries[usize::try_from(seq).unwrap()]))
    }

    fn root_at(&self, size: u64) -> Result<Hash, String> {
        let leaves = self.entries.lock().unwrap().iter().map(|bytes| merkle::leaf_hash(bytes)).collect::<Vec<_>>();
        let first = leaves.get(..usize::try_from(size).unwrap()).ok_or("beyond the end")?;
        Ok(merkle::root_of(first))
    }

    fn records_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn holds(&self, path: &str) -> bool {
        self.absent.lock().unwrap().is_none_or(|absent| !path.contains(absent))
    }

    fn tail(&self) -> Tail {
        self.tail.lock().unwrap().clone()
    }
}

impl World {
    /// A ledger without entries.
    pub fn empty() -> Arc<Self> {
        let key = SignerKey::ed25519("example.org/log", &[7; 32]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        Arc::new(Self { entries: Mutex::default(), tail: Mutex::default(), absent: Mutex::default(), dir, key })
    }

    /// A ledger in which two services answered five calls in two segments, and all is well.
    pub fn filled() -> Arc<Self> {
        let world = Self::empty();
        world.found();
        world.seal(1, 0, 0, &[record(0, 1), record(1, 2), record(2, 3)]);
        world.seal(1, 1, 3, &[record(3, 61), record(4, 62)]);
        for (hour, requests) in [(T0, 3), (T0 + HOUR, 2)] {
            let body = GatewayCounted { node: "n1".into(), incarnation: 1, hour, requests, logged: requests };
            world.add(T0 + 2 * HOUR, Event::GatewayCounted(body));
        }
        world
    }

    fn found(&self) {
        let org = OrgCreated {
            name: "Example".into(),
            origin: "example.org/log".into(),
            log_vkey: self.key.verifier_key().to_string(),
            retention_days: 400,
        };
        self.add(T0, Event::OrgCreated(org));
        self.add(T0, Event::NodeJoined(NodeJoined { node: "n1".into(), incarnation: 1, program: "0.1.0".into() }));
        let spec = ProviderSpec {
            kind: ProviderKind::Openai,
            base_url: "https://api.example.org/v1".into(),
            api_key_env: None,
            region: None,
            critical: true,
            first_byte_timeout_ms: 1,
            idle_timeout_ms: 1,
        };
        self.add(T0, Event::ProviderDeclared(ProviderDeclared { provider: "acme".into(), spec }));
        self.add(T0, Event::ServiceDeclared(service("credit")));
        self.add(T0, Event::DeploymentStarted(deployment("d_1")));
    }

    /// Appends an event and returns its number.
    pub fn add(&self, ts: i64, event: Event) -> u64 {
        self.add_by("a_operator", ts, event)
    }

    /// As [`Self::add`], of an actor's.
    pub fn add_by(&self, actor: &str, ts: i64, event: Event) -> u64 {
        let seq = self.size();
        let entry = Entry {
            v: 1,
            id: format!("00000000-0000-7000-8000-{seq:012}"),
            ts,
            actor: actor.into(),
            stream: event.stream(),
            sv: 1,
            event,
        };
        self.add_bytes(entry.encode().unwrap());
        seq
    }

    pub fn add_bytes(&self, bytes: Vec<u8>) {
        self.entries.lock().unwrap().push(bytes);
    }

    /// Writes a segment's file and appends the event that seals it, one minute after its last record.
    pub fn seal(&self, incarnation: u64, number: u64, first: u64, cores: &[InferenceCore]) -> u64 {
        let payload = SegmentFile { path: "payloads/none".into(), sha256: String::new(), len: 0 };
        let body = self.sealed(incarnation, number, first, cores);
        let body = SegmentSealed { payload: Some(payload), ..body };
        self.add(body.t1 / 1000 + MINUTE, Event::SegmentSealed(body))
    }

    /// As [`Self::seal`], of accesses.
    pub fn seal_accesses(&self, number: u64, first: u64, cores: &[AccessCore]) -> u64 {
        let body = self.sealed(1, number, first, cores);
        self.add(body.t1 / 1000 + MINUTE, Event::AccessesSealed(body))
    }

    fn sealed<R: Record>(&self, incarnation: u64, number: u64, first: u64, cores: &[R]) -> SegmentSealed {
        let table = R::TABLE;
        let path = format!("{table}/segment_day=2026-11-22/n1-{incarnation}-{number}-00.core.parquet");
        let len = self.write(&path, number, cores);
        let leaves: Vec<Hash> = cores.iter().map(|core| merkle::leaf_hash(&core.encode())).collect();
        let ends = || cores.iter().map(Record::ended_us);
        let mut hours = std::collections::BTreeMap::new();
        ends().for_each(|end| *hours.entry(end / 1000 - (end / 1000).rem_euclid(HOUR)).or_insert(0) += 1);
        let core = SegmentFile { path, sha256: String::new(), len };
        SegmentSealed {
            node: "n1".into(),
            incarnation,
            number,
            first,
            n: cores.len() as u64,
            root: merkle::hex(&merkle::root_of(&leaves)),
            prev: None,
            t0: ends().min().unwrap(),
            t1: ends().max().unwrap(),
            hours: hours.into_iter().collect(),
            core,
            payload: None,
        }
    }

    fn write<R: Record>(&self, path: &str, number: u64, cores: &[R]) -> u64 {
        let batch = unsealed(cores).unwrap();
        let plain = |array: &ArrayRef| match array.data_type() {
            DataType::Utf8View => cast(array, &DataType::Utf8).unwrap(),
            DataType::BinaryView => cast(array, &DataType::Binary).unwrap(),
            _ => Arc::clone(array),
        };
        let schema = batch.schema();
        let mut columns: Vec<(&str, ArrayRef)> =
            schema.fields().iter().zip(batch.columns()).map(|(f, array)| (f.name().as_str(), plain(array))).collect();
        columns.retain(|(name, _)| !matches!(*name, "seq" | "segment"));
        let number = i64::try_from(number).unwrap();
        columns.push(("segment", Arc::new(Int64Array::from(vec![number; cores.len()]))));
        columns.push(("segment_day", Arc::new(StringArray::from(vec!["2026-11-22"; cores.len()]))));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = self.records_dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        fs::metadata(&path).unwrap().len()
    }

    /// Keeps a checkpoint of the present size, signed by `key` if given and else by the log.
    pub fn beat(&self, ts: i64, key: Option<&SignerKey>) -> u64 {
        let size = self.size();
        let root = self.root_at(size).unwrap();
        let text = Checkpoint { origin: "example.org/log".into(), size, root, extensions: vec![] }.to_text();
        let mut note = merkle::Note::new(text.clone()).unwrap();
        note.signatures.push(key.unwrap_or(&self.key).sign_note(&text));
        let body = LedgerHeartbeat { checkpoint: note.to_string(), signed_at: ts };
        self.add(ts, Event::LedgerHeartbeat(body))
    }

    /// Puts a control in scope.
    pub fn scope(&self, ts: i64, control: &str, frequency: &str) {
        let scoped = ScopedControl { control: control.into(), logic_sha256: "aa".into(), frequency: frequency.into() };
        self.add(ts, Event::ControlsScoped(ControlsScoped { controls: vec![scoped] }));
    }

    /// Records a run of a control.
    pub fn ran(&self, ts: i64, control: &str, due_at: i64, logic: &str) {
        let body = ControlRan {
            run: format!("run-{due_at}"),
            control: control.into(),
            due_at,
            logic_sha256: logic.into(),
            params: RunParams { start: T0, end: T0 + DAY, now: T0 + DAY },
            at_size: 1,
            at_root: "00".into(),
            population: 1,
            requested_by: "a_1".into(),
            population_root: "00".into(),
            violations: 0,
            violations_root: "00".into(),
            outcome: Outcome::Pass,
            reason: None,
            engine: crate::engine(),
        };
        self.add(ts, Event::ControlRan(body));
    }

    pub fn database(self: &Arc<Self>) -> Database {
        let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
        Database::new(Arc::clone(self) as Arc<dyn Source>, limits).unwrap()
    }

    pub async fn session(self: &Arc<Self>) -> Session {
        self.database().at(At::Latest { tail: false }).await.unwrap()
    }
}

pub fn service(name: &str) -> ServiceDeclared {
    let spec = ServiceSpec {
        owner: "lending".into(),
        purpose: "credit-scoring".into(),
        risk_tier: RiskTier::High,
        classification: "internal".into(),
        environment: "prod".into(),
        region: None,
        subject_country: None,
        significant_effect: true,
        uses_personal_info: true,
        guardrails_required: true,
        explain_required: false,
        oversight: None,
        when_unrecordable: WhenUnrecordable::Refuse,
        routes: vec![],
    };
    ServiceDeclared { service: name.into(), spec }
}

pub fn deployment(id: &str) -> DeploymentStarted {
    DeploymentStarted {
        deployment: id.into(),
        service: "credit".into(),
        route: "chat".into(),
        target: Target::Provider { provider: "acme".into(), model: "large".into() },
        artifact_sha256: None,
    }
}

/// A call that arrived so many minutes after [`T0`] and was answered a quarter of a second later.
pub fn record(node_seq: i64, minute: i64) -> InferenceCore {
    let start = (T0 + minute * MINUTE) * 1000;
    InferenceCore {
        inference_id: format!("inf-{node_seq}"),
        ts_start: start,
        ts_end: start + 250_000,
        door: "openai.chat.completions".into(),
        service: Some("credit".into()),
        key: Some("k_1".into()),
        route: Some("chat".into()),
        model: Some("acme/large".into()),
        version: Some("as-served".into()),
        deployment: Some("d_1".into()),
        provider: Some("acme".into()),
        classification: "internal".into(),
        subject_tag: Some(vec![0xab; 16]),
        status: "ok".into(),
        day: "2026-11-22".into(),
        r: vec![1; 24],
        ct_sha256: vec![2; 32],
        c_root: vec![3; 32],
        node: "n1".into(),
        incarnation: 1,
        node_seq,
        ..InferenceCore::default()
    }
}
