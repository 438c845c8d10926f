//! The transaction log of a table, as the Delta protocol has it (reader version 1, writer version 2), written by hand.
//!
//! A commit is one file `_delta_log/<version>.json` with one action on each line, made durable under another name and
//! then moved into place. There is one writer, which holds the lock of the records directory, so a version is never
//! written twice. The log is a convenience for readers: what is proven is in the ledger, not here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use domain::Record;
use domain::record::Field;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::error::RecordError;
use super::segment::{self, SEGMENT_DAY};
use crate::vfs::{Vfs, read_file};

/// Largest commit that is read; ours are a few kilobytes.
const MAX_COMMIT_BYTES: u64 = 16 << 20;

/// Which table: that of the cores of a kind of record, or that of its payloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableKind {
    name: &'static str,
    schema: fn() -> SchemaRef,
    fields: &'static [Field],
    payloads: bool,
}

impl TableKind {
    pub fn cores<R: Record>() -> Self {
        Self { name: R::TABLE, schema: segment::core_schema::<R>, fields: R::FIELDS, payloads: false }
    }

    pub fn payloads<R: Record>() -> Option<Self> {
        let of = |name| Self { name, schema: segment::payload_schema, fields: R::FIELDS, payloads: true };
        R::PAYLOADS.map(of)
    }

    /// Its directory and name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What the names of its files say.
    pub fn suffix(self) -> &'static str {
        if self.payloads { "payload" } else { "core" }
    }
}

/// A file to be added to a table.
#[derive(Clone, Debug)]
pub(super) struct Add<'a> {
    /// Path below the table's directory.
    pub path: &'a str,
    pub day: &'a str,
    pub len: u64,
    pub node: &'a str,
    pub incarnation: u64,
    pub segment: u64,
    pub root: &'a str,
    pub first: u64,
    pub n: u64,
    /// Range of `ts_end` in microseconds.
    pub times: (i64, i64),
}

/// A file to be taken out of a table.
#[derive(Clone, Debug)]
pub(super) struct Remove<'a> {
    /// Path below the table's directory.
    pub path: &'a str,
    pub day: &'a str,
    pub len: u64,
    pub now_ms: i64,
}

/// The file that takes its place.
#[derive(Clone, Debug)]
pub(super) struct Replacement<'a> {
    /// Path below the table's directory.
    pub path: &'a str,
    pub len: u64,
    pub n: u64,
    /// The lowest and highest `node_seq` in it.
    pub range: (i64, i64),
}

/// The log of one table.
pub(super) struct Table {
    vfs: Arc<dyn Vfs>,
    kind: TableKind,
    log_dir: PathBuf,
    staging: PathBuf,
    table_id: String,
    next_version: u64,
    /// What the newest commit added. Only that one can belong to a segment whose seal was not confirmed.
    last_added: Vec<String>,
}

impl Table {
    /// Opens or creates the log of `kind` below `dir`. Commits are written in `staging` first.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        staging: &Path,
        kind: TableKind,
        log_id: &str,
    ) -> Result<Self, RecordError> {
        let log_dir = dir.join(kind.name()).join("_delta_log");
        vfs.create_dir_all(&log_dir).map_err(RecordError::io("create", &log_dir))?;
        // A commit that is there but whose name is not durable yet must not be built upon.
        vfs.sync_dir(&log_dir).map_err(RecordError::io("sync", &log_dir))?;
        let names = vfs.list(&log_dir).map_err(RecordError::io("list", &log_dir))?;
        let versions = names.iter().filter_map(|entry| entry.name.strip_suffix(".json")?.parse::<u64>().ok());
        let newest = versions.max();
        let last_added = match newest {
            Some(version) => added_by(&*vfs, &commit_path(&log_dir, version))?,
            None => Vec::new(),
        };
        let next_version = newest.map_or(0, |version| version + 1);
        let table_id = table_id(log_id, kind);
        Ok(Self { vfs, kind, log_dir, staging: staging.to_owned(), table_id, next_version, last_added })
    }

    /// Which table it is.
    pub fn kind(&self) -> TableKind {
        self.kind
    }

    /// Whether the newest commit added `path`.
    pub fn has(&self, path: &str) -> bool {
        self.last_added.iter().any(|added| added == path)
    }

    /// Commits one added file, durably. After an error the table must be opened again: the commit may have landed.
    pub fn add(&mut self, add: &Add<'_>) -> Result<(), RecordError> {
        let created_ms = add.times.1.div_euclid(1000);
        let mut actions = vec![json!({"commitInfo": {
            "timestamp": created_ms, "operation": "WRITE", "engineInfo": "counterfoil",
            "isBlindAppend": true, "operationParameters": {"mode": "Append"},
        }})];
        if self.next_version == 0 {
            actions.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
            actions.push(self.metadata(created_ms));
        }
        let app_id = format!("counterfoil/{}-{}", add.node, add.incarnation);
        actions.push(json!({"txn": {"appId": app_id, "version": add.segment, "lastUpdated": created_ms}}));
        actions.push(json!({"add": {
            "path": add.path, "partitionValues": {SEGMENT_DAY: add.day}, "size": add.len,
            "modificationTime": created_ms, "dataChange": true, "stats": self.stats(add).to_string(),
            "tags": {"root": add.root, "node": add.node, "incarnation": add.incarnation.to_string(),
                     "segment": add.segment.to_string()},
        }}));
        let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
        self.commit(lines.as_bytes())?;
        self.last_added = vec![add.path.to_owned()];
        Ok(())
    }

    /// Commits that one file takes another's place, or that one is gone, durably. After an error the table must be opened
    /// again: the commit may have landed.
    pub fn replace(&mut self, old: &Remove<'_>, new: Option<&Replacement<'_>>) -> Result<(), RecordError> {
        let mut actions = vec![json!({"commitInfo": {
            "timestamp": old.now_ms, "operation": "DELETE", "engineInfo": "counterfoil", "isBlindAppend": false,
            "operationParameters": {},
        }})];
        if !self.kind.payloads {
            // Tables that were begun when records never went say so, and nothing is removed from such a one.
            actions.push(self.metadata(old.now_ms));
        }
        actions.push(json!({"remove": {
            "path": old.path, "deletionTimestamp": old.now_ms, "dataChange": true, "extendedFileMetadata": true,
            "partitionValues": {SEGMENT_DAY: old.day}, "size": old.len,
        }}));
        actions.extend(new.map(|new| {
            let stats = json!({"numRecords": new.n, "minValues": {"node_seq": new.range.0},
                "maxValues": {"node_seq": new.range.1}, "nullCount": {"node_seq": 0}});
            json!({"add": {
                "path": new.path, "partitionValues": {SEGMENT_DAY: old.day}, "size": new.len,
                "modificationTime": old.now_ms, "dataChange": true, "stats": stats.to_string(),
            }})
        }));
        let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
        self.commit(lines.as_bytes())?;
        self.last_added = new.map(|new| new.path.to_owned()).into_iter().collect();
        Ok(())
    }

    fn metadata(&self, created_ms: i64) -> Value {
        json!({"metaData": {
            "id": self.table_id, "name": self.kind.name(),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema_string(self.kind),
            "partitionColumns": [SEGMENT_DAY], "configuration": {},
            "createdTime": created_ms,
        }})
    }

    fn stats(&self, add: &Add<'_>) -> Value {
        let last = add.first + add.n.saturating_sub(1);
        let mut min = Map::from_iter([("node_seq".to_owned(), json!(add.first))]);
        let mut max = Map::from_iter([("node_seq".to_owned(), json!(last))]);
        if !self.kind.payloads {
            // Readers may keep milliseconds only, so the bounds are rounded away from each other.
            min.insert("ts_end".into(), json!(rfc3339_ms(add.times.0.div_euclid(1000))));
            max.insert("ts_end".into(), json!(rfc3339_ms(-(-add.times.1).div_euclid(1000))));
        }
        json!({"numRecords": add.n, "minValues": min, "maxValues": max, "nullCount": {"node_seq": 0}})
    }

    fn commit(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        let target = commit_path(&self.log_dir, self.next_version);
        if self.vfs.exists(&target).map_err(RecordError::io("look for", &target))? {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(RecordError::Io { action: "create", path: target, source });
        }
        let staged = self.staging.join(format!("{}.json", self.kind.name()));
        let write = || -> io::Result<()> {
            let file = self.vfs.create(&staged)?;
            file.write_at(bytes, 0)?;
            file.sync_data()
        };
        write().map_err(RecordError::io("write", &staged))?;
        publish(&*self.vfs, &staged, &target)?;
        self.next_version += 1;
        Ok(())
    }
}

/// Moves a synced file to its final name, read-only, and makes the name durable.
pub(super) fn publish(vfs: &dyn Vfs, staged: &Path, target: &Path) -> Result<(), RecordError> {
    vfs.set_read_only(staged).map_err(RecordError::io("protect", staged))?;
    vfs.rename(staged, target).map_err(RecordError::io("rename", staged))?;
    let dir = crate::vfs::parent(target);
    vfs.sync_dir(dir).map_err(RecordError::io("sync", dir))
}

fn commit_path(log_dir: &Path, version: u64) -> PathBuf {
    log_dir.join(format!("{version:020}.json"))
}

fn added_by(vfs: &dyn Vfs, path: &Path) -> Result<Vec<String>, RecordError> {
    let bytes = read_file(vfs, path, MAX_COMMIT_BYTES).map_err(RecordError::io("read", path))?.unwrap_or_default();
    let mut added = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: Value = serde_json::from_slice(line).map_err(|error| RecordError::Inconsistent {
            what: format!("`{}` is not a commit of a table: {error}", path.display()),
        })?;
        added.extend(action.pointer("/add/path").and_then(Value::as_str).map(str::to_owned));
    }
    Ok(added)
}

/// A version 8 UUID, the same every time for one table of one log.
fn table_id(log_id: &str, kind: TableKind) -> String {
    let hash = Sha256::digest(format!("counterfoil table\n{log_id}\n{}", kind.name()));
    let mut id = [0_u8; 16];
    id.copy_from_slice(&hash[..16]);
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex = merkle::hex(&id);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn schema_string(table: TableKind) -> String {
    let schema = (table.schema)();
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Int64 => "long",
            DataType::Timestamp(..) => "timestamp",
            DataType::Binary => "binary",
            _ => "string",
        };
        let comment = table.fields.iter().find(|known| known.name == field.name());
        let metadata = comment.map_or_else(|| json!({}), |known| json!({"comment": known.doc}));
        json!({"name": field.name(), "type": kind, "nullable": field.is_nullable(), "metadata": metadata})
    });
    json!({"type": "struct", "fields": fields.collect::<Vec<_>>()}).to_string()
}

fn rfc3339_ms(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
