//! Tables filled with rows that somebody wrote down, instead of with a ledger: how the test of a control is tested.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::json::ReaderBuilder;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::{Map, Value};

use crate::database::Limits;
use crate::{QueryError, Session, tables};

/// A session in which every table has exactly the rows given for it. Columns that a row does not name are NULL.
///
/// # Errors
/// [`QueryError::NoTable`] for a table that does not exist, [`QueryError::Sql`] for a row that does not fit it.
pub fn sample(rows: impl IntoIterator<Item = (String, Map<String, Value>)>) -> Result<Session, QueryError> {
    let mut by_table: BTreeMap<String, Vec<Map<String, Value>>> = BTreeMap::new();
    for (table, row) in rows {
        by_table.entry(table).or_default().push(row);
    }
    let schema = Arc::new(MemorySchemaProvider::new());
    for info in tables() {
        let rows = by_table.remove(info.name).unwrap_or_default();
        check_columns(info.name, &info.columns.iter().map(|c| c.name).collect::<Vec<_>>(), &rows)?;
        let unfit = |error: &dyn std::fmt::Display| QueryError::Sql(format!("a row of table `{}`: {error}", info.name));
        let mut decoder = ReaderBuilder::new(info.schema()).build_decoder().map_err(|e| unfit(&e))?;
        decoder.serialize(&rows).map_err(|e| unfit(&e))?;
        let batches = decoder.flush().map_err(|e| unfit(&e))?.into_iter().collect();
        let table = MemTable::try_new(info.schema(), vec![batches]).map_err(|e| unfit(&e))?;
        schema.register_table(info.name.to_owned(), Arc::new(table)).map_err(|e| unfit(&e))?;
    }
    if let Some(unknown) = by_table.into_keys().next() {
        return Err(QueryError::NoTable(unknown));
    }
    let config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema("counterfoil", "ledger");
    let context = SessionContext::new_with_config(config);
    let catalog = Arc::new(MemoryCatalogProvider::new());
    let internal = |e: datafusion::error::DataFusionError| QueryError::Internal(e.to_string());
    catalog.register_schema("ledger", schema).map_err(internal)?;
    context.register_catalog("counterfoil", catalog);
    Ok(Session::over(context, Limits::default()))
}

fn check_columns(table: &str, columns: &[&str], rows: &[Map<String, Value>]) -> Result<(), QueryError> {
    let unknown = rows.iter().flat_map(Map::keys).find(|name| !columns.contains(&name.as_str()));
    match unknown {
        Some(name) => Err(QueryError::Sql(format!("table `{table}` has no column `{name}`"))),
        None => Ok(()),
    }
}
