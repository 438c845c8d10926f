//! The schema that SQL sees: every table of the list, made when a query names it and not before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result};

use crate::fold::Fold;
use crate::table::{Filled, TableInfo};
use crate::tables::{self, EVENTS, Entries};
use crate::{QueryError, Source};

/// The tables at one size.
pub(crate) struct LedgerSchema {
    source: Arc<dyn Source>,
    fold: Arc<Fold>,
    /// Tables that a query has named, and those that queries define.
    made: Mutex<HashMap<&'static str, Arc<dyn TableProvider>>>,
}

impl fmt::Debug for LedgerSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerSchema({})", self.fold.size)
    }
}

impl LedgerSchema {
    pub fn new(source: Arc<dyn Source>, fold: Arc<Fold>) -> Self {
        Self { source, fold, made: Mutex::new(HashMap::new()) }
    }

    /// Adds a table that a query defines.
    pub fn define(&self, name: &'static str, view: Arc<dyn TableProvider>) {
        self.made().insert(name, view);
    }

    fn made(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<dyn TableProvider>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, info: &TableInfo) -> Result<Arc<dyn TableProvider>, QueryError> {
        let schema = info.schema();
        let engine = |error: DataFusionError| QueryError::Internal(format!("table `{}`: {error}", info.name));
        match (info.name, info.filled) {
            (_, Filled::NotYet { .. }) => Ok(Arc::new(EmptyTable::new(schema))),
            (EVENTS, _) => {
                let (source, size) = (Arc::clone(&self.source), self.fold.size);
                let entries = Entries { source, size, schema: Arc::clone(&schema) };
                Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(entries)]).map_err(engine)?))
            }
            (name, _) => {
                let rows = self.fold.tables.rows(name, &self.fold.moment());
                let rows = rows.ok_or_else(|| QueryError::NoTable(name.to_owned()))?;
                let batch = rows.into_batch(name, Arc::clone(&schema))?;
                Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).map_err(engine)?))
            }
        }
    }
}

#[async_trait]
impl SchemaProvider for LedgerSchema {
    fn table_names(&self) -> Vec<String> {
        tables::tables().iter().map(|table| table.name.to_owned()).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        tables::find(name).is_some()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(info) = tables::find(name) else { return Ok(None) };
        let mut made = self.made();
        if let Some(table) = made.get(info.name) {
            return Ok(Some(Arc::clone(table)));
        }
        let table = self.make(info).map_err(|error| DataFusionError::External(Box::new(error)))?;
        made.insert(info.name, Arc::clone(&table));
        Ok(Some(table))
    }
}
