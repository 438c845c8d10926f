//! A frame: the rows of one version as table `rows`, beside tables of others to hold them against, and SELECT over them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session as Planning, TableProvider};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use domain::data::Form;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::read::{Survey, Version, malformed};
use super::repeated::repeated_rows;
use super::{RangeRead, RowsError};
use crate::QueryError;
use crate::session::{UNBOUNDED, yielding};
use crate::{Limits, statement};

/// Parts of a version that are read side by side.
const MAX_PARTS: usize = 4;

/// The longest piece of an answer, with its texts written out.
const MAX_PIECE_BYTES: usize = 256 << 20;

/// Bounds on a question that is not asked by a person who waits: memory for two at once in a gigabyte, half an hour.
const LIMITS: Limits = Limits { memory_bytes: 384 << 20, timeout: Duration::from_secs(1800), max_rows: usize::MAX };

/// The rows of one version, and tables beside them.
pub struct Frame {
    context: SessionContext,
    columns: Vec<(String, String)>,
    limits: Limits,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}

impl Frame {
    /// Opens a version.
    ///
    /// # Errors
    /// [`RowsError`] when it is not as its form says, as far as that shows at once: [`Frame::surveyed`] reads all of it.
    pub async fn open(form: Form, bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        let version = apart(move || Version::open(form, bytes)).await?;
        Self::over(version)
    }

    /// Opens a version whose columns are known, as [`Frame::columns`] gave them when it was opened or surveyed: text is not
    /// read to its end for that again.
    ///
    /// # Errors
    /// As [`Frame::open`], or when a header has other names.
    pub async fn known(
        form: Form,
        bytes: Arc<dyn RangeRead>,
        columns: Vec<(String, String)>,
    ) -> Result<Self, RowsError> {
        let version = apart(move || Version::known(form, bytes, &columns)).await?;
        Self::over(version)
    }

    /// Opens a version that is not trusted yet: reads all of it, and says what it is.
    ///
    /// # Errors
    /// [`RowsError`] when it is not as its form says; names the line, or the row group, and what is wrong there.
    pub async fn surveyed(form: Form, bytes: Arc<dyn RangeRead>) -> Result<(Self, Survey), RowsError> {
        let (version, survey) = apart(move || {
            let version = Version::open(form, bytes)?;
            let survey = version.survey()?;
            Ok((version, survey))
        })
        .await?;
        Ok((Self::over(version)?, survey))
    }

    fn over(version: Version) -> Result<Self, RowsError> {
        let engine = |error| failed(error, LIMITS);
        let pool = TrackConsumersPool::new(GreedyMemoryPool::new(LIMITS.memory_bytes), std::num::NonZero::<usize>::MIN);
        // Nothing is spilled: what would lie on the disk then is what is encrypted here.
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
        let runtime = runtime.build_arc().map_err(engine)?;
        let mut config = SessionConfig::new();
        // Columns are named as the file names them, in capitals or not.
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let context = SessionContext::new_with_config_rt(config, runtime);
        for function in UNBOUNDED {
            context.deregister_udf(function);
        }
        context.register_udaf(repeated_rows());
        let frame = Self { context, columns: version.columns(), limits: LIMITS };
        frame.register("rows", version)?;
        Ok(frame)
    }

    /// The same frame with other limits on the time that a question takes.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The same frame, whose rows come in the order of the file where a question asks for no other.
    #[must_use]
    pub fn in_order(self) -> Self {
        self.context.state_ref().write().config_mut().options_mut().execution.target_partitions = 1;
        self
    }

    /// Puts another version beside it, to be named `name` in questions.
    ///
    /// # Errors
    /// As [`Frame::open`], or when something has that name.
    pub async fn add_table(&mut self, name: &str, form: Form, bytes: Arc<dyn RangeRead>) -> Result<(), RowsError> {
        let version = apart(move || Version::open(form, bytes)).await?;
        self.register(name, version)
    }

    fn register(&self, name: &str, version: Version) -> Result<(), RowsError> {
        if self.context.table_exist(datafusion::common::TableReference::bare(name)).unwrap_or(true) {
            return Err(QueryError::Sql(format!("there are two tables `{name}`")).into());
        }
        let table = Arc::new(Table { version: Arc::new(version) });
        let named = datafusion::common::TableReference::bare(name);
        self.context.register_table(named, table).map_err(|error| failed(error, self.limits))?;
        Ok(())
    }

    /// The columns of `rows`: name, and a word for the type.
    #[must_use]
    pub fn columns(&self) -> Vec<(String, String)> {
        self.columns.clone()
    }

    /// Asks a SELECT. Its columns of text are plain text arrays, whatever the form.
    ///
    /// # Errors
    /// [`RowsError::Query`] when it cannot be understood or is no SELECT.
    pub async fn select(&self, sql: &str) -> Result<Rows, RowsError> {
        let deadline = Instant::now() + self.limits.timeout;
        let engine = |error| failed(error, self.limits);
        let statement = statement::parse_select(sql)?;
        let plan = self.context.state().statement_to_plan(statement).await.map_err(engine)?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(engine)?;
        statement::must_be_bounded(&plan)?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(engine)?;
        let planned = timeout_at(deadline, frame.create_physical_plan()).await.map_err(|_| late(self.limits))?;
        let plan = yielding(planned.map_err(engine)?).map_err(engine)?;
        let mut stream = execute_stream(plan, self.context.task_ctx()).map_err(engine)?;
        let columns = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
        // A task of its own, so that a computation that is slow to yield cannot hold up the clock; dropping it ends it.
        let (sender, receiver) = mpsc::channel(2);
        let mut running = JoinSet::new();
        running.spawn(async move {
            while let Some(batch) = stream.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
        });
        Ok(Rows { columns, receiver, running, deadline, limits: self.limits })
    }
}

/// An answer, as it is computed.
pub struct Rows {
    columns: Vec<String>,
    receiver: mpsc::Receiver<EngineResult<RecordBatch>>,
    running: JoinSet<()>,
    deadline: Instant,
    limits: Limits,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Rows {
    /// Names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// [`RowsError`]; after one there is nothing more to be had.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, RowsError> {
        match timeout_at(self.deadline, self.receiver.recv()).await.map_err(|_| late(self.limits))? {
            Some(Ok(batch)) => plain(&batch).map(Some),
            Some(Err(error)) => Err(failed(error, self.limits)),
            None => match self.running.join_next().await {
                Some(Err(stopped)) => Err(QueryError::Internal(format!("the query stopped early: {stopped}")).into()),
                _ => Ok(None),
            },
        }
    }
}

fn late(limits: Limits) -> RowsError {
    QueryError::Timeout(limits.timeout.as_secs()).into()
}

/// What was meant by an error of the engine: one of ours that came through it, or its own.
fn failed(error: DataFusionError, limits: Limits) -> RowsError {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<RowsError>() {
            Some(RowsError::Malformed(why)) => RowsError::Malformed(why.clone()),
            Some(RowsError::Io(error)) => RowsError::Io(std::io::Error::new(error.kind(), error.to_string())),
            _ => QueryError::from_engine(error, limits.memory_bytes).into(),
        },
        // The engine says of a value that it cannot convert which one that is, and values stay here.
        DataFusionError::ArrowError(..) => QueryError::Sql(
            "a value cannot be computed: it does not convert, divides by zero or is out of range".into(),
        )
        .into(),
        _ => QueryError::from_engine(error, limits.memory_bytes).into(),
    }
}

/// Does what blocks on a thread for that. A reader that breaks on what it reads has not read it.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RowsError> + Send + 'static,
) -> Result<T, RowsError> {
    let done = tokio::task::spawn_blocking(|| catch_unwind(AssertUnwindSafe(work)));
    match done.await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => malformed("the file cannot be read: it is not as its form says"),
        Err(error) => Err(QueryError::Internal(error.to_string()).into()),
    }
}

/// Writes out what is packed or looked at in place, so that text is text.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let schema = batch.schema();
    let wanted: Vec<DataType> = schema.fields().iter().map(|field| plain_type(field.data_type())).collect();
    if wanted.iter().zip(schema.fields()).all(|(wanted, field)| wanted == field.data_type()) {
        return Ok(batch.clone());
    }
    let long: usize = batch.columns().iter().map(written_out).fold(0, usize::saturating_add);
    if long > MAX_PIECE_BYTES {
        return Err(QueryError::Memory(MAX_PIECE_BYTES).into());
    }
    let fields = schema.fields().iter().zip(&wanted);
    let fields: Vec<Field> = fields.map(|(f, wanted)| f.as_ref().clone().with_data_type(wanted.clone())).collect();
    let columns = batch.columns().iter().zip(&wanted).map(|(column, wanted)| cast(column, wanted));
    let columns = columns.collect::<Result<Vec<_>, _>>();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let made =
        columns.and_then(|columns| RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options));
    made.map_err(|error| QueryError::Internal(error.to_string()).into())
}

fn plain_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        other => other.clone(),
    }
}

/// How long a column is when each of its values is written.
fn written_out(column: &ArrayRef) -> usize {
    use datafusion::arrow::array::AsArray as _;
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().lengths().map(|length| length as usize).sum(),
        DataType::BinaryView => column.as_binary_view().lengths().map(|length| length as usize).sum(),
        // Each row may be the longest value of the dictionary.
        DataType::Dictionary(..) => {
            let values = column.as_any_dictionary().values();
            let longest = values.get_array_memory_size().checked_div(values.len()).unwrap_or(0).saturating_mul(4);
            longest.saturating_mul(column.len())
        }
        _ => column.get_array_memory_size(),
    }
}

/// A version as a table.
struct Table {
    version: Arc<Version>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.version.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Planning,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema().fields().len()).collect());
        let schema = Arc::new(self.schema().project(&projection)?);
        let parts = self.version.parts(MAX_PARTS.min(state.config().target_partitions()));
        let part = |number| {
            let (version, schema, projection) = (Arc::clone(&self.version), Arc::clone(&schema), projection.clone());
            Arc::new(Part { version, schema, projection, part: number, parts }) as Arc<dyn PartitionStream>
        };
        let streaming = StreamingTable::try_new(Arc::clone(&schema), (0..parts).map(part).collect())?;
        streaming.scan(state, None, filters, limit).await
    }
}

/// A part of a version, read by one query.
struct Part {
    version: Arc<Version>,
    schema: SchemaRef,
    projection: Vec<usize>,
    part: usize,
    parts: usize,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("part", &self.part).finish_non_exhaustive()
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), 2);
        let (version, projection, sender) = (Arc::clone(&self.version), self.projection.clone(), builder.tx());
        let (part, parts) = (self.part, self.parts);
        // Decrypting and reading block, so they have a thread of their own.
        builder.spawn_blocking(move || {
            let external = |error: RowsError| DataFusionError::External(Box::new(error));
            for batch in version.batches(&projection, part, parts).map_err(external)? {
                let failed = batch.is_err();
                if sender.blocking_send(batch.map_err(external)).is_err() || failed {
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}
