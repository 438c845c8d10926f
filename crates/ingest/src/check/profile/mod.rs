//! What a contract could say of a version: proposed by its rows, and held against them before it is answered.
//!
//! The text of a contract lies in the ledger for good. So values go into one of columns only whose class is public or internal,
//! in which detectors found nothing, and, as a list, only when each is there in several rows.

mod draft;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::data::{Contract, DataClass, Verdict};
use domain::{Refusal, RefusalCode};
use engine::{Engine, ExecuteError, Principal};
use query::QueryError;
use query::rows::{Frame, RowsError};
use scan::detect::Detectors;
use serde::Serialize;

use self::draft::{Column, Draft, Rule};
use self::seen::{Seen, looked_at};
use super::compile::text;
use super::run::{PATIENCE, TURNS, WHOLE, late, opened, unreadable};
use super::{References, check};
use crate::classify::{classify, says_nothing_of_anybody};
use crate::numbers::quoted;

/// How often what does not hold is taken out: what depends on it shows then.
const ROUNDS: usize = 4;

/// Why no value of a column is written down in which detectors find something.
const FOUND: &str = "of what detectors find in it";

/// A contract that is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The data set.
    pub dataset: String,
    /// The version that it was made of.
    pub version: String,
    /// How many rows that has.
    pub rows: u64,
    /// The contract, as TOML.
    pub text: String,
    /// What it does not say, and why.
    pub left_out: Vec<String>,
}

/// What is known of a version beside its rows.
pub(super) struct Known {
    /// What the contract is called.
    pub name: String,
    pub dataset: String,
    pub version: String,
    /// Columns of which no value may be written down, and why.
    pub hidden: BTreeMap<String, &'static str>,
    /// What looks for more of them.
    pub detectors: Arc<Detectors>,
}

/// Proposes a contract by the rows of a version.
///
/// # Errors
/// [`ExecuteError::Refused`] when `who` may not read it, it has no rows, or they cannot be read.
pub async fn profile_version(
    engine: &Arc<Engine>,
    who: &Principal,
    dataset: &str,
    version: &str,
) -> Result<Proposal, ExecuteError> {
    let known = engine.readable_version(who, dataset, version).await?;
    let subject = known.subjects.map(|subjects| subjects.column);
    let looked = async {
        let _turn = TURNS.acquire().await;
        let wrong = |error: RowsError| unreadable(dataset, version, &error);
        let frame = opened(engine, dataset, version).await?.map_err(wrong)?.with_timeout(PATIENCE);
        let hidden = engine.read(|state| {
            let declared = frame.columns().into_iter().filter_map(|(column, _)| {
                let shown = matches!(
                    state.field_class(dataset, Some(column.as_str())),
                    Some(DataClass::Public | DataClass::Internal)
                );
                match subject.as_ref() == Some(&column) {
                    true => Some((column, "it says whom a row is about")),
                    false => (!shown).then_some((column, "its class is neither public nor internal")),
                }
            });
            declared.collect::<BTreeMap<String, &'static str>>()
        });
        let name = engine.contract_in_force(dataset).map_or(dataset.to_owned(), |known| known.published.contract);
        let detectors = engine.detectors().detectors;
        let known = Known { name, dataset: dataset.to_owned(), version: version.to_owned(), hidden, detectors };
        // Detectors see the same sample each time.
        let in_order = opened(engine, dataset, version).await?.map_err(wrong)?.with_timeout(PATIENCE).in_order();
        propose(&frame, &in_order, known).await.map_err(wrong)?.map_err(ExecuteError::from)
    };
    let looked = tokio::time::timeout(WHOLE, looked).await;
    looked.map_err(|_| late("profile", dataset, version))?
}

/// Proposes a contract by the rows of a frame; inside, why there is none.
pub(super) async fn propose(
    frame: &Frame,
    in_order: &Frame,
    mut known: Known,
) -> Result<Result<Proposal, Refusal>, RowsError> {
    let refuse = |message: String| Ok(Err(Refusal::new(RefusalCode::Invalid, message)));
    hide_what_is_found(in_order, &known.detectors, &mut known.hidden).await?;
    let (rows, columns, left_out) = looked_at(frame, &known.hidden).await?;
    if rows == 0 {
        return refuse(format!("version `{}` has no rows, so nothing can be said of them", known.version));
    }
    let mut draft = drafted(&known, rows, frame.columns().len(), &columns, left_out);
    for _ in 0..ROUNDS {
        let (text, left_out) = draft.written();
        let contract = match Contract::parse(&text) {
            Ok(contract) => contract,
            Err(error) => return refuse(format!("no contract can be made of its columns: {}", error.why)),
        };
        says_nothing_of_anybody(&text).map_err(QueryError::Internal)?;
        // Nothing is asked of the time.
        let checked = check(&contract, frame, &References::new(), 0).await?;
        let broken = checked.results.iter().filter(|one| one.verdict != Verdict::Passed);
        let broken: Vec<String> = broken.map(|one| one.rule.clone()).collect();
        if broken.is_empty() {
            let Known { dataset, version, .. } = known;
            return Ok(Ok(Proposal { dataset, version, rows, text, left_out }));
        }
        for name in broken {
            draft.drop(&name);
            draft.left_out.push(format!("`{name}`: the version itself does not pass it, or it takes too much to ask"));
        }
    }
    refuse("no contract was found that the version passes: write one by hand".to_owned())
}

/// Hides the columns in which detectors find something that is about somebody or secret, and those that they did not see.
async fn hide_what_is_found(
    in_order: &Frame,
    detectors: &Arc<Detectors>,
    hidden: &mut BTreeMap<String, &'static str>,
) -> Result<(), RowsError> {
    let found = classify(in_order, detectors).await?;
    let seen: BTreeMap<&str, bool> = found
        .columns
        .iter()
        .filter_map(|one| {
            let is = one.found.iter().any(|kind| kind.secret || kind.class > DataClass::Internal);
            Some((one.column.as_deref()?, is))
        })
        .collect();
    let mut others = Vec::new();
    for (name, word) in in_order.columns() {
        match seen.get(name.as_str()) {
            Some(true) => {
                hidden.entry(name).or_insert(FOUND);
            }
            None => {
                hidden.entry(name).or_insert("detectors did not look at it");
            }
            Some(false) if hidden.contains_key(&name) => {}
            Some(false) if matches!(word.as_str(), "number" | "decimal" | "date" | "timestamp") => {
                others.push((name, word))
            }
            Some(false) => {}
        }
    }
    // Numbers and dates are no text to look through; as a column they may be of birth all the same.
    let sampled = seen::sampled(in_order, &others).await?;
    let detectors = Arc::clone(detectors);
    let personal = tokio::task::spawn_blocking(move || {
        let of = |(name, values): &(String, Vec<String>)| {
            let kind = detectors.column(name, values.iter().map(String::as_str));
            kind.is_some_and(|(kind, score)| {
                score >= crate::classify::SURE_PERMILLE
                    && crate::classify::class_of(detectors.class(kind)) > DataClass::Internal
            })
        };
        sampled.into_iter().filter(of).map(|(name, _)| name).collect::<Vec<_>>()
    });
    for name in personal.await.map_err(|error| RowsError::Io(std::io::Error::other(error)))? {
        hidden.entry(name).or_insert(FOUND);
    }
    Ok(())
}

/// What is proposed by what was seen.
fn drafted(known: &Known, rows: u64, width: usize, columns: &[Seen], left_out: Vec<String>) -> Draft {
    let mut draft = Draft {
        name: known.name.clone(),
        dataset: known.dataset.clone(),
        version: known.version.clone(),
        rows,
        width,
        columns: Vec::new(),
        rules: Vec::new(),
        left_out,
    };
    let mut names = BTreeSet::new();
    for one in columns {
        draft.columns.push(Column {
            name: one.name.clone(),
            kind: one.kind,
            required: one.asked && one.values == rows,
            unique: one.unique,
            seen: told(one, rows),
        });
        if let Some(why) = one.hidden {
            draft.left_out.push(format!("values of column `{}`: {why}", one.name));
        }
        draft.rules.extend(rule(one, &mut names));
    }
    // Half of what there was: a version that lost more has lost something.
    let least = (rows / 2).max(1);
    draft.rules.push(Rule {
        name: named("enough-rows", &mut names),
        column: None,
        sql: format!("count(*) >= {least}"),
        dimension: "completeness",
        seen: format!("seen: {rows} rows"),
    });
    draft
}

/// What was seen of a column, as a comment says it.
fn told(one: &Seen, rows: u64) -> String {
    if !one.asked {
        return format!("{}: no value of it can be asked for here (validity of the schema)", one.word);
    }
    let without = rows.saturating_sub(one.values);
    let mut seen = match without {
        0 => format!("{}; none of {rows} rows is without a value (validity, completeness)", one.word),
        _ => format!("{}; {without} of {rows} rows have no value (validity)", one.word),
    };
    if one.unique {
        seen += "; each is there once (uniqueness)";
    }
    if let Some(why) = one.hidden {
        seen += &format!("; no value is written down: {why}");
    }
    seen
}

/// The one rule that a column's values suggest.
fn rule(one: &Seen, names: &mut BTreeSet<String>) -> Option<Rule> {
    // Whatever tells rows apart goes on to values that were not seen yet.
    if one.hidden.is_some() || one.values == 0 || (one.unique && one.lengths.is_none()) {
        return None;
    }
    let column = quoted(&one.name);
    let (word, sql, seen) = if !one.allowed.is_empty() {
        let listed: Vec<String> = one.allowed.iter().map(|value| text(value)).collect();
        let sql = format!("{column} IN ({})", listed.join(", "));
        ("values", sql, format!("seen: {} values, each in {} rows or more", listed.len(), seen::MIN_EACH))
    } else if let Some((min, max)) = &one.ends {
        let day = |day: &String| format!("CAST({} AS DATE)", text(day));
        let (of, low, high) = match one.is_time() {
            true => (format!("CAST({column} AS DATE)"), day(min), day(max)),
            false => (column.clone(), min.clone(), max.clone()),
        };
        let inside = format!("{of} >= {low} AND {of} <= {high}");
        let sql = match one.unbounded {
            0 => inside,
            // Neither is a number that has a place in a range.
            _ => format!("{column} - {column} <> 0 OR ({inside})"),
        };
        let beside =
            if one.unbounded > 0 { format!(", and {} infinite or not a number", one.unbounded) } else { String::new() };
        ("range", sql, format!("seen: {min} to {max}{beside}"))
    } else if let Some((least, most)) = one.lengths {
        let sql = format!("char_length({column}) >= {least} AND char_length({column}) <= {most}");
        ("length", sql, format!("seen: {least} to {most} characters"))
    } else {
        return None;
    };
    let name = named(&format!("{}-{word}", plain(one)), names);
    Some(Rule { name, column: Some(one.name.clone()), sql, dimension: "validity", seen: format!("{seen} (validity)") })
}

/// A column's name where it can be part of a rule's, else its place.
fn plain(one: &Seen) -> String {
    let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let begins = one.name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match begins && one.name.len() <= 48 && one.name.chars().all(usual) {
        true => one.name.clone(),
        false => format!("column-{}", one.place),
    }
}

/// A name that no other rule has.
fn named(wish: &str, names: &mut BTreeSet<String>) -> String {
    let mut name = wish.to_owned();
    while !names.insert(name.clone()) {
        name += "-x";
    }
    name
}
