//! Whether the rows of a version are what a contract says: all conditions on rows in one pass, what refers to other data sets
//! in a pass each, what tells more rows apart than memory holds in some more, and then the rows that break what blocks.

mod compile;
mod left;
mod profile;
mod repeated;
mod run;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema};
use domain::data::{Check, Contract, Form, Reference, RuleResult, Unsure, Verdict, What};
use query::rows::{Frame, REPEATED_ROWS, RowsError};
use query::{Answer, QueryError};

pub use compile::BROKEN_RULES;
use compile::{Apart, Asked, Compiled, text};
pub use left::check_those_left;
pub use profile::{Proposal, profile_version};
pub use run::{Outcome, Under, Wish, check_version, kept_rows, try_contract};

use crate::numbers::quoted;

/// The most rows that are kept of those that break what blocks.
pub const MAX_KEPT_ROWS: usize = 10_000;

/// Checks that tell rows apart, of those that are asked in one pass with all others: they share its memory.
const MAX_REPEATED: usize = 4;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many rows there are.
    pub rows: u64,
    /// Each check, in the order of the contract.
    pub results: Vec<RuleResult>,
}

/// What one check comes to, before its tolerance is considered.
#[derive(Clone, Copy)]
enum Measured {
    /// How many rows were looked at, and how many break it.
    Rows(u64, u64),
    Unsure(Unsure),
}

/// The tables that references refer to: a name for each that could be put beside the rows.
pub type References = Vec<(Reference, String)>;

fn table_of(references: &References) -> impl Fn(&Reference) -> Option<String> + '_ {
    move |reference| references.iter().find(|(known, _)| known == reference).map(|(_, table)| table.clone())
}

/// Checks all of a contract. `now` is in milliseconds since the epoch.
///
/// # Errors
/// When the rows cannot be read. What can be read and not evaluated is unknown.
pub async fn check(
    contract: &Contract,
    frame: &Frame,
    references: &References,
    now: i64,
) -> Result<Checked, RowsError> {
    let columns = frame.columns();
    let compiled = Compiled::new(contract, &columns);
    let checks = contract.checks();
    let asked: Vec<Asked> = checks.iter().map(|check| compiled.asked(check, table_of(references))).collect();
    let (rows, together) = in_one_pass(frame, &compiled, &asked, now).await?;
    let mut untold = untold(frame, &compiled, &asked, &together, rows).await?.into_iter();
    let mut results = Vec::with_capacity(checks.len());
    for ((check, asked), measured) in checks.iter().zip(&asked).zip(together) {
        let measured = match (&check.what, asked, measured) {
            (What::Schema, ..) => Measured::Rows(columns.len() as u64, compiled.mismatches()),
            (_, Asked::Apart(_) | Asked::Repeated(_), _) if rows == 0 => Measured::Unsure(Unsure::NoRows),
            (_, Asked::Repeated(_), measured) if !is_told(measured.as_ref()) => {
                untold.next().unwrap_or(Measured::Unsure(Unsure::NotEvaluable))
            }
            (_, Asked::Apart(apart), _) => match one_row(frame, &apart.count).await? {
                Ok(numbers) => broken(rows, numbers.first().copied().flatten()),
                Err(why) => Measured::Unsure(why),
            },
            (What::Reference(to), Asked::Missing, _) if to.columns.iter().all(|name| has(&columns, name)) => {
                Measured::Unsure(Unsure::ReferenceMissing)
            }
            (_, Asked::Missing, _) => Measured::Unsure(Unsure::ColumnMissing),
            (_, _, measured) => measured.unwrap_or(Measured::Unsure(Unsure::NotEvaluable)),
        };
        results.push(result(check, measured));
    }
    Ok(Checked { rows, results })
}

fn is_told(measured: Option<&Measured>) -> bool {
    matches!(measured, Some(Measured::Rows(..)))
}

/// What came of the checks that tell rows apart of which one pass did not say anything, in their order.
async fn untold(
    frame: &Frame,
    compiled: &Compiled<'_>,
    asked: &[Asked],
    together: &[Option<Measured>],
    rows: u64,
) -> Result<Vec<Measured>, RowsError> {
    let keys = asked.iter().zip(together).filter_map(|(asked, measured)| match asked {
        Asked::Repeated(columns) if !is_told(measured.as_ref()) => Some(columns.as_slice()),
        _ => None,
    });
    let keys: Vec<&[String]> = keys.collect();
    if keys.is_empty() || rows == 0 {
        return Ok(vec![]);
    }
    Ok(match repeated::repeated(frame, compiled, &keys, rows).await? {
        Ok(found) => found.iter().map(|found| Measured::Rows(rows, found.rows)).collect(),
        Err(why) => vec![Measured::Unsure(why); keys.len()],
    })
}

fn has(columns: &[(String, String)], name: &str) -> bool {
    columns.iter().any(|(known, _)| known == name)
}

fn broken(rows: u64, number: Option<i64>) -> Measured {
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(number) => Measured::Rows(rows, number),
        None => Measured::Unsure(Unsure::NotEvaluable),
    }
}

fn result(check: &Check, measured: Measured) -> RuleResult {
    let (verdict, checked, violations, why) = match measured {
        Measured::Rows(checked, violations) if check.tolerates(violations, checked) => {
            (Verdict::Passed, checked, violations, None)
        }
        Measured::Rows(checked, violations) => (Verdict::Failed, checked, violations, None),
        Measured::Unsure(why) => (Verdict::Unknown, 0, 0, Some(why)),
    };
    let (rule, dimension, blocking) = (check.name.clone(), check.dimension, check.blocking);
    RuleResult { rule, dimension, blocking, verdict, checked, violations, why }
}

/// The expression whose one whole number says what came of a check, when it can be asked with others.
fn number(asked: &Asked) -> Option<String> {
    match asked {
        Asked::Rows(condition) => {
            Some(format!("CAST(coalesce(sum(CASE WHEN {condition} THEN 1 ELSE 0 END), 0) AS BIGINT)"))
        }
        Asked::All(condition) => {
            Some(format!("CAST(CASE WHEN ({condition}) THEN 0 WHEN NOT ({condition}) THEN 1 END AS BIGINT)"))
        }
        Asked::Newest(newest, _) => Some(newest.clone()),
        Asked::Repeated(columns) => {
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            Some(format!("{REPEATED_ROWS}({})", columns.join(", ")))
        }
        Asked::Apart(_) | Asked::Missing | Asked::Unreadable => None,
    }
}

/// Asks all that can be asked in one pass; when that fails, half of it and the other half, so that one that cannot be evaluated
/// does not hide the others.
async fn in_one_pass(
    frame: &Frame,
    compiled: &Compiled<'_>,
    asked: &[Asked],
    now: i64,
) -> Result<(u64, Vec<Option<Measured>>), RowsError> {
    let typed = compiled.typed();
    let question = |numbers: &[String]| {
        let all: Vec<&str> = std::iter::once("count(*)").chain(numbers.iter().map(String::as_str)).collect();
        let named: Vec<String> = all.iter().enumerate().map(|(n, number)| format!("{number} AS \"n{n}\"")).collect();
        format!("SELECT {} FROM {typed} t", named.join(", "))
    };
    let mut room = MAX_REPEATED;
    let numbers = asked.iter().map(|asked| match (asked, &mut room) {
        (Asked::Repeated(_), 0) => None,
        (Asked::Repeated(_), room) => {
            *room -= 1;
            number(asked)
        }
        _ => number(asked),
    });
    let numbers: Vec<Option<String>> = numbers.collect();
    let mut answered: Vec<Option<Result<i64, Unsure>>> = vec![None; numbers.len()];
    let wanted: Vec<usize> = (0..numbers.len()).filter(|n| numbers[*n].is_some()).collect();
    let (mut rows, mut turns) = (None, vec![wanted]);
    while let Some(turn) = turns.pop() {
        let some: Vec<String> = turn.iter().filter_map(|n| numbers[*n].clone()).collect();
        match one_row(frame, &question(&some)).await? {
            Ok(row) => {
                rows = row.first().copied().flatten();
                for (n, value) in turn.iter().zip(row.iter().skip(1)) {
                    answered[*n] = Some(value.ok_or(Unsure::NotEvaluable));
                }
            }
            Err(why) => match turn.as_slice() {
                [] => {}
                [alone] => answered[*alone] = Some(Err(why)),
                several => turns.extend(several.chunks(several.len().div_ceil(2)).map(<[usize]>::to_vec)),
            },
        }
    }
    if rows.is_none() {
        let counted = one_row(frame, "SELECT count(*) FROM rows").await?;
        rows = counted.ok().and_then(|row| row.first().copied().flatten());
    }
    let rows = rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default();
    let measured =
        asked.iter().zip(answered).map(|(asked, value)| value.map(|value| measured(asked, value, rows, now)));
    Ok((rows, measured.collect()))
}

fn measured(asked: &Asked, value: Result<i64, Unsure>, rows: u64, now: i64) -> Measured {
    match (asked, value) {
        // Of all rows something can be said even when there are none.
        (Asked::Rows(_) | Asked::Newest(..), _) if rows == 0 => Measured::Unsure(Unsure::NoRows),
        (_, Err(why)) => Measured::Unsure(why),
        // What is newer than now was not written down when it happened.
        (Asked::Newest(_, age), Ok(newest)) => {
            let old = now.saturating_sub(newest);
            Measured::Rows(1, u64::from(!(0..=*age).contains(&old)))
        }
        (Asked::All(_), Ok(number)) => broken(1, Some(number)),
        (_, Ok(number)) => broken(rows, Some(number)),
    }
}

/// The whole numbers of an answer's one row; inside, why there is none.
async fn one_row(frame: &Frame, sql: &str) -> Result<Result<Vec<Option<i64>>, Unsure>, RowsError> {
    let batches = match gathered(frame, sql).await {
        Ok(batches) => batches,
        Err(RowsError::Query(error)) => return Ok(Err(unsure(&error))),
        Err(other) => return Err(other),
    };
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Err(Unsure::NotEvaluable)) };
    let number = |column: &arrow::array::ArrayRef| {
        let numbers = column.as_primitive_opt::<Int64Type>()?;
        numbers.is_valid(0).then(|| numbers.value(0))
    };
    Ok(Ok(batch.columns().iter().map(number).collect()))
}

fn unsure(error: &QueryError) -> Unsure {
    match error {
        QueryError::Memory(_) | QueryError::Timeout(_) | QueryError::TooManyRows(_) => Unsure::Limit,
        _ => Unsure::NotEvaluable,
    }
}

async fn gathered(frame: &Frame, sql: &str) -> Result<Vec<RecordBatch>, RowsError> {
    let mut rows = frame.select(sql).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await? {
        batches.push(batch);
    }
    Ok(batches)
}

/// Asks for each check on its own, of rows that are not there.
///
/// # Errors
/// What is wrong with the first that cannot be asked, with its name.
async fn try_each(contract: &Contract, frame: &Frame) -> Result<(), String> {
    let columns = frame.columns();
    let compiled = Compiled::new(contract, &columns);
    let table = |reference: &Reference| contract.references.iter().position(|known| known == reference).map(run::table);
    for check in contract.checks() {
        let asked = compiled.asked(&check, table);
        let sql = match (&asked, number(&asked)) {
            (Asked::Apart(apart), _) => apart.count.clone(),
            (_, Some(number)) => format!("SELECT {number} FROM {} t", compiled.typed()),
            _ => continue,
        };
        let wrong = |error: RowsError| format!("rule `{}`: {error}", check.name);
        if let What::Pattern(_, pattern) = &check.what {
            // Over no rows nobody looks at it.
            let sql = format!("SELECT regexp_like('', {}) AS n", text(pattern));
            gathered(frame, &sql).await.map_err(wrong)?;
        }
        gathered(frame, &sql).await.map_err(wrong)?;
    }
    Ok(())
}

/// Rows that break the blocking checks that failed, each with the names of those, as a Parquet file; and how many they are.
/// `None` when no row in particular does.
///
/// # Errors
/// When the rows cannot be read.
pub async fn offending(
    contract: &Contract,
    frame: &Frame,
    references: &References,
    results: &[RuleResult],
) -> Result<Option<(Vec<u8>, u64)>, RowsError> {
    let columns = frame.columns();
    let compiled = Compiled::new(contract, &columns);
    let failed = |check: &Check| {
        let of = |one: &RuleResult| one.rule == check.name && one.blocking && one.verdict == Verdict::Failed;
        results.iter().any(of)
    };
    let (mut conditions, mut apart, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for check in contract.checks().iter().filter(|check| failed(check)) {
        match compiled.asked(check, table_of(references)) {
            Asked::Rows(condition) => conditions.push((check.name.clone(), condition)),
            Asked::Apart(of) => apart.push((check.name.clone(), of)),
            Asked::Repeated(key) => repeated.push((check.name.clone(), key)),
            _ => {}
        }
    }
    let mut questions = Vec::new();
    let (came, column) = (compiled.as_they_came(), quoted(&compiled.broken_rules()));
    let asked = |names: &str, from: &str| {
        format!("SELECT {came}, CAST({names} AS VARCHAR) AS {column} FROM {from} LIMIT {MAX_KEPT_ROWS}")
    };
    if !conditions.is_empty() {
        let names = conditions.iter().map(|(name, condition)| format!("CASE WHEN {condition} THEN {} END", text(name)));
        let any: Vec<String> = conditions.iter().map(|(_, condition)| format!("({condition})")).collect();
        let names = format!("concat_ws(', ', {})", names.collect::<Vec<_>>().join(", "));
        questions.push(asked(&names, &format!("{} t WHERE {}", compiled.typed(), any.join(" OR "))));
    }
    questions.extend(apart.iter().map(|(name, Apart { rows, .. })| asked(&text(name), rows)));
    let mut kept = Kept::default();
    for question in questions {
        let mut rows = match frame.select(&question).await {
            Ok(rows) => rows,
            Err(RowsError::Query(_)) => continue,
            Err(other) => return Err(other),
        };
        while let Some(batch) = match rows.next().await {
            Ok(batch) => batch,
            Err(RowsError::Query(_)) => None,
            Err(other) => return Err(other),
        } {
            if !kept.keep(&batch) {
                break;
            }
        }
    }
    let keys: Vec<&[String]> = repeated.iter().map(|(_, key)| key.as_slice()).collect();
    let rows = results.iter().map(|result| result.checked).max().unwrap_or_default();
    let found = match keys.is_empty() {
        true => vec![],
        false => repeated::repeated(frame, &compiled, &keys, rows).await?.unwrap_or_default(),
    };
    for ((rule, key), found) in repeated.iter().zip(&found) {
        for batch in &repeated::rows_of(frame, &compiled, key, found, rule).await? {
            if !kept.keep(batch) {
                break;
            }
        }
    }
    let alike = alike(kept.batches).map_err(|error| QueryError::Internal(error.to_string()))?;
    match Answer::of(alike) {
        Some(rows) => Ok(Some((rows.to_parquet()?, kept.rows as u64))),
        None => Ok(None),
    }
}

/// Rows that are kept, as many as may be.
#[derive(Default)]
struct Kept {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Kept {
    /// Keeps what there is room for; whether there was any.
    fn keep(&mut self, batch: &RecordBatch) -> bool {
        let room = MAX_KEPT_ROWS.saturating_sub(self.rows);
        let batch = batch.slice(0, batch.num_rows().min(room));
        self.bytes += batch.get_array_memory_size();
        if batch.num_rows() == 0 || self.bytes > engine::MAX_KEPT_BYTES {
            return false;
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        true
    }
}

/// The batches with one schema: whether a column can be NULL depends on the question.
fn alike(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, arrow::error::ArrowError> {
    let Some(first) = batches.first().map(RecordBatch::schema) else { return Ok(vec![]) };
    let fields = first.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    batches.into_iter().map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())).collect()
}

/// Kept rows in another form.
///
/// # Errors
/// When they cannot be read.
pub async fn in_form(parquet: Vec<u8>, form: Form) -> Result<Vec<u8>, RowsError> {
    if form == Form::Parquet {
        return Ok(parquet);
    }
    let frame = Frame::open(Form::Parquet, Arc::new(parquet)).await?;
    let Some(rows) = Answer::of(gathered(&frame, "SELECT * FROM rows").await?) else { return Ok(vec![]) };
    match form {
        Form::Csv => Ok(rows.to_csv()?),
        _ => {
            let mut lines = Vec::new();
            for row in rows.rows()? {
                lines.extend(serde_json::to_vec(&row).map_err(|error| QueryError::Internal(error.to_string()))?);
                lines.push(b'\n');
            }
            Ok(lines)
        }
    }
}

#[cfg(test)]
mod tests;
