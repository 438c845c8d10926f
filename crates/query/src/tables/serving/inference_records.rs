//! `inference_records`: every inference record as it was committed to, straight from the sealed segments.

use domain::serving::{FIELDS, Kind};

use crate::table::{Column, TableInfo, Type, int, text};

/// Name of the table.
pub(crate) const RECORDS: &str = "inference_records";

/// Columns beside the record's own fields, each with the expression over a segment's columns that makes it.
const MORE: &[(Column, &str)] = &[
    (int("segment", "Number of its segment in the incarnation; NULL while it is unsealed"), "segment"),
    (
        text("segment_id", "`<node>/<incarnation>/<number>` of its segment; NULL while it is unsealed"),
        "node || '/' || CAST(incarnation AS VARCHAR) || '/' || CAST(segment AS VARCHAR)",
    ),
];

/// Provenance: `seq` is the segment's event; the leaf is the record's own, below the segment's root.
const PROVENANCE: &[(&str, &str)] = &[("seq", "seq"), ("leaf_hash", "encode(leaf, 'hex')")];

/// The table of all records.
pub(crate) fn records() -> TableInfo {
    let doc = "Every inference record of the sealed segments, with all of its committed fields; refused calls too. \
               `leaf_hash` is the record's leaf in its segment and `seq` the entry that sealed the segment. Unsealed \
               records are here only when they are asked for.";
    let fields = FIELDS.iter().map(|field| Column { name: field.name, kind: kind(field.kind), doc: field.doc });
    TableInfo::filled("serving", RECORDS, doc, fields.chain(MORE.iter().map(|(column, _)| *column)))
}

/// The query that makes it from `raw`, a relation with the columns of the segments' files.
pub(crate) fn record_select(raw: &str) -> String {
    let fields = FIELDS.iter().map(|field| (field.name, field.name));
    let more = MORE.iter().map(|(column, expression)| (column.name, *expression));
    select(&records(), fields.chain(more).chain(PROVENANCE.iter().copied()), raw)
}

/// A `SELECT` of the expressions, each cast to the type of its column in `table`.
pub(super) fn select<'a>(table: &TableInfo, columns: impl Iterator<Item = (&'a str, &'a str)>, from: &str) -> String {
    let column = |(column, (name, expression)): (&Column, (&str, &str))| {
        debug_assert_eq!(column.name, name);
        format!("arrow_cast({expression}, '{}') AS \"{name}\"", column.kind.arrow())
    };
    let list: Vec<String> = table.columns.iter().zip(columns).map(column).collect();
    format!("SELECT {} FROM {from}", list.join(", "))
}

fn kind(kind: Kind) -> Type {
    match kind {
        Kind::Text => Type::Text,
        Kind::Int => Type::Int,
        Kind::Time => Type::Time,
        Kind::Bytes => Type::Bytes,
    }
}
