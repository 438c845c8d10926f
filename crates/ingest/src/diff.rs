//! How two versions differ: columns, rows, and the values of each column as distributions.
//!
//! The population stability index of numbers is over ten bins of equal share in the first version, as scorecards use it
//! (N. Siddiqi, Credit Risk Scorecards, 2006): the sum of `(b - a) ln(b / a)` over the shares of both. For categories it is
//! the total variation distance: half the sum of `|a - b|`. Quantiles come from a t-digest and counts of different values
//! from HyperLogLog, so both are approximate, and memory does not grow with the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::data::Form;
use query::rows::{Frame, RangeRead, RowsError};
use serde::Serialize;

use crate::numbers::{Row, quoted};

/// Columns whose distributions are compared.
const MAX_COLUMNS: usize = 200;

/// Columns that one question asks of.
const AT_ONCE: usize = 40;

/// The most different values of a column that are compared one by one.
const MAX_CATEGORIES: u64 = 1000;

/// Categories that are shown, those first whose share changed most.
const SHOWN_CATEGORIES: usize = 10;

/// Values below which quantiles of what is not shown would be somebody's.
const MIN_VALUES: u64 = 100;

/// Rows that share a band at least, of a column whose values are not shown, for a quantile to be told by it.
pub const MIN_GROUP: u64 = 10;

/// What a bin counts that has nothing in it, as a share: the index has no value without.
const EMPTY_SHARE: f64 = 0.0001;

/// One of two versions.
pub struct Side {
    /// Its name.
    pub version: String,
    /// How rows are written.
    pub form: Form,
    /// Its bytes.
    pub bytes: Arc<dyn RangeRead>,
}

/// Why two versions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A key that is not in both.
    #[error("there is no column `{0}` of one type in both versions: name the columns that tell rows apart with `key`")]
    Key(String),
    /// A version cannot be read, or the comparison takes more than it may.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

/// How two versions differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// Name of the first version.
    pub from: String,
    /// Name of the second.
    pub to: String,
    /// Rows of both.
    pub rows: [u64; 2],
    /// Columns, as name and type, that only the second has.
    pub columns_added: Vec<[String; 2]>,
    /// Columns that only the first has.
    pub columns_removed: Vec<[String; 2]>,
    /// Columns whose type changed: name, before, after.
    pub columns_retyped: Vec<[String; 3]>,
    /// Rows that came, went and changed, when it was said what tells them apart.
    pub by_key: Option<RowDiff>,
    /// The columns of one type in both.
    pub columns: Vec<ColumnDiff>,
    /// How many more there are, which were not compared.
    pub columns_left_out: u64,
    /// Whether values of all these columns are shown.
    pub shows_values: bool,
}

/// Rows by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowDiff {
    /// The columns that tell rows apart.
    pub key: Vec<String>,
    /// Rows of the second version whose key the first does not have.
    pub added: u64,
    /// Rows of the first whose key the second does not have.
    pub removed: u64,
    /// Pairs of rows with one key that differ in a column that was compared.
    pub changed: u64,
    /// Rows of each version whose key is not theirs alone, or is missing in part.
    pub unclear: [u64; 2],
    /// Columns of both in which rows were not compared, mostly because values of their types cannot be.
    pub not_compared: Vec<String>,
}

/// A column in both versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether its values are shown: only those of public and internal data are.
    pub shows_values: bool,
    /// Rows without a value.
    pub nulls: [u64; 2],
    /// Different values, approximately.
    pub distinct: [u64; 2],
    /// The least value, where values are shown.
    pub min: Option<[Option<String>; 2]>,
    /// The greatest.
    pub max: Option<[Option<String>; 2]>,
    /// Quantiles of numbers: where values are not shown, the beginnings of the bands that they are in.
    pub quantiles: Option<[Quantiles; 2]>,
    /// `psi` or `total_variation`.
    pub measure: Option<&'static str>,
    /// How far the distributions are apart.
    pub distance: Option<f64>,
    /// The values whose share changed most, where values are shown.
    pub moved: Vec<Moved>,
}

/// Quantiles, approximately.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// A quarter is below it.
    pub p25: f64,
    /// Half is.
    pub p50: f64,
    /// Three quarters are.
    pub p75: f64,
}

impl Quantiles {
    fn each(&self) -> [f64; 3] {
        [self.p25, self.p50, self.p75]
    }
}

/// A value and its shares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// The value; `None` for none.
    pub value: Option<String>,
    /// Rows with it in both.
    pub rows: [u64; 2],
}

/// What is known of a column of one version.
#[derive(Clone, Debug, Default)]
struct Known {
    values: u64,
    distinct: u64,
    min: Option<String>,
    max: Option<String>,
    /// Tenths, of numbers.
    tenths: Vec<f64>,
    quarters: Vec<f64>,
}

/// One comparison at a time: each holds memory of its own.
static TURN: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// What of a comparison may leave.
pub struct Shown<'a> {
    /// Whether values of a column may, by its name.
    pub values_of: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// How many rows share a band at least, of other columns, for a quantile to be told by it.
    pub min_group: u64,
}

/// Compares two versions. Values leave only as `shown` says.
///
/// # Errors
/// [`DiffError`].
pub async fn diff(from: Side, to: Side, key: &[String], shown: &Shown<'_>) -> Result<Diff, DiffError> {
    let _turn = TURN.acquire().await;
    let mut first = Frame::open(from.form, Arc::clone(&from.bytes)).await?;
    let second = Frame::open(to.form, Arc::clone(&to.bytes)).await?;
    let (before, after) = (first.columns(), second.columns());
    let types: BTreeMap<&str, &str> = after.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let had: BTreeMap<&str, &str> = before.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let only = |of: &[(String, String)], other: &BTreeMap<&str, &str>| -> Vec<[String; 2]> {
        let missing = of.iter().filter(|(name, _)| !other.contains_key(name.as_str()));
        missing.map(|(name, kind)| [name.clone(), kind.clone()]).collect()
    };
    let (columns_added, columns_removed) = (only(&after, &had), only(&before, &types));
    let retyped = |(name, kind): &(String, String)| {
        let now = types.get(name.as_str()).filter(|now| **now != kind)?;
        Some([name.clone(), kind.clone(), (*now).to_owned()])
    };
    let columns_retyped: Vec<[String; 3]> = before.iter().filter_map(retyped).collect();
    let mut common: Vec<(String, String)> =
        before.iter().filter(|(name, kind)| types.get(name.as_str()) == Some(&kind.as_str())).cloned().collect();
    let columns_left_out = common.len().saturating_sub(MAX_COLUMNS) as u64;
    if let Some(missing) = key.iter().find(|key| !common.iter().any(|(name, _)| name == *key)) {
        return Err(DiffError::Key(missing.clone()));
    }
    common.truncate(MAX_COLUMNS);
    let (rows_before, known_before) = known(&first, &common).await?;
    let (rows_after, known_after) = known(&second, &common).await?;
    let rows = [rows_before, rows_after];
    let mut columns = Vec::with_capacity(common.len());
    for (at, (name, kind)) in common.iter().enumerate() {
        let both = [&known_before[at], &known_after[at]];
        columns.push(column(name, kind, both, rows, (shown.values_of)(name)));
    }
    in_bands([&first, &second], &mut columns, shown.min_group).await?;
    measure(&first, &second, &mut columns, [&known_before, &known_after], rows).await?;
    let by_key = match key.is_empty() {
        true => None,
        false => {
            first.add_table("newer", to.form, to.bytes).await?;
            Some(by_key(&first, &second, key, &common, &columns_retyped).await?)
        }
    };
    columns.iter_mut().filter(|column| !column.shows_values).for_each(|column| column.moved.clear());
    let shows_values = columns.iter().all(|column| column.shows_values);
    let (from, to) = (from.version, to.version);
    Ok(Diff {
        from,
        to,
        rows,
        columns_added,
        columns_removed,
        columns_retyped,
        by_key,
        columns,
        columns_left_out,
        shows_values,
    })
}

fn is_number(kind: &str) -> bool {
    matches!(kind, "integer" | "number" | "decimal")
}

fn is_ordered(kind: &str) -> bool {
    is_number(kind) || matches!(kind, "text" | "boolean" | "date" | "timestamp" | "time")
}

/// Whether values of this type can be told apart, and so counted.
fn is_plain(kind: &str) -> bool {
    is_ordered(kind) || kind == "json"
}

fn column(name: &str, kind: &str, known: [&Known; 2], rows: [u64; 2], shows_values: bool) -> ColumnDiff {
    let nulls = [rows[0].saturating_sub(known[0].values), rows[1].saturating_sub(known[1].values)];
    let enough = shows_values || known.iter().all(|known| known.values >= MIN_VALUES);
    let quantiles = |known: &Known| match known.quarters.as_slice() {
        [p25, p50, p75] => Some(Quantiles { p25: *p25, p50: *p50, p75: *p75 }),
        _ => None,
    };
    let quantiles = quantiles(known[0]).zip(quantiles(known[1])).filter(|_| enough).map(|(a, b)| [a, b]);
    let shown = |of: [&Option<String>; 2]| (shows_values && is_ordered(kind)).then(|| of.map(Clone::clone));
    ColumnDiff {
        name: name.to_owned(),
        kind: kind.to_owned(),
        shows_values,
        nulls,
        distinct: [known[0].distinct, known[1].distinct],
        min: shown([&known[0].min, &known[1].min]),
        max: shown([&known[0].max, &known[1].max]),
        quantiles,
        measure: None,
        distance: None,
        moved: vec![],
    }
}

/// Puts the beginning of a band in the place of each quantile of a column whose values are not shown, or nothing when a
/// band has too few rows: a quantile of few rows, or where they are far apart, is somebody's value.
async fn in_bands(frames: [&Frame; 2], columns: &mut [ColumnDiff], min_group: u64) -> Result<(), RowsError> {
    let mut banded = Vec::new();
    for column in columns.iter_mut().filter(|column| !column.shows_values) {
        let Some(both) = column.quantiles.take() else { continue };
        let Some(width) = band(&both) else { continue };
        banded.push((column, width, both.map(|of| of.each().map(|value| (value / width).floor() * width))));
    }
    for some in banded.chunks_mut(AT_ONCE) {
        let mut enough = vec![true; some.len()];
        for (side, frame) in frames.into_iter().enumerate() {
            let mut asked = Vec::new();
            for (column, width, begins) in some.iter() {
                let number = format!("CAST({} AS DOUBLE)", quoted(&column.name));
                for from in begins[side] {
                    let (n, to) = (asked.len(), from + width);
                    asked.push(format!(
                        "sum(CASE WHEN {number} >= {from:?} AND {number} < {to:?} THEN 1 ELSE 0 END) AS b{n}"
                    ));
                }
            }
            let row = Row::of(frame, &format!("SELECT {} FROM rows", asked.join(", "))).await?;
            for (at, enough) in enough.iter_mut().enumerate() {
                *enough &= (at * 3..at * 3 + 3).all(|at| row.count(at) >= min_group);
            }
        }
        for ((column, _, begins), enough) in some.iter_mut().zip(enough) {
            let begins = *begins;
            column.quantiles = enough.then(|| begins.map(|[p25, p50, p75]| Quantiles { p25, p50, p75 }));
        }
    }
    Ok(())
}

/// How wide bands are: about a fifth of where the middle half of the values lies, as 1, 2 or 5 and zeros.
fn band(both: &[Quantiles; 2]) -> Option<f64> {
    let spread = both.iter().map(|of| of.p75 - of.p25).fold(0.0, f64::max);
    let size = both.iter().flat_map(Quantiles::each).map(f64::abs).fold(0.0, f64::max);
    let about = match (spread > 0.0, size > 0.0) {
        (true, _) => spread / 5.0,
        (false, true) => size / 10.0,
        (false, false) => 1.0,
    };
    let power = 10_f64.powf(about.log10().floor());
    let width = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|width| *width >= about);
    width.filter(|width| width.is_normal())
}

/// How many rows there are, and what is known of each column.
async fn known(frame: &Frame, columns: &[(String, String)]) -> Result<(u64, Vec<Known>), RowsError> {
    let mut rows = Row::of(frame, "SELECT count(*) FROM rows").await?.count(0);
    let mut all = Vec::with_capacity(columns.len());
    for some in columns.chunks(AT_ONCE) {
        let mut asked = vec!["count(*)".to_owned()];
        let mut places = Vec::new();
        for (name, kind) in some {
            let column = quoted(name);
            places.push(asked.len());
            asked.push(format!("count({column})"));
            if is_plain(kind) {
                asked.push(format!("approx_distinct(CAST({column} AS VARCHAR))"));
            }
            if is_ordered(kind) {
                asked.push(format!("CAST(min({column}) AS VARCHAR)"));
                asked.push(format!("CAST(max({column}) AS VARCHAR)"));
            }
            if is_number(kind) {
                let number = format!("CAST({column} AS DOUBLE)");
                let shares = (1..10).map(|n| f64::from(n) / 10.0).chain([0.25, 0.5, 0.75]);
                asked.extend(
                    shares.map(|share| format!("approx_percentile_cont({share}) WITHIN GROUP (ORDER BY {number})")),
                );
            }
        }
        // Every answer has a name of its own: two columns may ask the same of themselves.
        let asked: Vec<String> = asked.iter().enumerate().map(|(n, what)| format!("{what} AS a{n}")).collect();
        let row = Row::of(frame, &format!("SELECT {} FROM rows", asked.join(", "))).await?;
        rows = row.count(0);
        for ((_, kind), at) in some.iter().zip(places) {
            let mut known = Known { values: row.count(at), ..Known::default() };
            if is_plain(kind) {
                // What is counted approximately may be more than there is.
                known.distinct = row.count(at + 1).min(known.values);
            }
            if is_ordered(kind) {
                (known.min, known.max) = (row.text(at + 2), row.text(at + 3));
            }
            if is_number(kind) {
                known.tenths = (at + 4..at + 13).filter_map(|at| row.number(at)).collect();
                known.quarters = (at + 13..at + 16).filter_map(|at| row.number(at)).collect();
            }
            all.push(known);
        }
    }
    Ok((rows, all))
}

/// How far the distributions of each column are apart.
async fn measure(
    first: &Frame,
    second: &Frame,
    columns: &mut [ColumnDiff],
    known: [&[Known]; 2],
    rows: [u64; 2],
) -> Result<(), RowsError> {
    let [before, after] = known;
    for (at, column) in columns.iter_mut().enumerate() {
        let few = column.distinct.iter().all(|count| *count <= MAX_CATEGORIES);
        let name = quoted(&column.name);
        if is_number(&column.kind) && !(few && column.distinct.iter().all(|count| *count <= 20)) {
            let mut edges = before[at].tenths.clone();
            edges.dedup();
            if edges.is_empty() || after[at].values == 0 {
                continue;
            }
            let (a, b) = (shares(first, &name, &edges).await?, shares(second, &name, &edges).await?);
            (column.measure, column.distance) = (Some("psi"), Some(stability(&a, &b)));
        } else if is_plain(&column.kind) && few && rows.iter().all(|rows| *rows > 0) {
            let (a, b) = (categories(first, &name).await?, categories(second, &name).await?);
            let (distance, moved) = variation(&a, &b, rows);
            (column.measure, column.distance, column.moved) = (Some("total_variation"), Some(distance), moved);
        }
    }
    Ok(())
}

/// The share of values up to each edge that are above the one before, and of those above the last.
async fn shares(frame: &Frame, column: &str, edges: &[f64]) -> Result<Vec<f64>, RowsError> {
    let below = |(n, edge): (usize, &f64)| {
        format!("sum(CASE WHEN CAST({column} AS DOUBLE) <= {edge:?} THEN 1 ELSE 0 END) AS b{n}")
    };
    let below: Vec<String> = edges.iter().enumerate().map(below).collect();
    let row = Row::of(frame, &format!("SELECT count({column}) AS n, {} FROM rows", below.join(", "))).await?;
    let total = row.count(0);
    let mut last = 0;
    let mut shares = Vec::with_capacity(edges.len() + 1);
    for at in 1..=edges.len() {
        let up_to = row.count(at);
        shares.push(share(up_to.saturating_sub(last), total));
        last = up_to;
    }
    shares.push(share(total.saturating_sub(last), total));
    Ok(shares)
}

#[expect(clippy::cast_precision_loss, reason = "a share of rows needs no more digits than it has")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn stability(before: &[f64], after: &[f64]) -> f64 {
    let some = |share: f64| share.max(EMPTY_SHARE);
    before.iter().zip(after).map(|(a, b)| (some(*b) - some(*a)) * (some(*b) / some(*a)).ln()).sum()
}

type Categories = BTreeMap<Option<String>, u64>;

async fn categories(frame: &Frame, column: &str) -> Result<Categories, RowsError> {
    let sql = format!("SELECT CAST({column} AS VARCHAR) AS v, count(*) AS n FROM rows GROUP BY 1");
    let mut counted = Categories::new();
    Row::each(frame, &sql, |row| {
        counted.insert(row.text(0), row.count(1));
    })
    .await?;
    Ok(counted)
}

fn variation(before: &Categories, after: &Categories, rows: [u64; 2]) -> (f64, Vec<Moved>) {
    let mut values: Vec<&Option<String>> = before.keys().chain(after.keys()).collect();
    values.sort_unstable();
    values.dedup();
    let count = |of: &Categories, value| of.get(value).copied().unwrap_or(0);
    let mut moved: Vec<(f64, Moved)> = values
        .into_iter()
        .map(|value| {
            let both = [count(before, value), count(after, value)];
            let by = (share(both[0], rows[0]) - share(both[1], rows[1])).abs();
            (by, Moved { value: value.clone(), rows: both })
        })
        .collect();
    let distance = moved.iter().map(|(by, _)| by).sum::<f64>() / 2.0;
    moved.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    moved.truncate(SHOWN_CATEGORIES);
    (distance, moved.into_iter().map(|(_, moved)| moved).collect())
}

/// Rows by key. `first` has the second version as table `newer`.
async fn by_key(
    first: &Frame,
    second: &Frame,
    key: &[String],
    common: &[(String, String)],
    retyped: &[[String; 3]],
) -> Result<RowDiff, RowsError> {
    let columns: Vec<String> = key.iter().map(|name| quoted(name)).collect();
    let same: Vec<String> = columns.iter().map(|column| format!("a.{column} = b.{column}")).collect();
    let same = same.join(" AND ");
    let added = format!("SELECT count(*) FROM newer AS b LEFT ANTI JOIN rows AS a ON {same}");
    let removed = format!("SELECT count(*) FROM rows AS a LEFT ANTI JOIN newer AS b ON {same}");
    let (mut differs, mut not_compared) = (Vec::new(), Vec::new());
    for (name, kind) in common.iter().filter(|(name, _)| !key.contains(name)) {
        match is_plain(kind) {
            true => differs.push(format!("(a.{0} IS DISTINCT FROM b.{0})", quoted(name))),
            false => not_compared.push(name.clone()),
        }
    }
    for [name, was, is] in retyped {
        // A number is what it is, whichever type its column has.
        match is_number(was) && is_number(is) && differs.len() < MAX_COLUMNS {
            true => {
                differs.push(format!("(CAST(a.{0} AS DOUBLE) IS DISTINCT FROM CAST(b.{0} AS DOUBLE))", quoted(name)))
            }
            false => not_compared.push(name.clone()),
        }
    }
    let changed = match differs.is_empty() {
        true => 0,
        false => {
            let sql =
                format!("SELECT count(*) FROM rows AS a JOIN newer AS b ON {same} WHERE {}", differs.join(" OR "));
            Row::of(first, &sql).await?.count(0)
        }
    };
    let (whole, listed) = (columns.iter().map(|column| format!("{column} IS NOT NULL")), columns.join(", "));
    let clear = format!(
        "SELECT count(*) FROM (SELECT {listed} FROM rows WHERE {} GROUP BY {listed} HAVING count(*) = 1)",
        whole.collect::<Vec<_>>().join(" AND ")
    );
    let mut unclear = [0, 0];
    for (frame, unclear) in [first, second].into_iter().zip(&mut unclear) {
        let rows = Row::of(frame, "SELECT count(*) FROM rows").await?.count(0);
        *unclear = rows.saturating_sub(Row::of(frame, &clear).await?.count(0));
    }
    Ok(RowDiff {
        key: key.to_vec(),
        added: Row::of(first, &added).await?.count(0),
        removed: Row::of(first, &removed).await?.count(0),
        changed,
        unclear,
        not_compared,
    })
}
