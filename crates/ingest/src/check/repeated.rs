//! Rows that have the same values as others, in memory that does not grow with the rows, and with nothing on a disk.
//!
//! This is for more rows than [`query::rows::REPEATED_ROWS`] takes, and for the rows themselves. The hashes of a pass are sorted, and
//! those that are there more than once are counted. When there are more than memory holds, a pass before marks two bits for each hash, so that most
//! of those that are there once are left out of what follows; and what is left is taken in several passes, each over a
//! range of the hashes. A range ends where memory does, and the next pass begins there.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use domain::data::Unsure;
use query::QueryError;
use query::rows::{Frame, RowsError, hashes};

use super::compile::Compiled;
use super::{MAX_KEPT_ROWS, unsure};
use crate::numbers::quoted;

/// Hashes that are held at once, over all that is asked: 256 MiB.
const MAX_HASHES: usize = if cfg!(test) { 64 } else { 16 << 20 };

/// Marks over all that is asked, two bits each: 128 MiB.
const MAX_MARKS: usize = if cfg!(test) { 1 << 10 } else { 1 << 29 };

/// What was found of some columns.
#[derive(Default)]
pub(super) struct Found {
    /// Rows that have the same values as another.
    pub rows: u64,
    /// Hashes of such values, not more than rows are kept.
    some: HashSet<u128>,
}

/// Two bits for each hash: whether one like it was there, and whether another.
struct Marks {
    once: Vec<u64>,
    again: Vec<u64>,
}

impl Marks {
    fn new(marks: usize) -> Self {
        let words = 1 << (marks / 64).max(1).ilog2();
        Self { once: vec![0; words], again: vec![0; words] }
    }

    fn place(&self, hash: u128) -> (usize, u64) {
        let place = hash as usize;
        ((place / 64) & (self.once.len() - 1), 1 << (place % 64))
    }

    fn mark(&mut self, hash: u128) {
        let (word, bit) = self.place(hash);
        if self.once[word] & bit != 0 {
            self.again[word] |= bit;
        }
        self.once[word] |= bit;
    }

    fn may_repeat(&self, hash: u128) -> bool {
        let (word, bit) = self.place(hash);
        self.again[word] & bit != 0
    }
}

/// What is looked for in some columns, over one pass after the other.
struct Search {
    /// Where the columns are in what was asked.
    columns: Vec<usize>,
    marks: Option<Marks>,
    /// Where the range of this pass begins, and where the next one does.
    from: u128,
    to: Option<u128>,
    /// Hashes in the range. Of those that were settled each is here once, however often it was there.
    hashes: Vec<u128>,
    /// Hashes of the range that are there more than once, sorted, with how often.
    repeated: Vec<(u128, u64)>,
    most: usize,
    found: Found,
    ended: bool,
}

impl Search {
    fn new(columns: Vec<usize>, most: usize, rows: u64) -> Self {
        let most = most.max(8);
        Self {
            columns,
            marks: None,
            from: 0,
            to: None,
            hashes: Vec::with_capacity(usize::try_from(rows).unwrap_or(most).min(most)),
            repeated: Vec::new(),
            most,
            found: Found::default(),
            ended: false,
        }
    }

    fn take(&mut self, hash: u128) {
        let inside = hash >= self.from && self.to.is_none_or(|to| hash < to);
        if !inside || self.marks.as_ref().is_some_and(|marks| !marks.may_repeat(hash)) {
            return;
        }
        if self.held() >= self.most {
            self.settle();
            self.make_room();
            if self.to.is_some_and(|to| hash >= to) {
                return;
            }
        }
        self.hashes.push(hash);
    }

    /// What is held, in hashes: what was counted takes as much as two.
    fn held(&self) -> usize {
        self.hashes.len() + 2 * self.repeated.len()
    }

    /// Leaves of each hash one, and counts those that are there more than once.
    fn settle(&mut self) {
        self.hashes.sort_unstable();
        let mut known = std::mem::take(&mut self.repeated);
        let before = known.len();
        for same in self.hashes.chunk_by(|one, other| one == other) {
            let (hash, rows) = (same[0], same.len() as u64);
            match known[..before].binary_search_by_key(&hash, |(known, _)| *known) {
                // One of them is what stands for those that were counted.
                Ok(at) => known[at].1 += rows - 1,
                Err(_) if rows > 1 => known.push((hash, rows)),
                Err(_) => {}
            }
        }
        known.sort_unstable();
        self.repeated = known;
        self.hashes.dedup();
    }

    /// Ends the range earlier when what was settled leaves too little room.
    fn make_room(&mut self) {
        if self.held() <= self.most / 2 {
            return;
        }
        // Of eight and more that are held, two at least are different.
        let to = self.hashes[self.hashes.len() / 2];
        self.to = Some(to);
        self.hashes.retain(|hash| *hash < to);
        self.repeated.retain(|(hash, _)| *hash < to);
    }

    /// What a pass found is counted; the next one begins where it ended.
    fn pass_ended(&mut self) {
        self.settle();
        for (hash, rows) in self.repeated.drain(..) {
            self.found.rows += rows;
            if self.found.some.len() < MAX_KEPT_ROWS {
                self.found.some.insert(hash);
            }
        }
        self.hashes.clear();
        match self.to.take() {
            Some(to) => self.from = to,
            None => {
                self.ended = true;
                (self.hashes, self.marks) = (Vec::new(), None);
            }
        }
    }
}

/// How many rows have the same values as others in each of `keys`, which are columns of the contract. There are `rows` rows.
/// Inside, why it cannot be told.
///
/// # Errors
/// When the rows cannot be read.
pub(super) async fn repeated(
    frame: &Frame,
    compiled: &Compiled<'_>,
    keys: &[&[String]],
    rows: u64,
) -> Result<Result<Vec<Found>, Unsure>, RowsError> {
    let mut names: Vec<&String> = keys.iter().copied().flatten().collect();
    names.sort_unstable();
    names.dedup();
    let picked: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let sql = format!("SELECT {} FROM {} t", picked.join(", "), compiled.typed());
    let places = |key: &&[String]| key.iter().filter_map(|name| names.binary_search(&name).ok()).collect();
    let most = MAX_HASHES / keys.len().max(1);
    let mut searches: Vec<Search> = keys.iter().map(|key| Search::new(places(key), most, rows)).collect();
    if rows > most as u64 {
        for search in &mut searches {
            search.marks = Some(Marks::new(MAX_MARKS / keys.len().max(1)));
        }
        let mark = |search: &mut Search, hash| search.marks.iter_mut().for_each(|marks| marks.mark(hash));
        match pass(frame, &sql, searches, mark).await? {
            Ok(marked) => searches = marked,
            Err(why) => return Ok(Err(why)),
        }
    }
    while searches.iter().any(|search| !search.ended) {
        match pass(frame, &sql, searches, Search::take).await? {
            Ok(passed) => searches = passed,
            Err(why) => return Ok(Err(why)),
        }
        searches = apart(searches, |searches| {
            searches.iter_mut().filter(|search| !search.ended).for_each(Search::pass_ended);
            Ok(())
        })
        .await?;
    }
    Ok(Ok(searches.into_iter().map(|search| search.found).collect()))
}

/// Reads all rows once.
async fn pass(
    frame: &Frame,
    sql: &str,
    mut searches: Vec<Search>,
    each: impl Fn(&mut Search, u128) + Copy + Send + 'static,
) -> Result<Result<Vec<Search>, Unsure>, RowsError> {
    let failed = |error| match error {
        RowsError::Query(error) => Ok(Err(unsure(&error))),
        other => Err(other),
    };
    let mut rows = match frame.select(sql).await {
        Ok(rows) => rows,
        Err(error) => return failed(error),
    };
    loop {
        let batch = match rows.next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(Ok(searches)),
            Err(error) => return failed(error),
        };
        searches = apart(searches, move |searches| {
            for search in searches.iter_mut().filter(|search| !search.ended) {
                let columns: Vec<ArrayRef> =
                    search.columns.iter().map(|at| ArrayRef::clone(batch.column(*at))).collect();
                hashes(&columns)?.into_iter().flatten().for_each(|hash| each(search, hash));
            }
            Ok(())
        })
        .await?;
    }
}

/// Does what computes for long on a thread for that.
async fn apart(
    mut searches: Vec<Search>,
    work: impl FnOnce(&mut Vec<Search>) -> Result<(), ArrowError> + Send + 'static,
) -> Result<Vec<Search>, RowsError> {
    let done = tokio::task::spawn_blocking(move || work(&mut searches).map(|()| searches)).await;
    let done = done.map_err(|error| QueryError::Internal(error.to_string()))?;
    Ok(done.map_err(|error| QueryError::Internal(error.to_string()))?)
}

/// Rows of which the values in `key` were found more than once, as they came, each with the name of the rule: up to as many as are kept.
///
/// # Errors
/// When the rows cannot be read. What cannot be asked has no rows.
pub(super) async fn rows_of(
    frame: &Frame,
    compiled: &Compiled<'_>,
    key: &[String],
    found: &Found,
    rule: &str,
) -> Result<Vec<RecordBatch>, RowsError> {
    let internal = |error: ArrowError| QueryError::Internal(error.to_string());
    let picked: Vec<String> =
        key.iter().map(|name| format!("t.{} AS {}", quoted(name), compiled.in_key(name))).collect();
    let sql = format!("SELECT {}, {} FROM {} t", compiled.as_they_came(), picked.join(", "), compiled.typed());
    let (mut kept, mut count) = (Vec::new(), 0);
    let mut rows = match frame.select(&sql).await {
        Ok(rows) => rows,
        Err(RowsError::Query(_)) => return Ok(kept),
        Err(other) => return Err(other),
    };
    while count < MAX_KEPT_ROWS {
        let batch = match rows.next().await {
            Ok(Some(batch)) => batch,
            Ok(None) | Err(RowsError::Query(_)) => break,
            Err(other) => return Err(other),
        };
        let (came, keys) = batch.columns().split_at(batch.num_columns() - key.len());
        let hashes = hashes(keys).map_err(internal)?;
        let is_meant = |hash: Option<u128>| hash.is_some_and(|hash| found.some.contains(&hash));
        let meant: BooleanArray = hashes.into_iter().map(|hash| Some(is_meant(hash))).collect();
        if meant.true_count() == 0 {
            continue;
        }
        let schema = batch.schema();
        let fields = schema.fields().iter().take(came.len()).map(|field| field.as_ref().clone());
        let named = Field::new(compiled.broken_rules(), DataType::Utf8, true);
        let schema = Schema::new(fields.chain([named]).collect::<Vec<_>>());
        let names: ArrayRef = Arc::new(StringArray::from(vec![rule; batch.num_rows()]));
        let columns = came.iter().cloned().chain([names]).collect();
        let all = RecordBatch::try_new(Arc::new(schema), columns).map_err(internal)?;
        let some = filter_record_batch(&all, &meant).map_err(internal)?;
        count += some.num_rows();
        kept.push(some);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these have another like them, with memory for few.
    fn count(of: &[u128], most: usize, marked: bool) -> (u64, usize) {
        let mut search = Search::new(vec![0], most, of.len() as u64);
        if marked {
            let mut marks = Marks::new(256);
            of.iter().for_each(|hash| marks.mark(*hash));
            search.marks = Some(marks);
        }
        let mut passes = 0;
        while !search.ended {
            of.iter().for_each(|hash| search.take(*hash));
            search.pass_ended();
            passes += 1;
        }
        (search.found.rows, passes)
    }

    /// As good as random, the same each time.
    fn hash(n: u128) -> u128 {
        let spread = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        spread ^ (spread >> 61)
    }

    #[test]
    fn given_more_than_memory_holds_when_counted_then_several_passes_find_the_same() {
        // Each of 100 twice, one 300 times, and 400 that are there once, all mixed.
        let mut all: Vec<u128> = (0..100).flat_map(|n| [hash(n), hash(n)]).collect();
        all.extend(std::iter::repeat_n(hash(1_000), 300));
        all.extend((2_000..2_400).map(hash));
        all.sort_unstable_by_key(|hash| hash.wrapping_mul(0x2545_f491_4f6c_dd1d));
        for marked in [false, true] {
            assert_eq!(count(&all, 10_000, marked), (500, 1));
            let (rows, passes) = count(&all, 40, marked);
            assert_eq!(rows, 500);
            assert!((2..60).contains(&passes), "{passes}");
        }
        assert_eq!(count(&[], 8, false), (0, 1));
        assert_eq!(count(&[7; 1000], 8, false), (1000, 1), "one value takes one place");
        let pairs: Vec<u128> = (0..200).flat_map(|n| [hash(n), hash(n)]).collect();
        assert_eq!(count(&pairs, 8, true).0, 400);
    }
}
