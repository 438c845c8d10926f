//! A session: the tables at one size, and read-only SQL over them within bounds of memory, time and rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use domain::Record;
use domain::people::AccessCore;
use domain::serving::InferenceCore;
use futures_util::StreamExt;
use merkle::Hash;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::database::Limits;
use crate::fold::{Fold, Sealed, Went};
use crate::schema::LedgerSchema;
use crate::segments::{SealedRecords, unsealed};
use crate::source::Tail;
use crate::tables::{RecordTable, VIEWS};
use crate::{QueryError, Source, statement};

/// Functions that make text of any length from a few bytes, in one step that no limit on memory or time can stop.
pub(crate) const UNBOUNDED: [&str; 3] = ["repeat", "lpad", "rpad"];

/// What `$start`, `$end` and `$now` stand for, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Start of the observation window, inclusive.
    pub start: i64,
    /// End of the observation window, exclusive.
    pub end: i64,
    /// The instant of evaluation.
    pub now: i64,
}

/// The tables as they were at one size of the ledger.
pub struct Session {
    context: SessionContext,
    size: u64,
    root: Hash,
    limits: Limits,
    gone: Vec<GoneSince>,
}

/// Segments that were there at a session's size, and whose records went since by one disposal: no answer has them any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneSince {
    /// The table that lacks them.
    pub table: &'static str,
    /// The disposal.
    pub disposal: String,
    /// The rule by which they were due.
    pub rule: String,
    /// The entry that says so, the first when there are several.
    pub event: u64,
    /// How many segments.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// When the newest of them ended, in milliseconds since the epoch.
    pub newest: i64,
}

impl std::fmt::Display for GoneSince {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, rule, event, segments, records, .. } = self;
        write!(
            f,
            "{records} records of `{table}` in {segments} segments were disposed of by rule `{rule}` since (event {event}): they \
             are not in the answer"
        )
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("size", &self.size).field("root", &merkle::hex(&self.root)).finish()
    }
}

impl Session {
    pub(crate) async fn open(
        source: Arc<dyn Source>,
        fold: Arc<Fold>,
        went: &BTreeMap<String, Went>,
        root: Hash,
        tail: &Tail,
        runtime: Arc<RuntimeEnv>,
        limits: Limits,
    ) -> Result<Self, QueryError> {
        let mut config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema("counterfoil", "ledger")
            .with_information_schema(true);
        config.options_mut().execution.parquet.pushdown_filters = true;
        config.options_mut().execution.parquet.reorder_filters = true;
        let context = SessionContext::new_with_config_rt(config, runtime);
        for function in UNBOUNDED {
            context.deregister_udf(function);
        }
        let there = |segment: &&Sealed| source.holds(&segment.path) && !went.contains_key(&segment.path);
        let sealed: Vec<Sealed> = fold.sealed.iter().filter(there).cloned().collect();
        let gone = gone_since(&fold, went);
        let schema = Arc::new(LedgerSchema::new(source, Arc::clone(&fold)));
        let catalog = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog("counterfoil", Arc::clone(&catalog) as _);
        let session = Self { context, size: fold.size, root, limits, gone };
        let defined = session.define(&catalog, &schema, &sealed, tail).await;
        defined.map(|()| session)
    }

    /// A session over tables that are in `context` already; it follows from no ledger.
    pub(crate) fn over(context: SessionContext, limits: Limits) -> Self {
        Self { context, size: 0, root: merkle::empty_root(), limits, gone: Vec::new() }
    }

    /// Fills `schema` with the tables that queries define over record files and tail. The relations under them are
    /// named only while those queries are planned, so that no other query can name them.
    async fn define(
        &self,
        catalog: &MemoryCatalogProvider,
        schema: &Arc<LedgerSchema>,
        sealed: &[Sealed],
        tail: &Tail,
    ) -> Result<(), QueryError> {
        let engine = |error| self.engine(error);
        catalog.register_schema("ledger", Arc::clone(schema) as _).map_err(engine)?;
        let raw = Arc::new(MemorySchemaProvider::new());
        catalog.register_schema("raw", Arc::clone(&raw) as _).map_err(engine)?;
        let records = [
            self.records::<InferenceCore>(&raw, sealed, &tail.inferences)?,
            self.records::<AccessCore>(&raw, sealed, &tail.accesses)?,
        ];
        let views = VIEWS.iter().map(|(name, query)| (*name, query()));
        for (name, query) in records.into_iter().chain(views) {
            let plan = self.context.state().create_logical_plan(&query).await.map_err(engine)?;
            schema.define(name, Arc::new(ViewTable::new(plan, None)));
        }
        catalog.deregister_schema("raw", true).map_err(engine)?;
        Ok(())
    }

    /// Puts the files and the tail of a kind of record into `raw`, and returns the table over them and its query.
    fn records<R: Record + RecordTable>(
        &self,
        raw: &MemorySchemaProvider,
        sealed: &[Sealed],
        tail: &[R],
    ) -> Result<(&'static str, String), QueryError> {
        let engine = |error| self.engine(error);
        let (files, open) = (format!("{}_sealed", R::TABLE), format!("{}_unsealed", R::TABLE));
        raw.register_table(files.clone(), Arc::new(SealedRecords::new::<R>(sealed))).map_err(engine)?;
        let mut query = R::select(&format!("raw.{files}"));
        if !tail.is_empty() {
            let batch = unsealed(tail)?;
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(engine)?;
            raw.register_table(open.clone(), Arc::new(table)).map_err(engine)?;
            query = format!("{query} UNION ALL {}", R::select(&format!("raw.{open}")));
        }
        Ok((R::NAME, query))
    }

    /// The ledger size that every answer follows from.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The ledger's root at that size.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// What was there at that size and went since, by a rule of retention: answers lack it.
    #[must_use]
    pub fn gone_since(&self) -> &[GoneSince] {
        &self.gone
    }

    /// The same session with other limits on time and rows. Memory is shared by all sessions of the database.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Answers one read-only statement: SELECT, EXPLAIN, DESCRIBE or SHOW.
    ///
    /// # Errors
    /// [`QueryError`]; an answer is whole or it is none.
    pub async fn sql(&self, sql: &str, params: Option<Params>) -> Result<Answer, QueryError> {
        let mut batches = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        let columns = self
            .each(sql, params, &mut |part| {
                rows += part.row_count();
                bytes += part.memory();
                batches.extend(part.into_batches());
                match (rows > self.limits.max_rows, bytes > self.limits.memory_bytes) {
                    (true, _) => Err(QueryError::TooManyRows(self.limits.max_rows)),
                    (_, true) => Err(QueryError::Memory(self.limits.memory_bytes)),
                    _ => Ok(()),
                }
            })
            .await?;
        Ok(columns.with(batches))
    }

    /// Answers a statement in parts of some thousand rows, for answers too long to hold; the number of rows is not
    /// limited. Returns the columns, as an answer without rows.
    ///
    /// # Errors
    /// [`QueryError`], or what `each` returns, which ends the query.
    pub async fn each(
        &self,
        sql: &str,
        params: Option<Params>,
        each: &mut (dyn FnMut(Answer) -> Result<(), QueryError> + Send),
    ) -> Result<Answer, QueryError> {
        let deadline = Instant::now() + self.limits.timeout;
        let late = |_| QueryError::Timeout(self.limits.timeout.as_secs());
        let mut stream = timeout_at(deadline, self.start(sql, params)).await.map_err(late)??;
        let columns = Answer::new(stream.schema());
        // A task of its own, so that a computation that is slow to yield cannot hold up the clock; dropping it ends it.
        let (sender, mut receiver) = mpsc::channel(2);
        let mut running = JoinSet::new();
        running.spawn(async move {
            while let Some(batch) = stream.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
        });
        while let Some(batch) = timeout_at(deadline, receiver.recv()).await.map_err(late)? {
            each(columns.with(vec![batch.map_err(|error| self.engine(error))?]))?;
        }
        match running.join_next().await {
            Some(Err(stopped)) => Err(QueryError::Internal(format!("the query stopped early: {stopped}"))),
            _ => Ok(columns),
        }
    }

    async fn start(&self, sql: &str, params: Option<Params>) -> Result<SendableRecordBatchStream, QueryError> {
        let engine = |error| self.engine(error);
        let statement = statement::parse(sql)?;
        let plan = self.context.state().statement_to_plan(statement).await.map_err(engine)?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(engine)?;
        let plan = match params {
            Some(params) => plan.with_param_values(params.values()).map_err(engine)?,
            None => plan,
        };
        statement::must_be_bounded(&plan)?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(engine)?;
        let plan = frame.create_physical_plan().await.map_err(engine)?;
        execute_stream(yielding(plan).map_err(engine)?, self.context.task_ctx()).map_err(engine)
    }

    fn engine(&self, error: DataFusionError) -> QueryError {
        QueryError::from_engine(error, self.limits.memory_bytes)
    }
}

/// What went of the segments of a fold after it.
fn gone_since(fold: &Fold, went: &BTreeMap<String, Went>) -> Vec<GoneSince> {
    let mut gone: BTreeMap<(&'static str, &str), GoneSince> = BTreeMap::new();
    for segment in fold.sealed.iter().filter(|segment| !fold.went.contains_key(&segment.path)) {
        let Some(how) = went.get(&segment.path) else { continue };
        let table = if segment.schema == AccessCore::SCHEMA { AccessCore::NAME } else { InferenceCore::NAME };
        let one = gone.entry((table, how.disposal.as_str())).or_insert_with(|| GoneSince {
            table,
            disposal: how.disposal.clone(),
            rule: how.rule.clone(),
            event: how.seq,
            segments: 0,
            records: 0,
            newest: i64::MIN,
        });
        one.event = one.event.min(how.seq);
        one.newest = one.newest.max(segment.newest);
        one.segments += 1;
        one.records = one.records.saturating_add(how.n);
    }
    gone.into_values().collect()
}

/// The same plan with joins that let other tasks run now and then: the engine's own only do so where they read input,
/// and a product of tables computes long after it has read all of it.
pub(crate) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let wrapped = plan.transform_up(|node| match node.children().len() {
        0 | 1 => Ok(Transformed::no(node)),
        _ => Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)),
    });
    wrapped.map(|plan| plan.data)
}

impl Params {
    fn values(self) -> Vec<(&'static str, ScalarValue)> {
        let instant = |millis: i64| ScalarValue::TimestampMicrosecond(Some(millis.saturating_mul(1000)), None);
        vec![("start", instant(self.start)), ("end", instant(self.end)), ("now", instant(self.now))]
    }
}
