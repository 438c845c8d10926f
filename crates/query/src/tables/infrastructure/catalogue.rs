//! `tables`: what can be asked, so that a user can find out by asking.

use crate::table::{Cell, Column, Filled, Rows, TableInfo, boolean, text};

/// Name of the table.
pub(crate) const LIST: &str = "tables";

const COLUMNS: &[Column] = &[
    text("name", "Name of the table"),
    text("room", "The subject that it belongs to"),
    text("table_doc", "What its rows are"),
    text("column_name", "Name of a column"),
    text("column_type", "Its SQL type"),
    text("column_doc", "What it means"),
    boolean("filled", "Whether this build fills the table"),
    text("area", "What has to be built first, when it does not"),
];

/// The table of all tables.
pub(crate) fn list() -> TableInfo {
    let doc = "Every column of every table. Not a fold: the same for every ledger, so `seq` and `leaf_hash` are NULL.";
    TableInfo::filled("infrastructure", LIST, doc, COLUMNS.iter().copied())
}

/// Its rows, one for each column of each of `tables`.
pub(crate) fn list_rows(tables: &[TableInfo], out: &mut Rows) {
    for table in tables {
        let area = match table.filled {
            Filled::Yes => Cell::Null,
            Filled::NotYet { area } => area.into(),
        };
        for column in &table.columns {
            let cells = [
                table.name.into(),
                table.room.into(),
                table.doc.into(),
                column.name.into(),
                column.kind.sql().into(),
                column.doc.into(),
                (table.filled == Filled::Yes).into(),
                area.clone(),
            ];
            out.push_constant(cells);
        }
    }
}
