//! How fast a package is verified, and how fast the proof of one record is.
//!
//! `cargo bench -p verify --bench verify -- [segments] [records a segment] [payload bytes]` (8, 20,000 and 1,024 by
//! default, which makes a package of some 300 MB). What is timed is all of `verify_package`: every file is hashed, every
//! record read and hashed again, every Parquet file held against the records. SHA-256 alone over the same bytes stands
//! beside it, as the most that one thread of this machine could do.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use domain::infrastructure::{NodeJoined, OrgCreated};
use domain::serving::{InferenceCore, SegmentFile, SegmentSealed};
use domain::{Entry, Event, Record, State, canonical};
use ledger::records::segment::{Place, core_schema, leaves, to_batch};
use merkle::{
    Checkpoint, Hash, Note, SignerKey, TILE_WIDTH, TileKind, TilePath, TlogProof, encode_bundle, hex,
    inclusion_proof_of, leaf_hash, root_of,
};
use parquet::arrow::ArrowWriter;
use sha2::{Digest, Sha256};
use verify::{Manifest, Options, PackageFile, PackageSegment, RecordProof, verify_package, verify_proof};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Failure = Box<dyn std::error::Error>;

/// Start of an hour, in milliseconds since the epoch.
const HOUR: i64 = 1_793_397_600_000;
const ORIGIN: &str = "bench.example/log";
const NODE: &str = "n1";
const DAY: &str = "2026-10-30";

fn main() -> Result<(), Failure> {
    // Cargo adds flags of its own, such as `--bench`.
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, usual: usize| numbers.get(at).copied().unwrap_or(usual);
    let (segments, records, bytes) = (number(0, 8), number(1, 20_000), number(2, 1024));
    let mut world = World::new()?;
    (0..segments).try_for_each(|_| world.seal(records, bytes))?;
    let proof = world.proof(records / 3)?.to_string();
    let package = world.package()?;
    let options = Options { log_vkey: Some(signer()?.verifier_key().clone()), ..Options::default() };

    let megabytes = package.len() as f64 / 1e6;
    println!("{segments} segments of {records} records with {bytes} bytes of payload: a package of {megabytes:.0} MB");
    let start = Instant::now();
    let digest = Sha256::digest(&package);
    let hashing = megabytes / start.elapsed().as_secs_f64();
    println!("SHA-256 alone: {hashing:.0} MB/s ({})", hex(&digest[..4]));
    for _ in 0..3 {
        let (package, start) = (package.clone(), Instant::now());
        let report = verify_package(package, &options);
        let rate = megabytes / start.elapsed().as_secs_f64();
        if report.exit != 0 {
            return Err(format!("the package does not verify:\n{report}").into());
        }
        println!("package: {rate:.0} MB/s, {:.0} % of SHA-256 alone, {:.2?}", 100.0 * rate / hashing, start.elapsed());
    }

    let mut times: Vec<Duration> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            let report = verify_proof(&proof, None, &options);
            let took = start.elapsed();
            if report.exit == 0 { Ok(took) } else { Err(format!("the proof does not verify:\n{report}")) }
        })
        .collect::<Result<_, _>>()?;
    times.sort_unstable();
    println!("proof of a record, {} bytes: p50 {:.1?}, p99 {:.1?}", proof.len(), times[1000], times[1980]);
    Ok(())
}

fn signer() -> Result<SignerKey, Failure> {
    Ok(SignerKey::ed25519(ORIGIN, &[1; 32])?)
}

/// A ledger in memory with its segments' files.
struct World {
    entries: Vec<Vec<u8>>,
    state: State,
    files: BTreeMap<String, Vec<u8>>,
    segments: Vec<PackageSegment>,
    last: Vec<InferenceCore>,
}

impl World {
    fn new() -> Result<Self, Failure> {
        let (entries, segments, last) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { entries, state: State::default(), files: BTreeMap::new(), segments, last };
        world.add(Event::OrgCreated(OrgCreated {
            name: "Bench".into(),
            origin: ORIGIN.into(),
            log_vkey: signer()?.verifier_key().to_string(),
            retention_days: 400,
        }))?;
        world.add(Event::NodeJoined(NodeJoined { node: NODE.into(), incarnation: 1, program: "bench".into() }))?;
        Ok(world)
    }

    fn add(&mut self, event: Event) -> Result<u64, Failure> {
        let seq = self.entries.len() as u64;
        let stream = event.stream();
        let sv = self.state.version(&stream) + 1;
        let id = format!("018f3c2e-7d4b-7000-8000-{seq:012}");
        let ts = HOUR + i64::try_from(seq)? * 1000;
        let entry = Entry { v: 1, id, ts, actor: "a_system".into(), stream, sv, event };
        self.entries.push(entry.encode()?);
        self.state.apply(&entry);
        Ok(seq)
    }

    fn seal(&mut self, n: usize, bytes: usize) -> Result<(), Failure> {
        let node = &self.state.nodes[NODE];
        let (first, number) = (node.sealed_records, self.segments.len() as u64);
        let prev = node.last_segment.as_ref().map(|last| last.root.clone());
        let payloads: Vec<Vec<u8>> = (first..first + n as u64).map(|number| payload(number, bytes)).collect();
        let cores: Vec<InferenceCore> = (first..).zip(&payloads).map(|(number, ct)| core(number, ct)).collect();
        let leaves = leaves(&cores);
        let mut parquet = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut parquet, core_schema::<InferenceCore>(), None)?;
        writer.write(&to_batch(&cores, Some(Place { segment: number, day: DAY }))?)?;
        writer.close()?;
        let file = |bytes: &[u8]| SegmentFile { path: "x".into(), sha256: sha256(bytes), len: bytes.len() as u64 };
        let event = self.add(Event::SegmentSealed(SegmentSealed {
            node: NODE.into(),
            incarnation: 1,
            number,
            first,
            n: n as u64,
            root: hex(&root_of(&leaves)),
            prev,
            t0: cores.iter().map(|core| core.ts_end).min().unwrap_or_default(),
            t1: cores.iter().map(|core| core.ts_end).max().unwrap_or_default(),
            hours: vec![(HOUR, n as u64)],
            core: file(&parquet),
            payload: Some(file(b"not in the package")),
        }))?;
        let dir = format!("segments/{NODE}-1-{number}");
        let tlv: Vec<Vec<u8>> = cores.iter().map(InferenceCore::encode).collect();
        self.files.insert(format!("{dir}/core.tlv"), framed(&tlv));
        self.files.insert(format!("{dir}/leaves"), leaves.concat());
        self.files.insert(format!("{dir}/core.parquet"), parquet);
        self.files.insert(format!("{dir}/payload.bin"), framed(&payloads));
        self.segments.push(PackageSegment { node: NODE.into(), incarnation: 1, number, event, dir });
        self.last = cores;
        Ok(())
    }

    fn hashes(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }

    fn checkpoint(&self) -> Result<String, Failure> {
        let root = root_of(&self.hashes());
        let size = self.entries.len() as u64;
        let text = Checkpoint { origin: ORIGIN.into(), size, root, extensions: vec![] }.to_text();
        let mut note = Note::new(text.as_str())?;
        note.signatures.push(signer()?.sign_note(&text));
        Ok(note.to_string())
    }

    /// The proof of a record in the newest segment.
    fn proof(&self, index: usize) -> Result<RecordProof, Failure> {
        let seq = self.entries.len() as u64 - 1;
        let hashes = inclusion_proof_of(&self.hashes(), seq)?;
        Ok(RecordProof {
            schema: 1,
            record: self.last[index].encode(),
            index: index as u64,
            hashes: inclusion_proof_of(&leaves(&self.last), index as u64)?,
            event: self.entries[self.entries.len() - 1].clone(),
            commitments: vec![],
            disclosures: vec![],
            log: TlogProof { extra: None, index: seq, hashes, checkpoint: self.checkpoint()? },
        })
    }

    fn package(mut self) -> Result<Vec<u8>, Failure> {
        let size = self.entries.len() as u64;
        self.files.insert("checkpoint".to_owned(), self.checkpoint()?.into_bytes());
        for (index, entries) in self.entries.chunks(usize::try_from(TILE_WIDTH)?).enumerate() {
            let path = TilePath { kind: TileKind::Entries, index: index as u64, width: u16::try_from(entries.len())? };
            self.files.insert(path.to_string(), encode_bundle(entries.iter().map(Vec::as_slice))?);
        }
        let list = |(path, bytes): (&String, &Vec<u8>)| PackageFile {
            path: path.clone(),
            sha256: sha256(bytes),
            len: bytes.len() as u64,
        };
        let manifest = Manifest {
            v: 1,
            package: "018f3c2e-7d4b-7000-8000-0000000000aa".into(),
            created_at: HOUR,
            origin: ORIGIN.into(),
            log_vkey: signer()?.verifier_key().to_string(),
            from: HOUR,
            to: HOUR + 3_600_000,
            size,
            root: hex(&root_of(&self.hashes())),
            payloads: true,
            program: "bench".into(),
            files: self.files.iter().map(list).collect(),
            segments: self.segments,
        };
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let manifest = canonical::to_vec(&manifest)?;
        for (path, bytes) in [("manifest.json".to_owned(), manifest)].into_iter().chain(self.files) {
            zip.start_file(path, stored)?;
            zip.write_all(&bytes)?;
        }
        Ok(zip.finish()?.into_inner())
    }
}

/// A record as the gateway writes it, with digests that differ from record to record as real ones do.
fn core(number: u64, ct: &[u8]) -> InferenceCore {
    let digest = |what: &str| Sha256::digest(format!("{what} {number}")).to_vec();
    let text = |text: &str| Some(text.to_owned());
    let micros = HOUR * 1000 + i64::try_from(number).unwrap_or_default() * 20;
    InferenceCore {
        inference_id: format!("018f3c2e-7d4b-7000-8000-{number:012}"),
        ts_start: micros,
        ts_end: micros + 5,
        door: "openai.chat.completions".into(),
        service: text("support-assistant"),
        key: text("k_0123456789abcdef"),
        route: text("assistant"),
        model: text("stand-in/chat-1"),
        version: text("as-served"),
        deployment: text("d_0123456789abcdef"),
        provider: text("stand-in"),
        purpose: text("customer-support"),
        classification: "confidential".into(),
        subject_tag: Some(digest("subject")[..16].to_vec()),
        status: "ok".into(),
        http_status: Some(200),
        tokens_in: Some(96),
        tokens_out: Some(48),
        policies: text("service-key-infers"),
        day: DAY.into(),
        r: digest("r")[..24].to_vec(),
        ct_sha256: Sha256::digest(ct).to_vec(),
        c_root: digest("c_root"),
        node: NODE.into(),
        incarnation: 1,
        node_seq: i64::try_from(number).unwrap_or_default(),
        ..InferenceCore::default()
    }
}

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(bytes).collect()
}

fn framed(pieces: &[Vec<u8>]) -> Vec<u8> {
    let framed = |piece: &Vec<u8>| [&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes()[..], piece].concat();
    pieces.iter().flat_map(framed).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
