//! A small ledger with records, and the package that evidence of it makes: written here from the format's description
//! alone, so that writer and reader can be wrong only in different ways.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use domain::assurance::{ControlRan, ControlsScoped, Outcome, RunParams, ScopedControl};
use domain::infrastructure::{
    CommandRefused, LedgerHeartbeat, LedgerResumed, NodeJoined, OrgCreated, RollbackAccepted, StateDigest,
};
use domain::keys::retention::{
    Item, Kind, Method, PayloadCompacted, RetentionDisposed, RetentionDisposing, SegmentGone, SegmentsDisposed,
};
use domain::people::AccessCore;
use domain::serving::{GatewayCountLost, GatewayCounted, InferenceCore, SegmentFile, SegmentProgress, SegmentSealed};
use domain::{Entry, Event, Record, RefusalCode, State, canonical};
use merkle::{
    Checkpoint, CosignerKey, Hash, Note, SignerKey, TileKind, TilePath, encode_bundle, hex, leaf_hash, root_of,
};
use parquet::arrow::ArrowWriter;
use sha2::{Digest, Sha256};
use verify::{Manifest, PackageFile, PackageSegment};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Start of an hour, in milliseconds since the epoch.
pub const HOUR: i64 = 1_793_397_600_000;
pub const HOUR_MS: i64 = 3_600_000;
pub const ORIGIN: &str = "counterfoil.example/lending";
pub const QUERY: &str = "select item from calls where bad\n";
pub const POPULATION: &str = "select item from calls\n";

pub fn signer() -> SignerKey {
    SignerKey::ed25519(ORIGIN, &[1; 32]).expect("a good name")
}

pub fn witness() -> CosignerKey {
    CosignerKey::new("witness.example", &[2; 32]).expect("a good name")
}

/// A sealed segment with everything that was sealed.
#[derive(Clone)]
pub struct Sealed {
    pub seq: u64,
    pub body: SegmentSealed,
    pub cores: Vec<InferenceCore>,
    pub payloads: Vec<Vec<u8>>,
    pub parquet: Vec<u8>,
}

impl Sealed {
    pub fn dir(&self) -> String {
        format!("segments/{}-{}-{}", self.body.node, self.body.incarnation, self.body.number)
    }
}

/// A sealed segment of accesses.
#[derive(Clone)]
pub struct SealedAccesses {
    pub seq: u64,
    pub body: SegmentSealed,
    pub cores: Vec<AccessCore>,
    pub parquet: Vec<u8>,
}

/// A ledger in memory.
#[derive(Clone)]
pub struct World {
    pub entries: Vec<Vec<u8>>,
    pub state: State,
    pub now: i64,
    pub signer: SignerKey,
    pub segments: Vec<Sealed>,
    pub accesses: Vec<SealedAccesses>,
    pub controls: Vec<(u64, ControlRan, Vec<serde_json::Value>, Vec<String>)>,
    pub cosigned_at: Option<u64>,
    /// Why payloads are taken out.
    pub because: Vec<String>,
}

impl World {
    /// A ledger that begins properly.
    pub fn new() -> Self {
        let mut world = Self {
            entries: Vec::new(),
            state: State::default(),
            now: HOUR + 1000,
            signer: signer(),
            segments: Vec::new(),
            accesses: Vec::new(),
            controls: Vec::new(),
            cosigned_at: None,
            because: vec!["disposal/x_0".into()],
        };
        world.event(Event::OrgCreated(OrgCreated {
            name: "Example Lending".into(),
            origin: ORIGIN.into(),
            log_vkey: signer().verifier_key().to_string(),
            retention_days: 2557,
        }));
        world.join(1);
        world
    }

    /// A ledger with a bit of everything, whole in every respect.
    pub fn full() -> Self {
        let mut world = Self::new();
        world.beat();
        world.progress(0, 2, 3);
        world.seal(5);
        world.seal(3);
        world.count(8, 8);
        world.run_control(&["call-1"], &["call-1", "call-2"]);
        world.digest_state();
        world.beat();
        world
    }

    /// Appends an event and returns its sequence number.
    pub fn event(&mut self, event: Event) -> u64 {
        let seq = self.entries.len() as u64;
        let stream = event.stream();
        let sv = self.state.version(&stream) + 1;
        let id = format!("018f3c2e-7d4b-7000-8000-{seq:012}");
        self.raw(Entry { v: 1, id, ts: self.now, actor: "a_system".into(), stream, sv, event });
        seq
    }

    /// Appends an entry as it is.
    pub fn raw(&mut self, entry: Entry) {
        self.entries.push(entry.encode().expect("fits an entry"));
        self.state.apply(&entry);
        self.now += 1000;
    }

    pub fn join(&mut self, incarnation: u64) {
        let program = "counterfoil 0.1.0".into();
        self.event(Event::NodeJoined(NodeJoined { node: "n1".into(), incarnation, program }));
    }

    pub fn beat(&mut self) {
        let beat = LedgerHeartbeat { checkpoint: self.checkpoint(self.entries.len()), signed_at: self.now };
        self.event(Event::LedgerHeartbeat(beat));
    }

    /// Says that segment `number` has `n` of the records that [`Self::seal`] will give it with `records`.
    pub fn progress(&mut self, number: u64, n: u64, records: u64) {
        let cores = self.cores(records.max(n));
        let root = hex(&root_of(&leaves(&cores[..n as usize])));
        self.event(Event::SegmentProgress(SegmentProgress { node: "n1".into(), incarnation: 1, number, n, root }));
    }

    pub fn count(&mut self, requests: u64, logged: u64) {
        let counted = GatewayCounted { node: "n1".into(), incarnation: 1, hour: HOUR, requests, logged };
        self.event(Event::GatewayCounted(counted));
    }

    /// Says that the count of incarnation 1 was lost, and that so many records were found.
    pub fn lose_count(&mut self, records: u64) {
        let lost = GatewayCountLost { node: "n1".into(), incarnation: 1, hour: HOUR, records };
        self.event(Event::GatewayCountLost(lost));
    }

    /// Goes on from here although there were `lost` entries more.
    pub fn accept_rollback(&mut self, lost: usize) {
        let (to_size, from_size) = (self.entries.len() as u64, (self.entries.len() + lost) as u64);
        let remembered = self.sign(from_size, [7; 32]);
        let reference = "INC-2207".into();
        self.event(Event::RollbackAccepted(RollbackAccepted { remembered, from_size, to_size, reference }));
    }

    pub fn go_on_without_a_witness(&mut self) {
        self.event(Event::LedgerResumed(LedgerResumed { cosigning: vec![], unnamed: vec!["ab".repeat(32)] }));
    }

    pub fn refuse(&mut self) {
        self.event(Event::CommandRefused(CommandRefused {
            command: "key.create".into(),
            resource: "key/k_1".into(),
            code: RefusalCode::Forbidden,
            policies: vec![],
        }));
    }

    pub fn digest_state(&mut self) {
        let sha256 = self.state.digest().expect("a state is JSON");
        self.event(Event::StateDigest(StateDigest { size: self.state.size, sha256, fold: Some(State::FOLD) }));
    }

    /// Records as the next segment would have them.
    fn cores(&self, n: u64) -> Vec<InferenceCore> {
        let first = self.state.nodes.get("n1").map_or(0, |node| node.sealed_records);
        let incarnation = self.state.nodes.get("n1").map_or(1, |node| node.incarnation);
        (first..first + n).map(|number| core(number as i64, incarnation as i64)).collect()
    }

    /// Seals `n` records.
    pub fn seal(&mut self, n: u64) {
        let cores = self.cores(n);
        let payloads: Vec<Vec<u8>> = cores.iter().map(|core| payload(core.node_seq)).collect();
        let node = self.state.nodes.get("n1").expect("the node joined").clone();
        let number = node.last_segment.as_ref().map_or(0, |last| last.number + 1);
        let parquet = parquet(&cores, number);
        let file = |bytes: &[u8]| SegmentFile { path: "x".into(), sha256: sha256(bytes), len: bytes.len() as u64 };
        let body = SegmentSealed {
            node: "n1".into(),
            incarnation: node.incarnation,
            number,
            first: node.sealed_records,
            n,
            root: hex(&root_of(&leaves(&cores))),
            prev: node.last_segment.map(|last| last.root),
            t0: cores.iter().map(|core| core.ts_end).min().unwrap_or(0),
            t1: cores.iter().map(|core| core.ts_end).max().unwrap_or(0),
            hours: vec![(HOUR, n)],
            core: file(&parquet),
            payload: Some(file(b"payloads")),
        };
        let seq = self.event(Event::SegmentSealed(body.clone()));
        self.segments.push(Sealed { seq, body, cores, payloads, parquet });
    }

    /// Takes payloads out of the first segment, and says so.
    pub fn take_out(&mut self, rows: &[usize]) {
        let first = &mut self.segments[0];
        rows.iter().for_each(|row| first.payloads[*row].clear());
        let sealed = first.body.clone();
        self.compacted(&sealed, 0, rows.len() as u64);
    }

    /// Takes every payload out of every segment, and says so.
    pub fn take_out_all(&mut self) {
        for at in 0..self.segments.len() {
            let payloads = &mut self.segments[at].payloads;
            let rows = payloads.len() as u64;
            payloads.iter_mut().for_each(Vec::clear);
            let sealed = self.segments[at].body.clone();
            self.compacted(&sealed, at, rows);
        }
    }

    /// Says that a segment's payload file was written anew, as often as it is called.
    fn compacted(&mut self, sealed: &SegmentSealed, at: usize, rows_removed: u64) {
        if !self.state.disposals.contains_key("x_0") {
            self.begin_disposal("x_0", "2026-09-30");
        }
        let same = |body: &PayloadCompacted| (body.incarnation, body.number) == (sealed.incarnation, sealed.number);
        let last = self.state.compacted.clone().filter(same).and_then(|body| body.new);
        let old = last.or(sealed.payload.clone()).expect("a payload file");
        let new = Some(SegmentFile { sha256: sha256(old.sha256.as_bytes()), ..old.clone() });
        let (node, incarnation, number) = (sealed.node.clone(), sealed.incarnation, sealed.number);
        let left = self.segments[at].payloads.iter().filter(|payload| !payload.is_empty());
        let left = Some(hex(&root_of(&left.map(|payload| leaf_hash(payload)).collect::<Vec<_>>())));
        let because = self.because.clone();
        let body = PayloadCompacted { node, incarnation, number, old, new, rows_removed, left, because };
        self.event(Event::PayloadCompacted(body));
    }

    /// Says that the disposal of a day of the records' class begins.
    fn begin_disposal(&mut self, disposal: &str, day: &str) -> Item {
        let (class, day) = ("confidential".to_owned(), Some(day.to_owned()));
        let item = Item { kind: Kind::InferencePayload, class, day, object: None };
        let (disposal, rule, due) = (disposal.to_owned(), "payloads".to_owned(), self.now);
        let begun = RetentionDisposing { disposal, item: item.clone(), rule, days: 30, due, clear_of: vec![] };
        self.event(Event::RetentionDisposing(begun));
        item
    }

    /// Says that a day of the records' class was disposed of.
    pub fn dispose(&mut self, day: &str) {
        let item = self.begin_disposal("x_1", day);
        let (disposal, due, method) = ("x_1".to_owned(), self.now, Method::KeyDestroyed);
        let disposed = RetentionDisposed { disposal, item, method, due, copies: 3, copies_confirmed: 3 };
        self.event(Event::RetentionDisposed(disposed));
    }

    /// Has the first segment's records go by a disposal; `told` changes what the entry says of it.
    pub fn dispose_first(&mut self, told: impl FnOnce(&mut SegmentGone)) {
        let item = Item {
            kind: Kind::InferenceCore,
            class: "inference_core".into(),
            day: Some("2026-10-30".into()),
            object: None,
        };
        let (disposal, rule, due) = ("x_2".to_owned(), "records".to_owned(), self.now);
        let begun = disposal.clone();
        let item_of = item.clone();
        self.event(Event::RetentionDisposing(RetentionDisposing {
            disposal: begun,
            item: item_of,
            rule,
            days: 30,
            due,
            clear_of: vec![],
        }));
        let Sealed { body, .. } = self.segments.remove(0);
        let SegmentSealed { node, incarnation, number, n, root, core, .. } = body;
        let mut gone = SegmentGone { node, incarnation, number, n, root, core };
        told(&mut gone);
        let (disposal_of, kind) = (disposal.clone(), Kind::InferenceCore);
        self.event(Event::SegmentsDisposed(SegmentsDisposed { disposal: disposal_of, kind, segments: vec![gone] }));
        let method = Method::FileDeleted;
        let disposed = RetentionDisposed { disposal, item, method, due, copies: 1, copies_confirmed: 1 };
        self.event(Event::RetentionDisposed(disposed));
    }

    /// Seals `n` accesses, after saying how many of them there were so far.
    pub fn seal_accesses(&mut self, told: u64, n: u64) {
        let node = self.state.nodes.get("n1").expect("the node joined").clone();
        let (first, incarnation) = (node.sealed_accesses, node.incarnation);
        let cores: Vec<AccessCore> =
            (first..first + n).map(|number| access(number as i64, incarnation as i64)).collect();
        let number = node.last_accesses.as_ref().map_or(0, |last| last.number + 1);
        let root = hex(&root_of(&leaves(&cores[..told as usize])));
        let node_name = || "n1".to_owned();
        let progress = SegmentProgress { node: node_name(), incarnation, number, n: told, root };
        self.event(Event::AccessesProgress(progress));
        let parquet = parquet(&cores, number);
        let body = SegmentSealed {
            node: node_name(),
            incarnation,
            number,
            first,
            n,
            root: hex(&root_of(&leaves(&cores))),
            prev: node.last_accesses.map(|last| last.root),
            t0: cores.iter().map(|core| core.ts_end).min().unwrap_or(0),
            t1: cores.iter().map(|core| core.ts_end).max().unwrap_or(0),
            hours: vec![(HOUR, n)],
            core: SegmentFile { path: "x".into(), sha256: sha256(&parquet), len: parquet.len() as u64 },
            payload: None,
        };
        let seq = self.event(Event::AccessesSealed(body.clone()));
        self.accesses.push(SealedAccesses { seq, body, cores, parquet });
    }

    pub fn run_control(&mut self, violations: &[&str], population: &[&str]) {
        let rows: Vec<serde_json::Value> = violations
            .iter()
            .map(|item| serde_json::json!({"item": item, "detail": "é \"bad\"", "at": HOUR}))
            .collect();
        let population: Vec<String> = population.iter().map(|item| (*item).to_owned()).collect();
        let scoped = ScopedControl {
            control: "AI-IN-01".into(),
            logic_sha256: logic(QUERY, POPULATION),
            frequency: "hourly".into(),
        };
        self.event(Event::ControlsScoped(ControlsScoped { controls: vec![scoped] }));
        let run = ControlRan {
            requested_by: "a_1".into(),
            run: "018f".into(),
            control: "AI-IN-01".into(),
            due_at: self.now,
            logic_sha256: logic(QUERY, POPULATION),
            params: RunParams { start: HOUR, end: HOUR + HOUR_MS, now: self.now },
            at_size: self.entries.len() as u64,
            at_root: hex(&self.root(self.entries.len())),
            population: population.len() as u64,
            population_root: sorted_root(population.iter().map(|item| item.clone().into_bytes()).collect()),
            violations: rows.len() as u64,
            violations_root: sorted_root(rows.iter().map(|row| canonical::to_vec(row).expect("JSON")).collect()),
            outcome: if rows.is_empty() { Outcome::Pass } else { Outcome::Fail },
            reason: None,
            engine: "datafusion 55.2.0".into(),
        };
        let seq = self.event(Event::ControlRan(run.clone()));
        self.controls.push((seq, run, rows, population));
    }

    pub fn root(&self, size: usize) -> Hash {
        root_of(&self.entries[..size].iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>())
    }

    /// A signed checkpoint of the first `size` entries.
    pub fn checkpoint(&self, size: usize) -> String {
        self.sign(size as u64, self.root(size))
    }

    fn sign(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root, extensions: vec![] };
        let text = checkpoint.to_text();
        let mut note = Note::new(text.as_str()).expect("a checkpoint is a note");
        note.signatures.push(self.signer.sign_note(&text));
        note.signatures.extend(self.cosigned_at.map(|at| witness().sign(&text, at)));
        note.to_string()
    }

    /// The package of everything, with sealed payloads.
    pub fn package(&self) -> Parts {
        let size = self.entries.len();
        let mut files = BTreeMap::from([("checkpoint".to_owned(), self.checkpoint(size).into_bytes())]);
        for (index, entries) in self.entries.chunks(256).enumerate() {
            let path = TilePath { kind: TileKind::Entries, index: index as u64, width: entries.len() as u16 };
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).expect("entries fit");
            files.insert(path.to_string(), bundle);
        }
        for segment in &self.segments {
            let dir = segment.dir();
            let tlv: Vec<Vec<u8>> = segment.cores.iter().map(Record::encode).collect();
            files.insert(format!("{dir}/core.tlv"), framed(&tlv));
            files.insert(format!("{dir}/leaves"), leaves(&segment.cores).concat());
            files.insert(format!("{dir}/core.parquet"), segment.parquet.clone());
            files.insert(format!("{dir}/payload.bin"), framed(&segment.payloads));
        }
        for (seq, run, violations, population) in &self.controls {
            let result = serde_json::json!({
                "event": seq, "run": run, "violations": violations, "population": population
            });
            let mut put = |name: &str, bytes: &[u8]| {
                files.insert(format!("controls/{}/{name}", run.control), bytes.to_vec());
            };
            put("query.sql", QUERY.as_bytes());
            put("population.sql", POPULATION.as_bytes());
            put("control.toml", b"id = \"AI-IN-01\"\n");
            put("result.json", &canonical::to_vec(&result).expect("JSON"));
        }
        let listed = |body: &SegmentSealed, event: u64, folder: &str| PackageSegment {
            node: body.node.clone(),
            incarnation: body.incarnation,
            number: body.number,
            event,
            dir: format!("{folder}/{}-{}-{}", body.node, body.incarnation, body.number),
        };
        let segments = self.segments.iter().map(|segment| listed(&segment.body, segment.seq, "segments"));
        let accesses = self.accesses.iter().map(|segment| listed(&segment.body, segment.seq, "accesses"));
        let segments = segments.chain(accesses);
        for segment in &self.accesses {
            let dir = listed(&segment.body, segment.seq, "accesses").dir;
            let tlv: Vec<Vec<u8>> = segment.cores.iter().map(Record::encode).collect();
            files.insert(format!("{dir}/core.tlv"), framed(&tlv));
            files.insert(format!("{dir}/leaves"), leaves(&segment.cores).concat());
            files.insert(format!("{dir}/core.parquet"), segment.parquet.clone());
        }
        let manifest = Manifest {
            v: 1,
            package: "018f3c2e-7d4b-7000-8000-0000000000aa".into(),
            created_at: self.now,
            origin: ORIGIN.into(),
            log_vkey: self.signer.verifier_key().to_string(),
            from: HOUR,
            to: HOUR + 2 * HOUR_MS,
            size: size as u64,
            root: hex(&self.root(size)),
            payloads: true,
            program: "counterfoil 0.1.0".into(),
            files: vec![],
            segments: segments.collect(),
        };
        Parts { manifest, files, signer: self.signer.clone() }
    }
}

/// A package before it is put into a ZIP file: damage is done here.
pub struct Parts {
    pub manifest: Manifest,
    pub files: BTreeMap<String, Vec<u8>>,
    pub signer: SignerKey,
}

impl Parts {
    /// The package, with digests in the manifest that fit whatever the files are now.
    pub fn zip(mut self) -> Vec<u8> {
        self.list_files();
        self.zip_as_listed()
    }

    pub fn list_files(&mut self) {
        let list = self.files.iter().map(|(path, bytes)| PackageFile {
            path: path.clone(),
            sha256: sha256(bytes),
            len: bytes.len() as u64,
        });
        self.manifest.files = list.collect();
    }

    /// The package with the manifest as it is, signed.
    pub fn zip_as_listed(&self) -> Vec<u8> {
        self.zip_with_note(Some(&self.note()))
    }

    /// The note by which the log signs the manifest as it is.
    pub fn note(&self) -> Vec<u8> {
        let Manifest { package, from, to, .. } = &self.manifest;
        let digest = sha256(&canonical::to_vec(&self.manifest).expect("JSON"));
        let text = format!(
            "counterfoil/package@v1\norigin {ORIGIN}\npackage {package}\nfrom {from}\nto {to}\nmanifest {digest}\n"
        );
        let mut note = Note::new(text.as_str()).expect("a note");
        note.signatures.push(self.signer.sign_note(&text));
        note.to_string().into_bytes()
    }

    /// The package with the manifest as it is, and this beside it as its note.
    pub fn zip_with_note(&self, note: Option<&[u8]>) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let manifest = canonical::to_vec(&self.manifest).expect("JSON");
        let beside = [("manifest.json", Some(&manifest[..])), ("manifest.note", note)];
        let beside = beside.into_iter().filter_map(|(path, bytes)| Some((path, bytes?)));
        for (path, bytes) in beside.chain(self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))) {
            zip.start_file(path, options).expect("a good name");
            zip.write_all(bytes).expect("memory");
        }
        zip.finish().expect("memory").into_inner()
    }

    pub fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("the package has `{path}`"))
    }
}

pub fn core(number: i64, incarnation: i64) -> InferenceCore {
    InferenceCore {
        inference_id: format!("018f3c2e-7d4b-7000-8000-{number:012}"),
        ts_start: HOUR * 1000 + number * 10,
        ts_end: HOUR * 1000 + number * 10 + 5,
        door: "openai.chat.completions".into(),
        service: Some("support-assistant".into()),
        classification: "confidential".into(),
        subject_tag: Some(vec![7; 16]),
        status: "ok".into(),
        http_status: Some(200),
        day: "2026-10-30".into(),
        r: vec![number as u8; 24],
        ct_sha256: Sha256::digest(payload(number)).to_vec(),
        c_root: vec![3; 32],
        node: "n1".into(),
        incarnation,
        node_seq: number,
        ..InferenceCore::default()
    }
}

pub fn access(number: i64, incarnation: i64) -> AccessCore {
    AccessCore {
        access_id: format!("018f3c2e-7d4b-7000-8001-{number:012}"),
        ts_start: HOUR * 1000 + number * 10,
        ts_end: HOUR * 1000 + number * 10 + 5,
        door: "api".into(),
        actor: Some("a_1".into()),
        action: "sql".into(),
        object_kind: "inference_log".into(),
        purpose: Some("audit".into()),
        decision: "allow".into(),
        occurrences: 1,
        r: Some(vec![number as u8; 24]),
        c_root: Some(vec![3; 32]),
        node: "n1".into(),
        incarnation,
        node_seq: number,
        ..AccessCore::default()
    }
}

pub fn payload(number: i64) -> Vec<u8> {
    format!("sealed {number}").into_bytes()
}

pub fn leaves<R: Record>(cores: &[R]) -> Vec<Hash> {
    cores.iter().map(|core| leaf_hash(&core.encode())).collect()
}

pub fn framed(pieces: &[Vec<u8>]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| [&(piece.len() as u32).to_le_bytes()[..], piece].concat()).collect()
}

/// The core file as the ledger seals it.
pub fn parquet<R: Record>(cores: &[R], segment: u64) -> Vec<u8> {
    use ledger::records::segment::{Place, core_schema, to_batch};
    let batch = to_batch(cores, Some(Place { segment, day: "2026-10-30" })).expect("rows");
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, core_schema::<R>(), None).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    file
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn logic(query: &str, population: &str) -> String {
    let (query, population) = (query.trim_end(), population.trim_end());
    let lengths = [query, population].map(|text| (text.len() as u32).to_le_bytes());
    sha256(&[&lengths[0][..], query.as_bytes(), &lengths[1], population.as_bytes()].concat())
}

fn sorted_root(mut items: Vec<Vec<u8>>) -> String {
    items.sort();
    hex(&root_of(&items.iter().map(|item| leaf_hash(item)).collect::<Vec<_>>()))
}
