//! Proofs of one event and of one record, as text that anybody can verify.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentSealed};
use domain::{Entry, Event, Record};
use engine::Engine;
use ledger::records::segment;
use merkle::inclusion_proof_of;
use query::{At, Database};
use verify::{EventProof, RecordProof, ReviewListProof};

use crate::AssuranceError;

/// The proof that event `seq` is in the ledger, under a checkpoint published for it if need be. Blocks.
///
/// # Errors
/// When there is no such event.
pub fn event_proof(engine: &Engine, seq: u64) -> Result<EventProof, AssuranceError> {
    let missing = |e: ledger::log::LogError| AssuranceError::NotFound(e.to_string());
    let entry = engine.log().entry(seq).map_err(missing)?;
    engine.log().publish().map_err(|e| AssuranceError::Io(e.to_string()))?;
    let log = engine.log().tlog_proof(seq).map_err(missing)?;
    Ok(EventProof { entry, log })
}

/// The proof that an inference's record is in its segment and the segment in the ledger.
///
/// # Errors
/// When there is no such record, or its segment is not sealed yet.
pub async fn record_proof(
    engine: &Arc<Engine>,
    database: &Database,
    inference: &str,
) -> Result<RecordProof, AssuranceError> {
    proof_of::<InferenceCore>(engine, database, inference, "inference_records").await
}

/// The proof that the record of an access is in its segment and the segment in the ledger.
///
/// # Errors
/// As [`record_proof`].
pub async fn access_proof(
    engine: &Arc<Engine>,
    database: &Database,
    access: &str,
) -> Result<RecordProof, AssuranceError> {
    proof_of::<AccessCore>(engine, database, access, "access_records").await
}

/// The list of a completed review with the proof that the ledger commits to it. Blocks.
///
/// # Errors
/// When there is no such review, or it is not complete.
pub fn review_list(engine: &Engine, review: &str) -> Result<ReviewListProof, AssuranceError> {
    let list = engine.review_list(review).map_err(|refusal| AssuranceError::NotFound(refusal.message))?;
    let mut found = None;
    let each = &mut |seq: u64, bytes: &[u8]| {
        if let Ok(entry) = Entry::decode(bytes)
            && matches!(&entry.event, Event::ReviewCompleted(body) if body.review == review)
        {
            found = Some(seq);
        }
    };
    engine.log().for_each_entry(0..engine.log().size(), each).map_err(|e| AssuranceError::Io(e.to_string()))?;
    let missing = || AssuranceError::NotFound(format!("review `{review}` has no event that completed it"));
    let EventProof { entry, log } = event_proof(engine, found.ok_or_else(missing)?)?;
    Ok(ReviewListProof { list: list.to_json(), entry, log })
}

async fn proof_of<R: Record>(
    engine: &Arc<Engine>,
    database: &Database,
    name: &str,
    table: &str,
) -> Result<RecordProof, AssuranceError> {
    let noun = R::NOUN;
    let id = uuid::Uuid::parse_str(name)
        .map_err(|_| AssuranceError::NotFound(format!("`{name}` is not the identifier of an {noun}")))?;
    let query =
        format!("select node, incarnation, segment, node_seq from {table} where {noun}_id = '{}'", id.as_hyphenated());
    let rows = database.at(At::Latest { tail: false }).await?.sql(&query, None).await?.rows()?;
    let Some(row) = rows.first() else {
        let engine = Arc::clone(engine);
        let gone = tokio::task::spawn_blocking(move || gone_by(&engine, R::SCHEMA, id));
        if let Some(gone) = gone.await.map_err(|e| AssuranceError::Io(e.to_string()))?? {
            let (n, day) = (gone.segments, &gone.day);
            return Err(AssuranceError::Gone(format!(
                "there is no record of {noun} `{name}` any more, if there was one: by its identifier it is of {day}, and the \
                 records of {n} segments of that time were disposed of by rule `{}` (event {}); what was sealed of them is \
                 in the ledger",
                gone.rule, gone.event
            )));
        }
        let hint = "it does not exist, or its segment is not sealed yet: see `counterfoil records seal`";
        return Err(AssuranceError::NotFound(format!("no sealed record of {noun} `{name}`: {hint}")));
    };
    let number = |name: &str| row.get(name).and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
    let node = row.get("node").and_then(serde_json::Value::as_str).unwrap_or_default();
    let place = (node.to_owned(), number("incarnation"), number("segment"), number("node_seq"));
    let engine = Arc::clone(engine);
    let prove = move || prove::<R>(&engine, &place.0, place.1, place.2, place.3);
    tokio::task::spawn_blocking(prove).await.map_err(|e| AssuranceError::Io(e.to_string()))?
}

/// Segments that were of the time of a record, and whose records went.
struct GoneBy {
    rule: String,
    event: u64,
    segments: usize,
    day: String,
}

/// How long after its identifier was made a record may end, in milliseconds.
const LONGEST_CALL_MS: i64 = 24 * 60 * 60 * 1000;

/// What went of the time that an identifier names. Which records a segment had is not known without them. Reads the whole
/// ledger. Blocks.
fn gone_by(engine: &Engine, schema: u32, id: uuid::Uuid) -> Result<Option<GoneBy>, AssuranceError> {
    let Some(made) = id.get_timestamp() else { return Ok(None) };
    let (seconds, nanos) = made.to_unix();
    let at =
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000));
    let mut sealed: BTreeSet<String> = BTreeSet::new();
    let mut rules: BTreeMap<String, String> = BTreeMap::new();
    let mut found: Option<GoneBy> = None;
    let mut each = |seq: u64, bytes: &[u8]| {
        let Ok(entry) = Entry::decode(bytes) else { return };
        match entry.event {
            Event::RetentionDisposing(body) => {
                rules.insert(body.disposal, body.rule);
            }
            Event::SegmentsDisposed(body) => {
                let of_then = body.segments.iter().filter(|segment| sealed.contains(&segment.core.path)).count();
                if of_then > 0 {
                    let rule = rules.get(&body.disposal).cloned().unwrap_or_default();
                    let gone =
                        found.get_or_insert_with(|| GoneBy { rule, event: seq, segments: 0, day: query::day_of(at) });
                    gone.segments += of_then;
                }
            }
            event => {
                let of_then = |sealed: &SegmentSealed| {
                    sealed.t1.div_euclid(1000) >= at && sealed.t0.div_euclid(1000) <= at.saturating_add(LONGEST_CALL_MS)
                };
                if let Some((_, body)) = event.sealed().filter(|(kind, body)| *kind == schema && of_then(body)) {
                    sealed.insert(body.core.path.clone());
                }
            }
        }
    };
    engine.log().for_each_entry(0..engine.log().size(), &mut each).map_err(|e| AssuranceError::Io(e.to_string()))?;
    Ok(found)
}

fn prove<R: Record>(
    engine: &Engine,
    node: &str,
    incarnation: u64,
    number: u64,
    node_seq: u64,
) -> Result<RecordProof, AssuranceError> {
    let (seq, event, sealed) = sealing_event(engine, R::SCHEMA, node, incarnation, number)?;
    let path = engine.data_dir().join("records").join(&sealed.core.path);
    let cores: Vec<R> = segment::read_core(&path).map_err(|e| AssuranceError::Io(e.to_string()))?;
    let index = node_seq.wrapping_sub(sealed.first);
    let core = usize::try_from(index).ok().and_then(|index| cores.get(index));
    let core = core.ok_or_else(|| AssuranceError::Io(format!("segment {number} does not hold record {node_seq}")))?;
    let hashes = inclusion_proof_of(&segment::leaves(&cores), index).map_err(|e| AssuranceError::Io(e.to_string()))?;
    engine.log().publish().map_err(|e| AssuranceError::Io(e.to_string()))?;
    let log = engine.log().tlog_proof(seq).map_err(|e| AssuranceError::Io(e.to_string()))?;
    let (commitments, disclosures) = (vec![], vec![]);
    Ok(RecordProof { schema: R::SCHEMA, record: core.encode(), index, hashes, event, commitments, disclosures, log })
}

/// The event that sealed a segment: its number, its bytes and what it says. Found from the end, where most are asked.
fn sealing_event(
    engine: &Engine,
    schema: u32,
    node: &str,
    incarnation: u64,
    number: u64,
) -> Result<(u64, Vec<u8>, SegmentSealed), AssuranceError> {
    let mut end = engine.log().size();
    while end > 0 {
        let start = end.saturating_sub(4096);
        let mut found = None;
        let each = &mut |seq: u64, bytes: &[u8]| {
            if let Ok(entry) = Entry::decode(bytes)
                && let Some((_, sealed)) = entry.event.sealed().filter(|(kind, _)| *kind == schema)
                && (sealed.node.as_str(), sealed.incarnation, sealed.number) == (node, incarnation, number)
            {
                found = Some((seq, bytes.to_vec(), sealed.clone()));
            }
        };
        engine.log().for_each_entry(start..end, each).map_err(|e| AssuranceError::Io(e.to_string()))?;
        if let Some(found) = found {
            return Ok(found);
        }
        end = start;
    }
    Err(AssuranceError::NotFound(format!("segment {number} of node `{node}` has no sealing event")))
}
