//! Writing an evidence package: the whole ledger, the segments of a window, and the newest result of each control.
//!
//! The layout is specified in `docs/format.md`, section "Packages". Results are not copied from anywhere: each is
//! computed again at the size its event names, and must come out the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::assurance::{ControlRan, EvidenceExported};
use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentFile, SegmentSealed};
use domain::{Command, Entry, Event, Record};
use engine::{Engine, Principal};
use ledger::records::segment;
use merkle::{Checkpoint, Note, TILE_WIDTH, TileKind, TilePath, encode_bundle};
use query::{At, Database};
use serde_json::json;
use sha2::{Digest, Sha256};
use verify::{MANIFEST, MANIFEST_NOTE, Manifest, PACKAGE_STATEMENT, PackageFile, PackageSegment};
use zip::write::SimpleFileOptions;

use crate::{AssuranceError, catalogue, run};

/// How often, and at what distance, it is looked whether witnesses have cosigned the package's checkpoint.
const WITNESS_LOOKS: u32 = 40;
const WITNESS_PAUSE: Duration = Duration::from_millis(250);

/// What to hand out.
#[derive(Clone, Copy, Debug)]
pub struct ExportRequest {
    /// Start of the window, milliseconds since the epoch, inclusive.
    pub from: i64,
    /// End of the window, exclusive.
    pub to: i64,
    /// Whether sealed payloads are included.
    pub payloads: bool,
}

/// A package that was written.
#[derive(Debug)]
pub struct Package {
    /// The file; it is removed when this is dropped.
    pub file: tempfile::TempPath,
    /// As recorded in the ledger.
    pub exported: EvidenceExported,
}

/// Seals what is unsealed, writes a package and records that it was handed out.
///
/// # Errors
/// When the window makes no sense, or something cannot be read or written.
pub async fn export(
    engine: &Arc<Engine>,
    database: &Database,
    who: &Principal,
    request: ExportRequest,
) -> Result<Package, AssuranceError> {
    if request.from >= request.to {
        return Err(AssuranceError::Window);
    }
    engine.seal_now().await?;
    let note = newest_checkpoint(engine).await?;
    let size = checkpoint_size(&note)?;
    let walked = {
        let engine = Arc::clone(engine);
        tokio::task::spawn_blocking(move || walk(&engine, size, request)).await.map_err(io)??
    };
    let results = results(database, &walked.runs).await?;
    let (written, exported) = {
        let engine = Arc::clone(engine);
        let write = move || write(&engine, &note, size, request, &walked, &results);
        tokio::task::spawn_blocking(write).await.map_err(io)??
    };
    let exported = EvidenceExported { requested_by: who.actor.clone(), ..exported };
    engine.execute(engine.system(), Command::ExportEvidence(exported.clone())).await?;
    Ok(Package { file: written, exported })
}

/// A checkpoint of the ledger as it is: with the witnesses' cosignatures when there are witnesses and they answer in
/// time, else as it was just published.
async fn newest_checkpoint(engine: &Arc<Engine>) -> Result<String, AssuranceError> {
    let published = engine.publish().await?;
    let size = checkpoint_size(&published)?;
    let Some(mut witnessed) = engine.log().witnessed_checkpoint() else { return Ok(published) };
    for _ in 0..WITNESS_LOOKS {
        if checkpoint_size(&witnessed)? >= size {
            return Ok(witnessed);
        }
        tokio::time::sleep(WITNESS_PAUSE).await;
        witnessed = engine.log().witnessed_checkpoint().unwrap_or(witnessed);
    }
    Ok(published)
}

fn io(error: impl std::fmt::Display) -> AssuranceError {
    AssuranceError::Io(error.to_string())
}

fn checkpoint_size(note: &str) -> Result<u64, AssuranceError> {
    let note = Note::parse(note).map_err(io)?;
    Ok(Checkpoint::parse(&note.text).map_err(io)?.size)
}

/// What the entries say that a package needs to know.
struct Walked {
    /// Segments that overlap the window: number of the event, kind of record, what it says.
    segments: Vec<(u64, u32, SegmentSealed)>,
    /// The payload file of each segment whose first one was written anew; `None` when nothing of it is left.
    compacted: BTreeMap<(String, u64, u64), Option<SegmentFile>>,
    /// The standing result of each control, with the number of its event.
    runs: BTreeMap<String, (u64, ControlRan)>,
    /// Reviews that were completed in the window.
    reviews: Vec<String>,
}

fn walk(engine: &Engine, size: u64, request: ExportRequest) -> Result<Walked, AssuranceError> {
    let mut walked =
        Walked { segments: Vec::new(), compacted: BTreeMap::new(), runs: BTreeMap::new(), reviews: Vec::new() };
    let (mut unknown, mut gone) = (None, BTreeSet::new());
    let each = &mut |seq: u64, bytes: &[u8]| match Entry::decode(bytes) {
        Ok(entry) => match entry.event {
            Event::ControlRan(run)
                if walked.runs.get(&run.control).is_none_or(|(_, standing)| run.stands_over(standing)) =>
            {
                walked.runs.insert(run.control.clone(), (seq, run));
            }
            Event::ReviewCompleted(done) if (request.from..request.to).contains(&entry.ts) => {
                walked.reviews.push(done.review);
            }
            Event::SegmentsDisposed(body) => {
                gone.extend(body.segments.into_iter().map(|segment| segment.core.path));
            }
            Event::PayloadCompacted(body) => {
                walked.compacted.insert((body.node, body.incarnation, body.number), body.new);
            }
            event => {
                let sealed = event.sealed().filter(|(_, sealed)| overlaps(sealed, request));
                walked.segments.extend(sealed.map(|(schema, sealed)| (seq, schema, sealed.clone())));
            }
        },
        Err(error) => unknown = Some(format!("event {seq}: {error}")),
    };
    engine.log().for_each_entry(0..size, each).map_err(io)?;
    // Their records went by a rule of retention, as an entry of the package says.
    walked.segments.retain(|(_, _, sealed)| !gone.contains(&sealed.core.path));
    match unknown {
        Some(why) => Err(AssuranceError::Io(why)),
        None => Ok(walked),
    }
}

fn overlaps(sealed: &SegmentSealed, request: ExportRequest) -> bool {
    sealed.t0 < request.to.saturating_mul(1000) && sealed.t1 >= request.from.saturating_mul(1000)
}

/// The files of one control in a package: name and contents.
type ControlFiles = Vec<(String, Vec<u8>)>;

async fn results(
    database: &Database,
    runs: &BTreeMap<String, (u64, ControlRan)>,
) -> Result<ControlFiles, AssuranceError> {
    let mut files = Vec::new();
    for (seq, recorded) in runs.values() {
        let Some(control) = catalogue().control(&recorded.control) else { continue };
        let again = run::test(&database.at(At::Size(recorded.at_size)).await?, control, recorded.params).await?;
        let same = again.run.violations_root == recorded.violations_root
            && again.run.population_root == recorded.population_root
            && again.run.logic_sha256 == recorded.logic_sha256;
        if !same {
            let why = format!(
                "the result recorded by event {seq} does not come out again: run the control anew before handing out evidence"
            );
            return Err(AssuranceError::Logic { control: control.id.clone(), why });
        }
        let violations = again.violating(usize::MAX);
        let result = json!({"event": seq, "run": recorded, "violations": violations, "population": again.population});
        let about = toml::to_string(&About::of(control)).map_err(io)?;
        let path = |name: &str| format!("controls/{}/{name}", control.id);
        files.push((path("control.toml"), about.into_bytes()));
        files.push((path("population.sql"), control.population.clone().into_bytes()));
        files.push((path("query.sql"), control.query.clone().into_bytes()));
        files.push((path("result.json"), domain::canonical::to_vec(&result).map_err(io)?));
    }
    Ok(files)
}

/// What a package says of a control beside its logic and result.
#[derive(serde::Serialize)]
struct About<'a> {
    id: &'a str,
    name: &'a str,
    objective: &'a str,
    tsc: &'a [String],
    population_note: &'a str,
    frequency: &'a str,
    limits: &'a str,
}

impl<'a> About<'a> {
    fn of(control: &'a crate::Control) -> Self {
        Self {
            id: &control.id,
            name: &control.name,
            objective: &control.objective,
            tsc: &control.tsc,
            population_note: &control.population_note,
            frequency: &control.frequency,
            limits: &control.limits,
        }
    }
}

fn write(
    engine: &Engine,
    note: &str,
    size: u64,
    request: ExportRequest,
    walked: &Walked,
    results: &ControlFiles,
) -> Result<(tempfile::TempPath, EvidenceExported), AssuranceError> {
    let (file, path) = tempfile::NamedTempFile::new().map_err(io)?.into_parts();
    let mut zip = Archive { zip: zip::ZipWriter::new(BufWriter::new(file)), files: Vec::new() };
    zip.add("checkpoint", note.as_bytes())?;
    for (name, bytes) in results {
        zip.add(name, bytes)?;
    }
    let mut segments = Vec::new();
    for (event, schema, sealed) in &walked.segments {
        let name = (sealed.node.clone(), sealed.incarnation, sealed.number);
        let payload = match walked.compacted.get(&name).filter(|_| *schema == InferenceCore::SCHEMA) {
            Some(anew) => anew.as_ref(),
            None => sealed.payload.as_ref(),
        };
        let payload = Payloads { wanted: request.payloads && sealed.payload.is_some(), file: payload };
        segments.push(match *schema {
            AccessCore::SCHEMA => add_segment::<AccessCore>(&mut zip, engine, *event, sealed, payload)?,
            _ => add_segment::<InferenceCore>(&mut zip, engine, *event, sealed, payload)?,
        });
    }
    for review in &walked.reviews {
        let list = engine.review_list(review).map_err(io)?;
        zip.add(&format!("reviews/{review}/list.json"), &list.to_json())?;
        zip.add(&format!("reviews/{review}/list.csv"), list.to_csv().as_bytes())?;
    }
    add_entries(&mut zip, engine, size)?;
    let root = merkle::hex(&engine.log().root_at(size).map_err(io)?);
    zip.files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest {
        v: 1,
        package: uuid::Uuid::now_v7().to_string(),
        created_at: Engine::now_ms(),
        origin: engine.log().origin().to_owned(),
        log_vkey: engine.log_vkey().to_owned(),
        from: request.from,
        to: request.to,
        size,
        root,
        payloads: request.payloads,
        program: engine.program().to_owned(),
        files: std::mem::take(&mut zip.files),
        segments,
    };
    let bytes = domain::canonical::to_vec(&manifest).map_err(io)?;
    zip.add(MANIFEST, &bytes)?;
    let note = engine.log().state(PACKAGE_STATEMENT, &manifest.stated(&bytes)).map_err(io)?;
    zip.add(MANIFEST_NOTE, note.as_bytes())?;
    zip.zip.finish().map_err(io)?.flush().map_err(io)?;
    let exported = EvidenceExported {
        requested_by: String::new(),
        package: manifest.package,
        manifest_sha256: merkle::hex(&Sha256::digest(&bytes)),
        from: request.from,
        to: request.to,
        at_size: size,
        segments: manifest.segments.len() as u64,
        payloads: request.payloads,
    };
    Ok((path, exported))
}

struct Archive {
    zip: zip::ZipWriter<BufWriter<File>>,
    files: Vec<PackageFile>,
}

impl Archive {
    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), AssuranceError> {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(bytes.len() >= 1 << 32);
        self.zip.start_file(path, options).map_err(io)?;
        self.zip.write_all(bytes).map_err(io)?;
        let sha256 = merkle::hex(&Sha256::digest(bytes));
        self.files.push(PackageFile { path: path.to_owned(), sha256, len: bytes.len() as u64 });
        Ok(())
    }
}

fn add_entries(zip: &mut Archive, engine: &Engine, size: u64) -> Result<(), AssuranceError> {
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let range = index * TILE_WIDTH..size.min((index + 1) * TILE_WIDTH);
        let width = u16::try_from(range.end - range.start).map_err(io)?;
        let entries = engine.log().entries(range).map_err(io)?;
        let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).map_err(io)?;
        zip.add(&TilePath { kind: TileKind::Entries, index, width }.to_string(), &bundle)?;
    }
    Ok(())
}

/// Which payloads of a segment go into a package.
#[derive(Clone, Copy)]
struct Payloads<'a> {
    wanted: bool,
    /// The file that holds those that are left.
    file: Option<&'a SegmentFile>,
}

fn add_segment<R: Record>(
    zip: &mut Archive,
    engine: &Engine,
    event: u64,
    sealed: &SegmentSealed,
    payloads: Payloads<'_>,
) -> Result<PackageSegment, AssuranceError> {
    let mut listed = PackageSegment {
        node: sealed.node.clone(),
        incarnation: sealed.incarnation,
        number: sealed.number,
        event,
        dir: String::new(),
    };
    listed.dir = listed.expected_dir(R::SCHEMA);
    let dir = &listed.dir;
    let records = engine.data_dir().join("records");
    let parquet = read(&records.join(&sealed.core.path))?;
    let cores: Vec<R> = segment::read_core_bytes(parquet.clone()).map_err(io)?;
    let mut tlv = Vec::with_capacity(cores.len() * 512);
    for core in &cores {
        frame(&core.encode(), &mut tlv)?;
    }
    let leaves = segment::leaves(&cores).concat();
    zip.add(&format!("{dir}/core.parquet"), &parquet)?;
    zip.add(&format!("{dir}/core.tlv"), &tlv)?;
    zip.add(&format!("{dir}/leaves"), &leaves)?;
    if payloads.wanted {
        let rows = match payloads.file {
            Some(file) => {
                // Payloads that go while a package is made go from under it.
                let bytes = read(&records.join(&file.path)).map_err(|error| io(format!("{error}; export again")))?;
                segment::read_payloads_bytes(bytes, |_| true).map_err(io)?
            }
            None => Vec::new(),
        };
        let held: BTreeMap<i64, Vec<u8>> = rows.into_iter().map(|row| (row.node_seq, row.ct)).collect();
        let mut framed = Vec::new();
        for core in &cores {
            frame(held.get(&core.place().1).map_or(&[][..], Vec::as_slice), &mut framed)?;
        }
        zip.add(&format!("{dir}/payload.bin"), &framed)?;
    }
    Ok(listed)
}

fn frame(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AssuranceError> {
    out.extend_from_slice(&u32::try_from(bytes.len()).map_err(io)?.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, AssuranceError> {
    let path: PathBuf = path.to_owned();
    std::fs::read(&path).map_err(|e| AssuranceError::Io(format!("{}: {e}", path.display())))
}
