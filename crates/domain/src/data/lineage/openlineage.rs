//! OpenLineage events, as pipelines send them: RunEvent, DatasetEvent and JobEvent, of any version of the specification.
//!
//! What the graph needs is read; all else, facets that nobody here knows included, is kept as it was sent by whoever calls
//! this. Nothing is taken on trust: what is missing or of the wrong type is named by its place.

use serde_json::Value;

use super::{
    COLUMN_BYTES, ChecksumOf, ColumnEdge, LineageReported, MAX_COLUMNS, MAX_PORTS, Named, Port, Reported, RunStatus,
};
use crate::keys::retention::day_start;

/// The largest event, in bytes.
pub const MAX_EVENT_BYTES: usize = 8 << 20;

/// The most bytes that are left of an event's names for the columns.
const COLUMNS_BYTES: usize = 24_000;

/// An event that was read. Checksums are as they were sent: they are replaced before anything of this is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What is reported; its ports have no checksums yet.
    pub report: LineageReported,
    /// The checksums of its inputs, then of its outputs, as they were sent.
    pub checksums: Vec<Option<(ChecksumOf, String)>>,
}

/// What is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

fn malformed<T>(why: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(why.into()))
}

/// Reads an event.
///
/// # Errors
/// [`Malformed`], with the place and what is expected there.
pub fn parse(event: &Value) -> Result<Parsed, Malformed> {
    if !event.is_object() {
        return malformed("an event is a JSON object");
    }
    let happened_at = time(event.get("eventTime"))?;
    let kind = match (event.get("run"), event.get("dataset"), event.get("job")) {
        (Some(run), None, _) if !run.is_null() => Reported::Run,
        (_, Some(dataset), _) if !dataset.is_null() => Reported::Dataset,
        (_, _, Some(job)) if !job.is_null() => Reported::Job,
        _ => {
            return malformed(
                "the event has neither `run`, `dataset` nor `job`: send a RunEvent, DatasetEvent or JobEvent",
            );
        }
    };
    let mut reading = Reading::default();
    let mut report = LineageReported {
        kind,
        happened_at,
        run: None,
        parent: None,
        status: None,
        job: None,
        inputs: vec![],
        outputs: vec![],
        columns: vec![],
        columns_left_out: 0,
        sealed: None,
    };
    match kind {
        Reported::Dataset => reading.output(event.get("dataset").unwrap_or(&Value::Null), "dataset")?,
        _ => {
            let job = event.get("job").unwrap_or(&Value::Null);
            report.job = Some(Named { namespace: text(job, "namespace", "job")?, name: text(job, "name", "job")? });
            reading.ports(event)?;
        }
    }
    if kind == Reported::Run {
        let run = event.get("run").unwrap_or(&Value::Null);
        report.run = Some(uuid(run.get("runId"), "run.runId")?);
        report.parent = run.pointer("/facets/parent/run/runId").and_then(|id| uuid(Some(id), "parent").ok());
        report.status = Some(status(event.get("eventType"))?);
    }
    reading.columns()?;
    let Reading { inputs, outputs, edges, left_out, .. } = reading;
    let checksums = inputs.iter().chain(&outputs).map(|(_, checksum)| checksum.clone()).collect();
    report.inputs = inputs.into_iter().map(|(port, _)| port).collect();
    report.outputs = outputs.into_iter().map(|(port, _)| port).collect();
    (report.columns, report.columns_left_out) = (edges, left_out);
    Ok(Parsed { report, checksums })
}

type Read = (Port, Option<(ChecksumOf, String)>);

/// What was read so far.
#[derive(Default)]
struct Reading<'a> {
    inputs: Vec<Read>,
    outputs: Vec<Read>,
    /// The facet of each output that says which columns were made from which.
    lineage: Vec<Option<&'a Value>>,
    edges: Vec<ColumnEdge>,
    left_out: u64,
    bytes: usize,
}

impl<'a> Reading<'a> {
    fn ports(&mut self, event: &'a Value) -> Result<(), Malformed> {
        let (inputs, outputs) = (list(event.get("inputs"), "inputs")?, list(event.get("outputs"), "outputs")?);
        let most = inputs.len().max(outputs.len());
        if most > MAX_PORTS {
            return malformed(format!(
                "the event names {most} data sets, {MAX_PORTS} is the most: report them in several"
            ));
        }
        for (at, dataset) in inputs.iter().enumerate() {
            let read = port(dataset, &format!("inputs[{at}]"))?;
            match self.inputs.iter_mut().find(|(known, _)| same(known, &read.0)) {
                Some((_, checksum)) => *checksum = checksum.take().or(read.1),
                None => self.inputs.push(read),
            }
        }
        for (at, dataset) in outputs.iter().enumerate() {
            self.output(dataset, &format!("outputs[{at}]"))?;
        }
        Ok(())
    }

    fn output(&mut self, dataset: &'a Value, place: &str) -> Result<(), Malformed> {
        let read = port(dataset, place)?;
        let lineage = dataset.pointer("/facets/columnLineage").filter(|facet| facet.is_object());
        self.outputs.push(read);
        self.lineage.push(lineage);
        Ok(())
    }

    /// Reads which columns were made from which. Data sets that only this names were read too: dbt names them nowhere else.
    fn columns(&mut self) -> Result<(), Malformed> {
        for (output, facet) in self.lineage.clone().into_iter().enumerate() {
            let Some(facet) = facet else { continue };
            let output = u32::try_from(output).unwrap_or(u32::MAX);
            let fields = facet.get("fields").and_then(Value::as_object);
            for (column, field) in fields.into_iter().flatten() {
                let place = "columnLineage.fields";
                for from in list(field.get("inputFields"), "columnLineage.fields.inputFields")? {
                    let input = self.read_by_column(from, place)?;
                    let input_column = text(from, "field", place)?;
                    self.edge(ColumnEdge { input, input_column, output, output_column: column.clone() });
                }
            }
            for from in list(facet.get("dataset"), "columnLineage.dataset")? {
                self.read_by_column(from, "columnLineage.dataset")?;
            }
        }
        Ok(())
    }

    fn read_by_column(&mut self, from: &Value, place: &str) -> Result<u32, Malformed> {
        let read = (port(from, place)?.0, None);
        let known = self.inputs.iter().position(|(known, _)| same(known, &read.0));
        let at = known.unwrap_or(self.inputs.len());
        if known.is_none() {
            if self.inputs.len() >= MAX_PORTS {
                return malformed(format!("the event reads more than {MAX_PORTS} data sets: report them in several"));
            }
            self.inputs.push(read);
        }
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Keeps an edge, or counts it when there is no room left for it.
    fn edge(&mut self, edge: ColumnEdge) {
        let bytes = edge.input_column.len().saturating_add(edge.output_column.len()).saturating_add(70);
        let fits = |column: &str| (1..=COLUMN_BYTES).contains(&column.len()) && !column.chars().any(char::is_control);
        let room = self.edges.len() < MAX_COLUMNS && self.bytes.saturating_add(bytes) <= COLUMNS_BYTES;
        if room && fits(&edge.input_column) && fits(&edge.output_column) {
            if !self.edges.contains(&edge) {
                self.bytes = self.bytes.saturating_add(bytes);
                self.edges.push(edge);
            }
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

fn same(one: &Port, other: &Port) -> bool {
    (&one.namespace, &one.name) == (&other.namespace, &other.name)
}

/// A data set, and its checksum: of its bytes by any facet that is called a checksum, else the version that it is.
fn port(dataset: &Value, place: &str) -> Result<Read, Malformed> {
    let (namespace, name) = (text(dataset, "namespace", place)?, text(dataset, "name", place)?);
    let facets = ["facets", "inputFacets", "outputFacets"].into_iter().filter_map(|of| dataset.get(of)?.as_object());
    let mut checksum = None;
    for (key, facet) in facets.flatten() {
        let word = |member: &str| facet.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
        if key == "checksum" || key.ends_with("_checksum") {
            let found = word("checksum").or_else(|| word("value"));
            checksum = found.map(|text| (ChecksumOf::Content, text.to_owned())).or(checksum);
        } else if key == "version" && checksum.is_none() {
            checksum = word("datasetVersion").map(|text| (ChecksumOf::Version, text.to_owned()));
        }
    }
    // Longer ones are none that the vault makes references for.
    let checksum = checksum.filter(|(_, text)| text.len() <= 512);
    Ok((Port { namespace, name, dataset: None, version: None, checksum: None }, checksum))
}

fn list<'a>(value: Option<&'a Value>, place: &str) -> Result<&'a [Value], Malformed> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => malformed(format!("`{place}` is no list")),
    }
}

fn text(of: &Value, member: &str, place: &str) -> Result<String, Malformed> {
    match of.get(member).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => malformed(format!("`{place}.{member}` is missing, or no text")),
    }
}

fn uuid(value: Option<&Value>, place: &str) -> Result<String, Malformed> {
    let text = value.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    match super::run_is_valid(&text) {
        Ok(()) => Ok(text),
        Err(_) => malformed(format!("`{place}` is no UUID")),
    }
}

fn status(value: Option<&Value>) -> Result<RunStatus, Malformed> {
    // It may be left out, by the specification.
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(RunStatus::Other) };
    let word = value.as_str().unwrap_or_default();
    let known = RunStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word));
    known.map_or_else(|| malformed("`eventType` is none of START, RUNNING, COMPLETE, ABORT, FAIL and OTHER"), Ok)
}

/// Milliseconds since the epoch of an instant in the form of RFC 3339, whose zone may be left out: then it is UTC.
fn time(value: Option<&Value>) -> Result<i64, Malformed> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    match instant(text) {
        Some(at) => Ok(at),
        None => malformed("`eventTime` is no instant such as 2026-11-22T19:50:01.604Z"),
    }
}

/// Milliseconds since the epoch of an instant in the form of RFC 3339, in UTC when it names no zone.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (hour, minute) = (number(rest.get(..2)?)?, number(rest.get(3..5)?)?);
    if rest.get(2..3)? != ":" || hour > 23 || minute > 59 {
        return None;
    }
    let mut rest = rest.get(5..)?;
    let mut second = 0;
    if let Some(after) = rest.strip_prefix(':') {
        second = number(after.get(..2)?)?;
        rest = after.get(2..)?;
    }
    let mut millis = 0;
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let fraction = after.get(..digits).filter(|fraction| !fraction.is_empty() && fraction.len() <= 12)?;
        millis = number(format!("{fraction:0<3}").get(..3)?)?;
        rest = after.get(digits..)?;
    }
    let offset = offset(rest)?;
    // A leap second is the last moment of its minute.
    let second = if second == 60 { 59 } else { second };
    if second > 59 {
        return None;
    }
    let day = day_start(date)?;
    Some(day + ((hour * 60 + minute - offset) * 60 + second) * 1000 + millis)
}

/// Minutes that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn number(digits: &str) -> Option<i64> {
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}
