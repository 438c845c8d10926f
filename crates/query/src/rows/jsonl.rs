//! A JSON object a line. A column has one kind of value: text, numbers, truth values, or objects and arrays, which queries see
//! as JSON text. A member that is left out is NULL.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::csv::{batch, schema};
use super::kind::{Kind, integer};
use super::read::{BATCH_ROWS, Batches, Group, MAX_COLUMNS, malformed, names_are_good, recovered};
use super::text::{BATCH_BYTES, Building, GROUP_ROWS, Guard, Seen};
use super::{RangeRead, RowsError};

/// A version of this form.
pub(super) struct Jsonl {
    bytes: Arc<dyn RangeRead>,
    schema: SchemaRef,
    kinds: Vec<Kind>,
    rows: u64,
    groups: Vec<Group>,
}

/// Lines with something in them.
struct Lines {
    from: BufReader<Guard>,
    line: Vec<u8>,
    number: u64,
    read: u64,
}

impl Lines {
    fn new(bytes: &Arc<dyn RangeRead>, looks: bool) -> Self {
        let from = BufReader::with_capacity(1 << 20, Guard::new(bytes, looks));
        Self { from, line: Vec::new(), number: 0, read: 0 }
    }

    fn next(&mut self) -> Result<Option<(&str, u64)>, RowsError> {
        loop {
            self.line.clear();
            let read = self.from.read_until(b'\n', &mut self.line).map_err(recovered)?;
            if read == 0 {
                return Ok(None);
            }
            self.from.get_mut().row_ended();
            self.number += 1;
            self.read += read as u64;
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let number = self.number;
        let text = std::str::from_utf8(&self.line);
        let text = text.or_else(|_| malformed(format!("line {number}: no UTF-8: write the text as UTF-8")))?;
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        Ok(Some((text.trim_end(), number)))
    }
}

/// The members of an object, their values as they are written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or_default().min(64));
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each)
    }
}

fn members(text: &str, line: u64) -> Result<Members<'_>, RowsError> {
    serde_json::from_str(text).or_else(|error| {
        // The error's own text may repeat what is written there.
        malformed(format!("line {line}, column {}: this is no JSON object", error.column()))
    })
}

/// The kind of a value and its text. The kind is `Err` of nothing for a time that there is none of.
type Read<'a> = (Result<Kind, ()>, std::borrow::Cow<'a, str>);

/// A value; `None` for null.
fn value(raw: &RawValue, line: u64) -> Result<Option<Read<'_>>, RowsError> {
    let written = raw.get();
    match written.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => {
            // Without escapes, the text is what is between the quotes.
            let text = match written.get(1..written.len() - 1).filter(|text| !text.contains('\\')) {
                Some(plain) => std::borrow::Cow::Borrowed(plain),
                None => serde_json::from_str::<String>(written)
                    .map(Into::into)
                    .or_else(|_| malformed(format!("line {line}: text with an escape that stands for no character")))?,
            };
            if text.contains('\0') {
                return malformed(format!("line {line}: text with a NUL"));
            }
            Ok(Some((Kind::of_text(&text), text)))
        }
        Some(b't' | b'f') => Ok(Some((Ok(Kind::Boolean), written.into()))),
        Some(b'{' | b'[') => Ok(Some((Ok(Kind::Json), written.into()))),
        _ if integer(written).is_some() => Ok(Some((Ok(Kind::Integer), written.into()))),
        _ if written.parse().is_ok_and(f64::is_finite) => Ok(Some((Ok(Kind::Number), written.into()))),
        _ => malformed(format!("line {line}: a number that is out of range")),
    }
}

/// Whether two kinds of value are never in one column.
fn differ(one: Kind, other: Kind) -> bool {
    let family = |kind| match kind {
        Kind::Unknown => 0,
        Kind::Boolean => 1,
        Kind::Integer | Kind::Number => 2,
        Kind::Date | Kind::Timestamp | Kind::Text => 3,
        Kind::Json => 4,
    };
    one != Kind::Unknown && other != Kind::Unknown && family(one) != family(other)
}

impl Jsonl {
    /// Reads all of it, to know its columns.
    pub(super) fn open(bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        let mut lines = Lines::new(&bytes, true);
        let mut places: HashMap<String, usize> = HashMap::new();
        let (mut names, mut seen): (Vec<String>, Vec<Seen>) = (Vec::new(), Vec::new());
        let (mut in_line, mut rows, mut groups, mut from) = (Vec::<u64>::new(), 0, Vec::new(), 0);
        while let Some((text, line)) = lines.next()? {
            for (name, raw) in members(text, line)?.0 {
                let at = match places.get(&name) {
                    Some(at) => *at,
                    None if names.len() == MAX_COLUMNS => {
                        return malformed(format!("line {line}: there are more than {MAX_COLUMNS} members"));
                    }
                    None => {
                        names_are_good(&format!("line {line}"), std::iter::once(name.as_str()))?;
                        places.insert(name.clone(), names.len());
                        names.push(name);
                        seen.push(Seen::NOTHING);
                        in_line.push(0);
                        names.len() - 1
                    }
                };
                if std::mem::replace(&mut in_line[at], line) == line {
                    return malformed(format!("line {line}: member `{}` comes twice", names[at]));
                }
                if let Some((kind, _)) = value(raw, line)? {
                    see(&mut seen[at], kind, &names[at], line)?;
                }
            }
            rows += 1;
            if rows % GROUP_ROWS == 0 {
                groups.push(Group { from, to: lines.read });
                from = lines.read;
            }
        }
        if names.is_empty() {
            return malformed("line 1: there are no members");
        }
        if rows % GROUP_ROWS != 0 {
            groups.push(Group { from, to: bytes.len() });
        }
        let kinds = names.iter().zip(&seen).map(|(name, seen)| seen.settle(name)).collect::<Result<Vec<_>, _>>()?;
        let schema = schema(names.iter().map(String::as_str), &kinds);
        Ok(Self { bytes, schema, kinds, rows, groups })
    }

    /// The same of columns that are known. Rows and groups are not.
    pub(super) fn known(bytes: Arc<dyn RangeRead>, columns: &[(String, Kind)]) -> Self {
        let kinds: Vec<Kind> = columns.iter().map(|(_, kind)| *kind).collect();
        let schema = schema(columns.iter().map(|(name, _)| name.as_str()), &kinds);
        Self { bytes, schema, kinds, rows: 0, groups: vec![] }
    }

    pub(super) fn survey(&self) -> (u64, Vec<Group>) {
        (self.rows, self.groups.clone())
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn words(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.word()).collect()
    }

    pub(super) fn batches(&self, projection: &[usize]) -> Result<Batches, RowsError> {
        let schema =
            Arc::new(self.schema.project(projection).map_err(|error| RowsError::Malformed(error.to_string()))?);
        let places = projection.iter().enumerate().map(|(place, at)| (self.schema.field(*at).name().clone(), place));
        let (building, places) =
            (projection.iter().map(|at| Building::new(self.kinds[*at])).collect(), places.collect());
        let lines = Lines::new(&self.bytes, false);
        Ok(Box::new(Batching { lines, schema, places, building, ended: false }))
    }
}

fn see(seen: &mut Seen, kind: Result<Kind, ()>, name: &str, line: u64) -> Result<(), RowsError> {
    // A time that there is none of is text in the end, if not all else are times.
    let as_text = kind.unwrap_or(Kind::Text);
    if differ(seen.kind, as_text) {
        let (was, is) = (seen.kind.word(), as_text.word());
        return malformed(format!("line {line}: member `{name}` was {was} in the lines before and is {is} here"));
    }
    match kind {
        Ok(kind) => seen.kind = seen.kind.and(kind),
        Err(()) => seen.impossible = seen.impossible.or(Some(line)),
    }
    Ok(())
}

struct Batching {
    lines: Lines,
    schema: SchemaRef,
    /// Where each member goes.
    places: HashMap<String, usize>,
    building: Vec<Building>,
    ended: bool,
}

impl Batching {
    fn fill(&mut self) -> Result<Option<RecordBatch>, RowsError> {
        let (mut rows, mut bytes) = (0, 0);
        let mut values = Vec::new();
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some((text, line)) = self.lines.next()? else { break };
            bytes += text.len();
            values.clear();
            values.resize(self.building.len(), None);
            for (name, raw) in members(text, line)?.0 {
                if let Some(place) = self.places.get(&name) {
                    values[*place] = value(raw, line)?.map(|(_, text)| text.into_owned());
                }
            }
            for (building, value) in self.building.iter_mut().zip(&values) {
                if !building.push(value.as_deref()) {
                    return malformed(format!("line {line}: a member is of another type than before"));
                }
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        batch(&self.schema, &mut self.building, rows).map(Some)
    }
}

impl Iterator for Batching {
    type Item = Result<RecordBatch, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let made = self.fill().transpose();
        self.ended = !matches!(made, Some(Ok(_)));
        made
    }
}
