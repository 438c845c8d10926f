//! Records as the engine reads them: the Parquet files that the ledger's sealed segments name, and no other
//! file, with the sealing entry beside each record; and the unsealed tail in the same shape.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use domain::Record;
use domain::record::{Field as RecordField, Kind, Value};

use crate::QueryError;
use crate::fold::Sealed;
use crate::table::{Cell, Rows};

/// Where the records directory is mounted. A scheme of ours, so that no query can reach another file.
pub(crate) const STORE: &str = "records://segments";

/// The columns of a core file that are read: the record's fields, its leaf, and its segment's number.
fn file_schema(fields: &[RecordField]) -> SchemaRef {
    let field = |f: &RecordField| {
        let kind = match f.kind {
            Kind::Text => DataType::Utf8View,
            Kind::Int => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Bytes => DataType::BinaryView,
        };
        Field::new(f.name, kind, true)
    };
    let more = [Field::new("leaf", DataType::BinaryView, true), Field::new("segment", DataType::Int64, true)];
    Arc::new(Schema::new(fields.iter().map(field).chain(more).collect::<Vec<_>>()))
}

fn table_schema(fields: &[RecordField]) -> TableSchema {
    let seq = Arc::new(Field::new("seq", DataType::Int64, true));
    TableSchema::builder(file_schema(fields)).with_table_partition_cols(vec![seq]).build()
}

/// Records that are not sealed, as one batch; `seq` and `segment` are NULL, for no entry commits to them yet.
pub(crate) fn unsealed<R: Record>(cores: &[R]) -> Result<RecordBatch, QueryError> {
    let mut rows = Rows::default();
    for core in cores {
        let mut row: Vec<Cell> = R::FIELDS
            .iter()
            .map(|field| match (core.get(field.id), field.kind) {
                (Some(Value::Text(text)), _) => text.into(),
                (Some(Value::Int(micros)), Kind::Time) => Cell::Time(micros),
                (Some(Value::Int(number)), _) => Cell::Int(number),
                (Some(Value::Bytes(bytes)), _) => Cell::Bytes(bytes.to_vec()),
                (None, _) => Cell::Null,
            })
            .collect();
        row.extend([Cell::Bytes(merkle::leaf_hash(&core.encode()).to_vec()), Cell::Null, Cell::Null]);
        rows.push_whole(row);
    }
    rows.into_batch("unsealed records", Arc::clone(table_schema(R::FIELDS).table_schema()))
}

/// The files of the sealed segments as one table.
#[derive(Debug)]
pub(crate) struct SealedRecords {
    files: Vec<Sealed>,
    schema: TableSchema,
}

impl SealedRecords {
    /// Those of them that are of the kind `R`.
    pub fn new<R: Record>(sealed: &[Sealed]) -> Self {
        let files = sealed.iter().filter(|segment| segment.schema == R::SCHEMA).cloned().collect();
        Self { files, schema: table_schema(R::FIELDS) }
    }

    fn groups(&self, partitions: usize) -> Vec<FileGroup> {
        let file = |sealed: &Sealed| {
            let seq = i64::try_from(sealed.origin.seq).unwrap_or(i64::MAX);
            PartitionedFile::new(&sealed.path, sealed.len).with_partition_values(vec![ScalarValue::Int64(Some(seq))])
        };
        FileGroup::new(self.files.iter().map(file).collect()).split_files(partitions)
    }

    /// How much there is, for the planner only: rows are counted from the files, not from what was promised.
    fn statistics(&self) -> Statistics {
        let bytes: u64 = self.files.iter().map(|file| file.len).sum();
        let size = usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
        Statistics::new_unknown(self.schema.table_schema()).with_total_byte_size(size)
    }
}

#[async_trait]
impl TableProvider for SealedRecords {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = datafusion::common::project_schema(self.schema.table_schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let format = ParquetFormat::default().with_options(state.default_table_options().parquet);
        let source = Arc::new(ParquetSource::new(self.schema.clone()));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, source)
            .with_file_groups(self.groups(state.config().target_partitions()))
            .with_statistics(self.statistics())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        // Conditions reach the files by the physical planner's own pushdown, down to row groups and pages.
        format.create_physical_plan(state, scan).await
    }
}
