//! Purpose-bound views: what of a data set somebody gets who reads it for a purpose.
//!
//! A view names every column that goes out; what it does not name stays in. It says by which columns together people could
//! be told apart, how many must share each combination, and how many rows may be left out for that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::DataClass;
use super::fields::{MAX_FIELDS, field_is_valid, has_room};
use crate::decide::refuse;
use crate::keys::tokens::TokenMethod;
use crate::people::Purpose;
use crate::{Event, Refusal, RefusalCode, State};

/// The most columns that a combination is made of.
const MAX_QUASI: usize = 20;

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// As `2026-11`.
    Month,
    /// As `2026`.
    Year,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ColumnRule {
    /// It goes out as it is.
    Keep,
    /// It stays in, as what is not named does.
    Drop,
    /// Tokens in the place of its values.
    Tokenise {
        /// The scope of tokens.
        scope: String,
    },
    /// The beginning of the band that a number is in: 37 becomes 30 in bands of 10.
    Band {
        /// How wide a band is.
        width: u32,
    },
    /// A date becomes its month or year.
    DateTo {
        /// Which.
        part: DatePart,
    },
    /// The first characters of a text.
    Prefix {
        /// How many.
        chars: u32,
    },
    /// A number that is higher becomes this one.
    Top {
        /// Which.
        at: i64,
    },
}

impl ColumnRule {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Tokenise { .. } => "tokenise",
            Self::Band { .. } => "band",
            Self::DateTo { .. } => "date_to",
            Self::Prefix { .. } => "prefix",
            Self::Top { .. } => "top",
        }
    }
}

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewColumn {
    /// The column of the data set, and of the view.
    pub column: String,
    /// What becomes of it.
    pub rule: ColumnRule,
}

/// What a view is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// Its columns, in their order. What is not named stays in.
    pub columns: Vec<ViewColumn>,
    /// Columns by which together somebody could be told apart, as they go out.
    #[serde(default)]
    pub quasi: Vec<String>,
    /// How many rows must share each combination of those; 1 asks for nothing.
    pub min_k: u32,
    /// How many rows in a thousand may be left out because too few share theirs.
    #[serde(default)]
    pub max_suppressed_permille: u16,
}

/// A view was declared, or declared otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewDeclared {
    /// Of which data set.
    pub dataset: String,
    /// For which purpose.
    pub purpose: Purpose,
    /// What it is.
    pub spec: ViewSpec,
}

/// There is no view for a purpose any more: the data set is read for it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRetired {
    /// Of which data set.
    pub dataset: String,
    /// For which purpose.
    pub purpose: Purpose,
}

/// A view as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownView {
    /// What it is.
    pub spec: ViewSpec,
    /// Who declared it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

impl State {
    /// The view of a data set for a purpose.
    #[must_use]
    pub fn view(&self, dataset: &str, purpose: Purpose) -> Option<&KnownView> {
        self.views.get(dataset)?.get(purpose.as_str())
    }

    pub(crate) fn declare_view(&mut self, body: &ViewDeclared, by: &str, at: i64) {
        let known = KnownView { spec: body.spec.clone(), by: by.to_owned(), at };
        self.views.entry(body.dataset.clone()).or_default().insert(body.purpose.as_str().to_owned(), known);
    }

    pub(crate) fn retire_view(&mut self, body: &ViewRetired) {
        if let Some(views) = self.views.get_mut(&body.dataset) {
            views.remove(body.purpose.as_str());
        }
    }
}

pub(crate) fn declare(state: &State, body: &ViewDeclared) -> Result<Vec<Event>, Refusal> {
    let (dataset, spec) = (&body.dataset, &body.spec);
    let wrong = |why: String| refuse(RefusalCode::Invalid, format!("view of data set `{dataset}`: {why}"));
    let invalid = |why: String| Err(wrong(why));
    let Some(known) = state.datasets.get(dataset) else {
        return Err(refuse(RefusalCode::NotFound, format!("there is no data set `{dataset}`")));
    };
    if !known.spec.purposes.contains(&body.purpose) {
        return invalid(format!("the data set may not be read for `{}`", body.purpose.as_str()));
    }
    if !(1..=MAX_FIELDS).contains(&spec.columns.len()) {
        return invalid(format!("it names 1 to {MAX_FIELDS} columns"));
    }
    has_room(spec)?;
    let (mut named, mut out) = (BTreeSet::new(), BTreeSet::new());
    for one in &spec.columns {
        field_is_valid(&one.column)?;
        if !named.insert(one.column.as_str()) {
            return invalid(format!("column `{}` is named twice", one.column));
        }
        if one.rule != ColumnRule::Drop {
            out.insert(one.column.as_str());
        }
        rule_is_valid(state, known.spec.class, &one.rule)
            .map_err(|why| wrong(format!("column `{}`: {why}", one.column)))?;
    }
    if out.is_empty() {
        return invalid("no column of it goes out".to_owned());
    }
    if spec.quasi.len() > MAX_QUASI || spec.quasi.iter().collect::<BTreeSet<_>>().len() != spec.quasi.len() {
        return invalid(format!("up to {MAX_QUASI} columns tell people apart, each named once"));
    }
    if let Some(other) = spec.quasi.iter().find(|one| !out.contains(one.as_str())) {
        return invalid(format!("column `{other}` tells nobody apart, for it does not go out"));
    }
    if spec.min_k == 0 || spec.max_suppressed_permille > 1_000 {
        return invalid("`min_k` is at least 1, and at most 1,000 rows in a thousand are left out".to_owned());
    }
    if spec.min_k > 1 && spec.quasi.is_empty() {
        return invalid("say by which columns people could be told apart (`quasi`), or set `min_k` to 1".to_owned());
    }
    may_give(state, dataset, body.purpose, spec)?;
    let same = state.view(dataset, body.purpose).is_some_and(|known| known.spec == *spec);
    Ok(if same { vec![] } else { vec![Event::ViewDeclared(body.clone())] })
}

fn rule_is_valid(state: &State, class: DataClass, rule: &ColumnRule) -> Result<(), String> {
    match rule {
        ColumnRule::Tokenise { scope } => match state.token_scopes.get(scope).filter(|known| !known.retired) {
            Some(known) if known.spec.per_subject || known.spec.method == TokenMethod::Ff1 => Ok(()),
            Some(_) if !class.is_personal() => Ok(()),
            Some(_) => Err(format!(
                "tokens of scope `{scope}` are nobody's, so no erasure would reach them: use a scope per subject, or one by `ff1`"
            )),
            None => Err("its scope of tokens is not there or gets no more: `counterfoil tokens scope list`".to_owned()),
        },
        ColumnRule::Band { width: 0 } => Err("a band has a width".to_owned()),
        ColumnRule::Prefix { chars: 0 } => Err("a prefix has characters: drop the column instead".to_owned()),
        _ => Ok(()),
    }
}

/// Whether what is said of the fields lets a view give them for its purpose. Asked when a view is declared and each time
/// that it is read, since fields are declared anew in between.
///
/// # Errors
/// [`RefusalCode::Forbidden`], naming the field and the rule `field-purpose`.
pub fn may_give(state: &State, dataset: &str, purpose: Purpose, spec: &ViewSpec) -> Result<(), Refusal> {
    let personal = state.datasets.get(dataset).is_some_and(|known| known.spec.class.is_personal());
    for one in spec.columns.iter().filter(|one| one.rule != ColumnRule::Drop) {
        let known = state.fields.get(dataset).and_then(|fields| fields.get(&one.column));
        let (column, word) = (&one.column, purpose.as_str());
        let why = match known {
            Some(known) if known.decision.purposes.contains(&purpose) => continue,
            // What is for anybody or for the whole organisation needs no purpose of its own.
            Some(known) if known.decision.class <= DataClass::Internal && known.decision.purposes.is_empty() => {
                continue;
            }
            Some(_) => {
                format!("field `{column}` of data set `{dataset}` is not for `{word}`: drop it, or declare it so")
            }
            None if personal => {
                format!("nobody said what field `{column}` of data set `{dataset}` is for: declare it, or drop it")
            }
            None => continue,
        };
        return Err(Refusal { code: RefusalCode::Forbidden, message: why, policies: vec!["field-purpose".to_owned()] });
    }
    Ok(())
}

pub(crate) fn retire(state: &State, body: &ViewRetired) -> Result<Vec<Event>, Refusal> {
    if !state.datasets.contains_key(&body.dataset) {
        return Err(refuse(RefusalCode::NotFound, format!("there is no data set `{}`", body.dataset)));
    }
    let known = state.view(&body.dataset, body.purpose).is_some();
    Ok(if known { vec![Event::ViewRetired(body.clone())] } else { vec![] })
}
