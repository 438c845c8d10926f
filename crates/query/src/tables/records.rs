//! Tables of records as they were committed to, straight from the sealed segments: one for each kind.

use domain::Record;
use domain::record::Kind;

use crate::table::{Column, TableInfo, Type, int, text};

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

/// A kind of record that has a table of all its records.
pub(crate) trait RecordTable: Record {
    /// Room, name and meaning of the table.
    const ROOM: &'static str;
    const NAME: &'static str;
    const DOC: &'static str;

    /// The table.
    fn info() -> TableInfo {
        let fields =
            Self::FIELDS.iter().map(|field| Column { name: field.name, kind: kind(field.kind), doc: field.doc });
        TableInfo::filled(Self::ROOM, Self::NAME, Self::DOC, fields.chain(MORE.iter().map(|(column, _)| *column)))
    }

    /// The query that makes it from `raw`, a relation with the columns of the segments' files.
    fn select(raw: &str) -> String {
        let fields = Self::FIELDS.iter().map(|field| (field.name, field.name));
        let more = MORE.iter().map(|(column, expression)| (column.name, *expression));
        select(&Self::info(), fields.chain(more).chain(PROVENANCE.iter().copied()), raw)
    }
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
