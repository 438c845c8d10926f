//! What is seen of the columns of a version, as a contract's checks will see them: counts and ends in one pass for several
//! columns, then a pass for each short list of values and for each key that there may be. Memory is a frame's.

use std::collections::BTreeMap;

use domain::data::contracts::Severity;
use domain::data::{ColumnType, Contract, ContractColumn, Tolerance};
use query::rows::{Frame, RowsError};

use super::super::compile::Compiled;
use crate::classify::is_about_somebody;
use crate::numbers::{Row, quoted};

/// Columns that are looked at: more have no room in a contract.
const MAX_COLUMNS: usize = 150;

/// Columns that one question asks of.
const AT_ONCE: usize = 25;

/// The most values that a column has which only has some.
const MAX_ALLOWED: usize = 20;

/// In how many rows each of them is at least: what is there in fewer may be somebody's.
pub(super) const MIN_EACH: u64 = 5;

/// The longest of them, in bytes.
const MAX_VALUE_BYTES: usize = 64;

/// The longest list of them, in bytes: it is part of one expression.
const MAX_LIST_BYTES: usize = 1200;

/// Columns whose values are listed; each takes a pass.
const MAX_LISTED: usize = 30;

/// Columns that are asked whether they tell rows apart; each takes a pass.
const MAX_KEYS: usize = 5;

/// Rows below which two columns together tell rows apart by chance.
const MIN_ROWS_OF_A_PAIR: u64 = 100;

/// Values that say what a column of numbers or dates is.
const SAMPLE: usize = 2000;

/// What was seen of a column.
#[derive(Clone, Debug)]
pub(in crate::check) struct Seen {
    pub name: String,
    /// Its place, from 1.
    pub place: usize,
    /// The word for the type that the file has.
    pub word: String,
    /// The type in a contract.
    pub kind: ColumnType,
    /// Why no value of it may be written down.
    pub hidden: Option<&'static str>,
    /// Whether anything could be asked of it.
    pub asked: bool,
    /// Rows with a value.
    pub values: u64,
    /// Different values, approximately.
    pub distinct: u64,
    /// The least and the greatest, as SQL writes numbers, or as days.
    pub ends: Option<(String, String)>,
    /// Values that are infinite or not a number.
    pub unbounded: u64,
    /// Characters of the shortest and the longest text.
    pub lengths: Option<(u64, u64)>,
    /// All values, when they are few and each is there often.
    pub allowed: Vec<String>,
    /// Whether no value is there twice.
    pub unique: bool,
}

impl Seen {
    pub fn is_time(&self) -> bool {
        matches!(self.kind, ColumnType::Date | ColumnType::Timestamp)
    }

    /// What is asked of it, as expressions over all rows.
    fn questions(&self) -> Vec<String> {
        let column = quoted(&self.name);
        let mut asked = vec![format!("count({column})"), format!("approx_distinct(CAST({column} AS VARCHAR))")];
        if self.hidden.is_some() {
            return asked;
        }
        let ends = |of: &str| [format!("min({of})"), format!("max({of})")];
        match self.kind {
            ColumnType::Integer => asked.extend(ends(&column).map(|end| format!("CAST({end} AS VARCHAR)"))),
            ColumnType::Number => {
                // The difference of what is infinite or no number is no number.
                let finite = format!("CASE WHEN {column} - {column} = 0 THEN {column} END");
                asked.extend(ends(&finite));
                asked.push(format!("count({column}) - count({finite})"));
            }
            ColumnType::Date | ColumnType::Timestamp => {
                let day = format!("CAST({column} AS DATE)");
                asked.extend(ends(&day).map(|end| format!("CAST({end} AS VARCHAR)")));
            }
            ColumnType::Text if self.word == "text" => asked.extend(ends(&format!("char_length({column})"))),
            ColumnType::Text | ColumnType::Boolean => {}
        }
        asked
    }

    /// Takes what was answered to these, from a place in the row on.
    fn take(&mut self, row: &Row, at: usize) {
        // Of lists, bytes and the like there is no value in any type of a contract.
        let plain = ["text", "json", "integer", "number", "decimal", "boolean", "date", "timestamp"];
        (self.asked, self.values, self.distinct) =
            (plain.contains(&self.word.as_str()), row.count(at), row.count(at + 1));
        if self.hidden.is_some() || self.values == 0 {
            return;
        }
        match self.kind {
            ColumnType::Integer | ColumnType::Date | ColumnType::Timestamp => {
                self.ends = row.text(at + 2).zip(row.text(at + 3));
            }
            ColumnType::Number => {
                // Shortest digits that give the same number again.
                self.ends = row
                    .number(at + 2)
                    .zip(row.number(at + 3))
                    .map(|(min, max)| (format!("{min:?}"), format!("{max:?}")));
                self.unbounded = row.count(at + 4);
            }
            ColumnType::Text if self.word == "text" => self.lengths = Some((row.count(at + 2), row.count(at + 3))),
            ColumnType::Text | ColumnType::Boolean => {}
        }
    }
}

/// How many rows there are, what is seen of each column that a contract can name, and what is not looked at.
pub(super) async fn looked_at(
    frame: &Frame,
    hidden: &BTreeMap<String, &'static str>,
) -> Result<(u64, Vec<Seen>, Vec<String>), RowsError> {
    let present = frame.columns();
    let (mut columns, mut left_out) = named(&present, hidden);
    let contract = typed_by(&columns);
    let typed = Compiled::new(&contract, &present).typed();
    let rows = Row::of(frame, "SELECT count(*) FROM rows").await?.count(0);
    if rows == 0 {
        return Ok((0, columns, left_out));
    }
    for some in columns.chunks_mut(AT_ONCE) {
        if ask(frame, &typed, some).await.is_ok() {
            continue;
        }
        // One that cannot be asked does not hide the others.
        for one in some {
            match ask(frame, &typed, std::slice::from_mut(one)).await {
                Ok(()) => {}
                Err(RowsError::Query(_)) => {
                    left_out.push(format!("column `{}`: its values cannot be asked for", one.name))
                }
                Err(other) => return Err(other),
            }
        }
    }
    list(frame, &typed, &mut columns).await?;
    tell_apart(frame, &typed, rows, &mut columns, &mut left_out).await?;
    Ok((rows, columns, left_out))
}

/// The columns that a contract can name.
fn named(present: &[(String, String)], hidden: &BTreeMap<String, &'static str>) -> (Vec<Seen>, Vec<String>) {
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for (place, (name, word)) in (1..).zip(present) {
        let usual = |c: char| !c.is_control() && c != '"' && c != '\\';
        if name.is_empty() || name.len() > 64 || !name.chars().all(usual) {
            left_out.push(format!("column {place}: a contract has no name like that one's"));
        } else if is_about_somebody(name) {
            left_out.push(format!("column {place}: its name looks like data about a person"));
        } else if columns.len() >= MAX_COLUMNS {
            left_out.push(format!("{} columns: one contract has no room for them", present.len() - place + 1));
            break;
        } else {
            columns.push(Seen {
                name: name.clone(),
                place,
                word: word.clone(),
                kind: kind_of(word),
                hidden: hidden.get(name).copied(),
                asked: false,
                values: 0,
                distinct: 0,
                ends: None,
                unbounded: 0,
                lengths: None,
                allowed: Vec::new(),
                unique: false,
            });
        }
    }
    (columns, left_out)
}

/// The type in a contract for the word of a column's type. Lists, bytes and the like are text of which nothing can be said.
fn kind_of(word: &str) -> ColumnType {
    match word {
        "integer" => ColumnType::Integer,
        "number" | "decimal" => ColumnType::Number,
        "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        _ => ColumnType::Text,
    }
}

/// A contract that says of the columns what type they are, so that they are seen as its checks see them.
fn typed_by(columns: &[Seen]) -> Contract {
    let column = |one: &Seen| ContractColumn {
        name: one.name.clone(),
        kind: one.kind,
        required: false,
        unique: false,
        unit: None,
        min: None,
        max: None,
        allowed: vec![],
        pattern: None,
        missing: vec![],
        severity: Severity::Blocking,
        tolerance: Tolerance::Nothing,
    };
    Contract {
        name: String::new(),
        dataset: String::new(),
        models: vec![],
        closed: false,
        columns: columns.iter().map(column).collect(),
        keys: vec![],
        freshness: None,
        rules: vec![],
        references: vec![],
    }
}

async fn ask(frame: &Frame, typed: &str, some: &mut [Seen]) -> Result<(), RowsError> {
    let (mut asked, mut places) = (Vec::new(), Vec::new());
    for one in some.iter() {
        places.push(asked.len());
        asked.extend(one.questions());
    }
    let named: Vec<String> = asked.iter().enumerate().map(|(n, sql)| format!("{sql} AS \"n{n}\"")).collect();
    let row = Row::of(frame, &format!("SELECT {} FROM {typed} t", named.join(", "))).await?;
    for (one, place) in some.iter_mut().zip(places) {
        one.take(&row, place);
    }
    Ok(())
}

/// Lists the values of columns that only have a few.
async fn list(frame: &Frame, typed: &str, columns: &mut [Seen]) -> Result<(), RowsError> {
    // What is counted approximately may be a few fewer.
    let few = |one: &&mut Seen| one.lengths.is_some() && one.distinct <= MAX_ALLOWED as u64 + 4;
    for one in columns.iter_mut().filter(few).take(MAX_LISTED) {
        let column = quoted(&one.name);
        let most = MAX_ALLOWED + 1;
        let sql = format!(
            "SELECT {column}, count(*) AS \"__n\" FROM {typed} t WHERE {column} IS NOT NULL GROUP BY {column} LIMIT {most}"
        );
        let (mut values, mut often) = (Vec::new(), true);
        let each = Row::each(frame, &sql, |row| {
            often &= row.count(1) >= MIN_EACH;
            values.extend(row.text(0));
        });
        match each.await {
            Ok(()) => {}
            Err(RowsError::Query(_)) => continue,
            Err(other) => return Err(other),
        }
        values.sort_unstable();
        let plain = |value: &String| value.len() <= MAX_VALUE_BYTES && !value.chars().any(char::is_control);
        let bytes: usize = values.iter().map(|value| value.len() + 4).sum();
        if often && values.len() <= MAX_ALLOWED && bytes <= MAX_LIST_BYTES && values.iter().all(plain) {
            one.allowed = values;
        }
    }
    Ok(())
}

/// Finds columns that each tell rows apart. Two that only do so together, and times as text, may do so by chance: they are
/// named.
async fn tell_apart(
    frame: &Frame,
    typed: &str,
    rows: u64,
    columns: &mut [Seen],
    left_out: &mut Vec<String>,
) -> Result<(), RowsError> {
    let whole = |one: &Seen| one.asked && one.values == rows && one.distinct > 1;
    let may_be = |one: &Seen| {
        let of_kind = matches!(one.kind, ColumnType::Integer | ColumnType::Text) && one.word != "json";
        whole(one) && of_kind && one.distinct >= rows - rows / 10
    };
    let mut found = false;
    for one in columns.iter_mut().filter(|one| may_be(one)).take(MAX_KEYS) {
        let is = is_key(frame, typed, &[&one.name]).await?;
        if is == Some(true) && are_times(frame, typed, one).await? {
            left_out
                .push(format!("column `{}` as unique: no time in it is there twice, which may be chance", one.name));
            continue;
        }
        match is {
            Some(is) => one.unique = is,
            None => left_out.push(format!("whether column `{}` tells rows apart: it takes too much to ask", one.name)),
        }
        found |= one.unique;
    }
    if found || rows < MIN_ROWS_OF_A_PAIR {
        return Ok(());
    }
    let mut most: Vec<usize> = (0..columns.len()).collect();
    most.retain(|at| {
        columns.get(*at).is_some_and(|one| whole(one) && one.kind != ColumnType::Number && one.word != "json")
    });
    most.sort_by_key(|at| std::cmp::Reverse(columns.get(*at).map_or(0, |one| one.distinct)));
    most.truncate(4);
    for (n, first) in most.iter().enumerate() {
        for second in most.iter().skip(n + 1) {
            let (Some(one), Some(other)) = (columns.get(*first), columns.get(*second)) else { continue };
            // Counted approximately, it may be a few fewer.
            let enough = one.distinct.saturating_mul(other.distinct) >= rows - rows / 10;
            if enough && is_key(frame, typed, &[&one.name, &other.name]).await? == Some(true) {
                left_out.push(format!(
                    "a key of columns `{}` and `{}`: together they tell these rows apart, which may be chance; write it into \
                     `keys` if they always do",
                    one.name, other.name
                ));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether no two rows have the same values in some columns; `None` when that takes too much to ask.
async fn is_key(frame: &Frame, typed: &str, columns: &[&String]) -> Result<Option<bool>, RowsError> {
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let names = names.join(", ");
    let sql = format!(
        "SELECT count(*) FROM (SELECT count(*) AS n FROM {typed} t GROUP BY {names} HAVING count(*) > 1 LIMIT 1) g"
    );
    match Row::of(frame, &sql).await {
        Ok(row) => Ok(Some(row.count(0) == 0)),
        Err(RowsError::Query(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Whether all values of a column are text that says when: that no two are alike may be chance.
async fn are_times(frame: &Frame, typed: &str, one: &Seen) -> Result<bool, RowsError> {
    if one.word != "text" {
        return Ok(false);
    }
    let time = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.+Z-]*)?$";
    let column = quoted(&one.name);
    let sql = format!("SELECT count(*) FROM {typed} t WHERE NOT regexp_like(CAST({column} AS VARCHAR), '{time}')");
    match Row::of(frame, &sql).await {
        Ok(row) => Ok(row.count(0) == 0),
        Err(RowsError::Query(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// The first values of some columns, as text: of times, the day.
pub(super) async fn sampled(
    frame: &Frame,
    columns: &[(String, String)],
) -> Result<Vec<(String, Vec<String>)>, RowsError> {
    let mut sampled: Vec<(String, Vec<String>)> = columns.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    if columns.is_empty() {
        return Ok(sampled);
    }
    let picked = columns.iter().enumerate().map(|(n, (name, word))| {
        let name = quoted(name);
        let value = if word == "timestamp" { format!("CAST({name} AS DATE)") } else { name };
        format!("CAST({value} AS VARCHAR) AS \"n{n}\"")
    });
    let picked: Vec<String> = picked.collect();
    let sql = format!("SELECT {} FROM rows LIMIT {SAMPLE}", picked.join(", "));
    Row::each(frame, &sql, |row| {
        for (at, (_, values)) in sampled.iter_mut().enumerate() {
            values.extend(row.text(at));
        }
    })
    .await?;
    Ok(sampled)
}
