//! `data_objects`: what lies in the object store and in payload files, and under which key.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::StoredObject;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

/// How the key of a payload file is called: each record has its own.
const PER_RECORD: &str = "per-record";

#[derive(Clone)]
struct Row {
    origin: Origin,
    kind: &'static str,
    class: Option<String>,
    key: Option<String>,
    region: Option<String>,
    source: String,
    at: i64,
    deleted_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct DataObjects {
    rows: BTreeMap<String, Row>,
    /// Regions of data sets, as declared.
    regions: BTreeMap<String, Option<String>>,
}

impl DataObjects {
    fn version(&mut self, leaf: &Leaf<'_>, stored: &StoredObject, dataset: &str, version: &str) {
        let row = Row {
            origin: leaf.origin(),
            kind: "dataset",
            class: Some(stored.class.clone()),
            key: Some(stored.key.clone()),
            region: self.regions.get(dataset).cloned().flatten(),
            source: format!("dataset/{dataset}/{version}"),
            at: leaf.entry.ts,
            deleted_at: None,
        };
        self.rows.insert(stored.object.clone(), row);
    }
}

impl Table for DataObjects {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "data_objects";
    const DOC: &'static str = "Stored objects: versions of data sets, model artifacts, and payload files of sealed segments. Retention is not recorded here yet and stays NULL.";
    const COLUMNS: &'static [Column] = &[
        text(
            "object_id",
            "Identifier of the encrypted object; SHA-256 of an artifact that lies in clear; path of a payload file",
        ),
        text("kind", "`dataset`, `model_artifact` or `inference_payload`"),
        text("classification", "Data class; NULL for an artifact in clear, and for payload files, which hold several"),
        time("classified_at", "Since when it is of that class"),
        text(
            "key_id",
            "Name of the key that it is encrypted under; `per-record` for payload files: each record's own, from the keys of its subject and of its class and day",
        ),
        boolean("encrypted", "Whether it is encrypted"),
        text("region", "Where it is to stay, as declared"),
        text(
            "source_ref",
            "What it is of: `dataset/<name>/<version>`, `model/<name>/<version>`, or `segment/<node>/<incarnation>/<number>`",
        ),
        time("created_at", "When the ledger first spoke of it"),
        text("retention_policy_id", "NULL: not recorded yet"),
        time("expires_at", "NULL: not recorded yet"),
        time("deleted_at", "When its key was destroyed and its file removed"),
        boolean("legal_hold", "NULL: not recorded yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::DatasetDeclared(body) => {
                self.regions.insert(body.dataset.clone(), body.spec.region.clone());
            }
            Event::VersionStored(body) => self.version(leaf, &body.stored, &body.dataset, &body.version),
            Event::VersionRewritten(body) => self.version(leaf, &body.stored, &body.dataset, &body.version),
            Event::ObjectDestroyed(body) => {
                if let Some(row) = self.rows.get_mut(&body.object) {
                    (row.origin, row.deleted_at) = (origin, Some(at));
                }
            }
            Event::ModelRegistered(body) => {
                let enclosed = body.enclosed.as_ref();
                let id = enclosed.map_or(&body.artifact_sha256, |enclosed| &enclosed.object);
                let row = Row {
                    origin,
                    kind: "model_artifact",
                    class: enclosed.map(|enclosed| enclosed.class.clone()),
                    key: enclosed.map(|enclosed| enclosed.key.clone()),
                    region: None,
                    source: format!("model/{}/{}", body.model, body.version),
                    at,
                    deleted_at: None,
                };
                // The same bytes may be several versions; they lie there once.
                self.rows.entry(id.clone()).or_insert(row);
            }
            Event::SegmentSealed(body) => {
                let Some(payload) = &body.payload else { return };
                let row = Row {
                    origin,
                    kind: "inference_payload",
                    class: None,
                    key: Some(PER_RECORD.to_owned()),
                    region: None,
                    source: format!("segment/{}/{}/{}", body.node, body.incarnation, body.number),
                    at,
                    deleted_at: None,
                };
                self.rows.insert(payload.path.clone(), row);
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (object, row) in &self.rows {
            let mut cells = [const { Cell::Null }; 13];
            cells[0] = object.into();
            cells[1] = row.kind.into();
            cells[2] = row.class.as_ref().into();
            cells[3] = row.class.as_ref().map_or(Cell::Null, |_| ms(row.at));
            cells[4] = row.key.as_ref().into();
            cells[5] = row.key.is_some().into();
            cells[6] = row.region.as_ref().into();
            cells[7] = (&row.source).into();
            cells[8] = ms(row.at);
            cells[11] = row.deleted_at.map_or(Cell::Null, ms);
            out.push(row.origin, cells);
        }
    }
}
