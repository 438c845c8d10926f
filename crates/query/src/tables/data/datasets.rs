//! `datasets` and `dataset_purposes`: versions of data sets, and what each data set may be read for.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::{Content, DatasetSpec};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Declared {
    origin: Origin,
    spec: DatasetSpec,
    retired_at: Option<i64>,
}

#[derive(Clone)]
struct Stored {
    origin: Origin,
    at: i64,
    by: String,
    object: String,
    class: String,
    bytes: u64,
    content: Option<Content>,
    rows_removed: u64,
    ended_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Datasets {
    declared: BTreeMap<String, Declared>,
    versions: BTreeMap<(String, String), Stored>,
}

impl Table for Datasets {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "datasets";
    const DOC: &'static str = "Versions of data sets. What is declared of a data set is shown as it stands. A data set without versions has no row.";
    const COLUMNS: &'static [Column] = &[
        text("dataset_id", "Name of the data set"),
        text("version", "Name of the version, never used twice"),
        text("owner_id", "Who answers for the data set, by pseudonym"),
        text("licence", "The licence or agreement, by reference"),
        text("lawful_basis", "Why data about people may be processed, such as `contract`"),
        text("approved_by", "NULL: there is no approval of versions yet"),
        time("approved_at", "NULL: there is no approval of versions yet"),
        time("created_at", "When the version was stored"),
        text("created_by", "Who stored it"),
        text("classification", "The data class that it is encrypted as"),
        text("source_ref", "Where the data set comes from, by reference"),
        text("region", "Where it is to stay, as declared"),
        text("object_id", "The object that it lies in, as in `data_objects`; the last one when it is no more"),
        int("bytes", "Bytes of what is in it"),
        text("form", "How its rows are written, as it was read when it came in; NULL when nobody looked"),
        int("row_count", "How many rows it has"),
        int("column_count", "How many columns"),
        text(
            "content_digest",
            "Keyed digest of its bytes: equal where versions of one data set came in with the same; NULL once rows were taken out",
        ),
        text("schema_digest", "Keyed digest of the names and types of its columns"),
        int("rows_removed", "Rows that it has no more, because people were forgotten"),
        time("ended_at", "When it was decided that it goes"),
        time("retired_at", "Since when nothing more is stored in the data set"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::DatasetDeclared(body) => {
                let declared = Declared { origin, spec: body.spec.clone(), retired_at: None };
                self.declared.insert(body.dataset.clone(), declared);
            }
            Event::DatasetRetired(body) => {
                if let Some(declared) = self.declared.get_mut(&body.dataset) {
                    (declared.origin, declared.retired_at) = (origin, Some(at));
                }
            }
            Event::VersionStored(body) => {
                let stored = Stored {
                    origin,
                    at,
                    by: leaf.entry.actor.clone(),
                    object: body.stored.object.clone(),
                    class: body.stored.class.clone(),
                    bytes: body.stored.bytes,
                    content: None,
                    rows_removed: 0,
                    ended_at: None,
                };
                self.versions.insert((body.dataset.clone(), body.version.clone()), stored);
            }
            Event::VersionDescribed(body) => {
                if let Some(version) = self.versions.get_mut(&(body.dataset.clone(), body.version.clone())) {
                    (version.origin, version.content) = (origin, Some(body.content.clone()));
                }
            }
            Event::VersionRewritten(body) => {
                if let Some(version) = self.versions.get_mut(&(body.dataset.clone(), body.version.clone())) {
                    version.origin = origin;
                    (version.object, version.bytes) = (body.stored.object.clone(), body.stored.bytes);
                    version.content = version.content.as_ref().map(|content| content.without(body.rows_removed));
                    version.rows_removed = version.rows_removed.saturating_add(body.rows_removed);
                }
            }
            Event::VersionEnded(body) => {
                if let Some(version) = self.versions.get_mut(&(body.dataset.clone(), body.version.clone())) {
                    (version.origin, version.ended_at) = (origin, Some(at));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for ((dataset, version), stored) in &self.versions {
            let Some(declared) = self.declared.get(dataset) else { continue };
            let spec = &declared.spec;
            let origin = if declared.origin.seq > stored.origin.seq { declared.origin } else { stored.origin };
            let content = stored.content.as_ref();
            let cells = [
                dataset.into(),
                version.into(),
                (&spec.owner).into(),
                (&spec.licence).into(),
                spec.lawful_basis.map(|basis| basis.as_str()).into(),
                Cell::Null,
                Cell::Null,
                ms(stored.at),
                (&stored.by).into(),
                (&stored.class).into(),
                (&spec.source).into(),
                spec.region.as_ref().into(),
                (&stored.object).into(),
                stored.bytes.into(),
                content.map(|content| content.form.as_str()).into(),
                content.map(|content| content.rows).into(),
                content.map(|content| content.width).into(),
                content.and_then(|content| content.digest.as_deref()).into(),
                content.map(|content| content.schema.as_str()).into(),
                stored.rows_removed.into(),
                stored.ended_at.map_or(Cell::Null, ms),
                declared.retired_at.map_or(Cell::Null, ms),
            ];
            out.push(origin, cells);
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct DatasetPurposes(BTreeMap<String, (Origin, DatasetSpec)>);

impl Table for DatasetPurposes {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "dataset_purposes";
    const DOC: &'static str = "What each data set may be read for, as it is declared now.";
    const COLUMNS: &'static [Column] = &[
        text("dataset_id", "Name of the data set"),
        text("purpose_id", "A purpose of the declared vocabulary, as in `access_events`"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::DatasetDeclared(body) = &leaf.entry.event {
            self.0.insert(body.dataset.clone(), (leaf.origin(), body.spec.clone()));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (dataset, (origin, spec)) in &self.0 {
            for purpose in &spec.purposes {
                out.push(*origin, [dataset.into(), purpose.as_str().into()]);
            }
        }
    }
}
