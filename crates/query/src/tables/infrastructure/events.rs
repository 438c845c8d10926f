//! `events`: the ledger itself, entry by entry. Read from the log while a query runs and never held as a whole, because
//! it is as long as the ledger is.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use domain::Entry;

use crate::table::{Cell, Column, Rows, TableInfo, int, ms, text, time};
use crate::{QueryError, Source};

/// Name of the table.
pub(crate) const EVENTS: &str = "events";

const COLUMNS: &[Column] = &[
    text("id", "UUIDv7 of the event"),
    time("ts", "When"),
    text("type", "What kind of event, such as `segment.sealed`"),
    text("actor", "Pseudonym of whoever caused it"),
    text("stream", "The thing that changed, as `kind/name`"),
    int("sv", "Version of that thing after the event: 1 for its first, without gaps"),
    text("body", "What happened, as JSON"),
];

/// Entries that are decoded at a time.
const BATCH: u64 = 1024;

/// The table of all entries.
pub(crate) fn events() -> TableInfo {
    let doc = "Every entry of the ledger up to the chosen size.";
    TableInfo::filled("infrastructure", EVENTS, doc, COLUMNS.iter().copied())
}

/// The first `size` entries of `source` as batches.
pub(crate) struct Entries {
    pub source: Arc<dyn Source>,
    pub size: u64,
    pub schema: SchemaRef,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entries(0..{})", self.size)
    }
}

impl PartitionStream for Entries {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (source, size, schema) = (Arc::clone(&self.source), self.size, Arc::clone(&self.schema));
        let starts = (0..size).step_by(BATCH as usize);
        let batches = starts.map(move |start| {
            batch(&*source, start, size.min(start + BATCH), Arc::clone(&schema))
                .map_err(|error| DataFusionError::External(Box::new(error)))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures_util::stream::iter(batches)))
    }
}

fn batch(source: &dyn Source, start: u64, end: u64, schema: SchemaRef) -> Result<RecordBatch, QueryError> {
    let mut rows = Rows::default();
    let read = source.entries(start..end, &mut |seq, bytes| {
        rows.push_whole(row(seq, bytes)?);
        Ok(())
    });
    read.map_err(QueryError::Source)?;
    rows.into_batch(EVENTS, schema)
}

fn row(seq: u64, bytes: &[u8]) -> Result<Vec<Cell>, String> {
    let entry = Entry::decode(bytes).map_err(|error| format!("entry {seq} cannot be read: {error}"))?;
    let event = serde_json::to_value(&entry.event).map_err(|error| error.to_string())?;
    let body = domain::canonical::to_vec(event.get("body").unwrap_or(&serde_json::Value::Null));
    let body = body.ok().and_then(|json| String::from_utf8(json).ok());
    Ok(vec![
        entry.id.into(),
        ms(entry.ts),
        entry.event.name().into(),
        entry.actor.into(),
        entry.stream.into(),
        entry.sv.into(),
        body.into(),
        seq.into(),
        merkle::hex(&merkle::leaf_hash(bytes)).into(),
    ])
}
