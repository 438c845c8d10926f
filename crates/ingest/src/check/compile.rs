//! A contract as SQL: columns in the types that it says, and for each check of rows the condition that breaks it.
//!
//! A column is read in its contract's type: what is empty, or stands for nothing by the contract, is NULL, and so is a value
//! that is not of the type. Rules see that and nothing else. A condition that is NULL breaks nothing, as with a constraint
//! of a table; that there is a value at all is a check of its own.

use domain::data::{Check, ColumnType, Contract, ContractColumn, Literal, Reference, What};

use crate::numbers::quoted;

/// The name of the column that says which rules a row breaks; with underscores behind it where the rows have one of that
/// name themselves.
pub const BROKEN_RULES: &str = "counterfoil_rules";

/// A contract over the columns that a version has.
pub(super) struct Compiled<'a> {
    contract: &'a Contract,
    /// Columns of the version, with a word for the type of each.
    present: &'a [(String, String)],
    /// How the names of our own columns begin, and no other does.
    mark: String,
}

/// What is asked to evaluate a check.
pub(super) enum Asked {
    /// A condition that is true of each row that breaks it.
    Rows(String),
    /// A condition over all rows.
    All(String),
    /// The newest value, in milliseconds since the epoch, must not be older than this.
    Newest(String, i64),
    /// A question whose one number is how many rows break it, and one for the rows.
    Apart(Apart),
    /// That no two rows have the same values in these columns.
    Repeated(Vec<String>),
    /// Nothing can be asked: a column is not there.
    Missing,
    /// Nothing can be asked: it is no expression.
    Unreadable,
}

/// A check that takes a question of its own.
pub(super) struct Apart {
    /// Where rows that break it come from, each as a row `t` of the columns.
    pub rows: String,
    /// How many they are.
    pub count: String,
}

impl<'a> Compiled<'a> {
    pub fn new(contract: &'a Contract, present: &'a [(String, String)]) -> Self {
        let names = || present.iter().map(|(name, _)| name).chain(contract.columns.iter().map(|column| &column.name));
        let mut mark = "__".to_owned();
        while names().any(|name| name.starts_with(&mark)) {
            mark.push('_');
        }
        Self { contract, present, mark }
    }

    /// What a column is called before its values are of the contract's type.
    fn raw(&self, column: &str) -> String {
        quoted(&format!("{}given {column}", self.mark))
    }

    /// What a column is called as it came, by its place.
    fn kept(&self, n: usize) -> String {
        quoted(&format!("{}kept_{n}", self.mark))
    }

    /// What the column is called that says which rules a row breaks.
    pub fn broken_rules(&self) -> String {
        let mut name = BROKEN_RULES.to_owned();
        while self.has(&name) {
            name.push('_');
        }
        name
    }

    fn has(&self, column: &str) -> bool {
        self.present.iter().any(|(name, _)| name == column)
    }

    /// Columns that are to be there and are not, and those that are there and are not to be.
    pub fn mismatches(&self) -> u64 {
        let missing = self.contract.columns.iter().filter(|column| !self.has(&column.name)).count();
        let unknown = self.present.iter().filter(|(name, _)| self.contract.column(name).is_none()).count();
        (missing + if self.contract.closed { unknown } else { 0 }) as u64
    }

    /// What is asked for a check; `reference` is the table that a reference refers to, by its place.
    pub fn asked(&self, check: &Check, reference: impl Fn(&Reference) -> Option<String>) -> Asked {
        let here = |column: &String| self.has(column);
        let rows = |column: &String, condition: String| match here(column) {
            true => Asked::Rows(condition),
            false => Asked::Missing,
        };
        match &check.what {
            // Known without asking.
            What::Schema => Asked::Missing,
            What::Type(column) => {
                let condition = format!("{} IS NOT NULL AND {} IS NULL", self.raw(column), quoted(column));
                rows(column, condition)
            }
            What::Required(column) => rows(column, format!("{} IS NULL", quoted(column))),
            What::Range(column, min, max) => {
                let kind = self.kind(column);
                let below = min.iter().map(|min| format!("{} < {}", quoted(column), literal(min, kind)));
                let above = max.iter().map(|max| format!("{} > {}", quoted(column), literal(max, kind)));
                rows(column, below.chain(above).collect::<Vec<_>>().join(" OR "))
            }
            What::Allowed(column, values) => {
                let kind = self.kind(column);
                let values: Vec<String> = values.iter().map(|value| literal(value, kind)).collect();
                rows(column, format!("{} NOT IN ({})", quoted(column), values.join(", ")))
            }
            What::Pattern(column, pattern) => {
                rows(column, format!("NOT regexp_like({}, {})", quoted(column), text(pattern)))
            }
            What::Row(sql) => {
                query::expression(sql).map_or(Asked::Unreadable, |sql| Asked::Rows(format!("NOT ({sql})")))
            }
            What::Set(sql) => query::expression(sql).map_or(Asked::Unreadable, Asked::All),
            What::Fresh(column, age) if here(column) => Asked::Newest(
                format!("CAST(arrow_cast(max({}), 'Timestamp(Millisecond, None)') AS BIGINT)", quoted(column)),
                *age,
            ),
            What::Unique(columns) if columns.iter().all(here) => Asked::Repeated(columns.clone()),
            What::Reference(to) if to.columns.iter().chain(&to.agree).all(here) => {
                reference(to).map_or(Asked::Missing, |table| Asked::Apart(self.orphans(to, &table)))
            }
            What::Fresh(..) | What::Unique(_) | What::Reference(_) => Asked::Missing,
        }
    }

    fn kind(&self, column: &str) -> ColumnType {
        self.contract.column(column).map_or(ColumnType::Text, |column| column.kind)
    }

    /// What a column of a key is called beside the rows as they came.
    pub fn in_key(&self, column: &str) -> String {
        quoted(&format!("{}key {column}", self.mark))
    }

    /// Rows whose values are not found in another table.
    fn orphans(&self, to: &Reference, table: &str) -> Apart {
        let pairs = to.columns.iter().zip(&to.target).chain(to.agree.iter().zip(&to.agree));
        let mut picked = Vec::new();
        let mut same = Vec::new();
        for (n, (here, there)) in pairs.enumerate() {
            let name = quoted(&format!("{}there_{n}", self.mark));
            picked.push(format!("TRY_CAST({} AS {}) AS {name}", quoted(there), sql_type(self.kind(here))));
            let equal = if n < to.columns.len() { "=" } else { "IS NOT DISTINCT FROM" };
            same.push(format!("(t.{} {equal} r.{name})", quoted(here)));
        }
        let known: Vec<String> = to.columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect();
        // The left side is what the engine holds in memory: the other data set, not the rows.
        let rows = format!(
            "(SELECT {} FROM {table}) r RIGHT ANTI JOIN (SELECT * FROM {} k WHERE {}) t ON {}",
            picked.join(", "),
            self.typed(),
            known.join(" AND "),
            same.join(" AND ")
        );
        Apart { count: format!("SELECT CAST(count(*) AS BIGINT) FROM {rows}"), rows }
    }

    /// All columns, each in its contract's type, with what it was before beside it.
    pub fn typed(&self) -> String {
        let mut picked = Vec::new();
        for (n, (name, word)) in self.present.iter().enumerate() {
            picked.push(format!("{} AS {}", quoted(name), self.kept(n)));
            match self.contract.column(name) {
                None => picked.push(quoted(name)),
                Some(column) => {
                    let given = given(column, word);
                    picked.push(format!("{} AS {}", converted(&given, word, column.kind), quoted(name)));
                    picked.push(format!("{given} AS {}", self.raw(name)));
                }
            }
        }
        format!("(SELECT {} FROM rows)", picked.join(", "))
    }

    /// The columns as they came, for a question over [`Self::typed`].
    pub fn as_they_came(&self) -> String {
        let names = self.present.iter().enumerate();
        names.map(|(n, (name, _))| format!("t.{} AS {}", self.kept(n), quoted(name))).collect::<Vec<_>>().join(", ")
    }
}

/// A column's value, or NULL when that stands for nothing.
fn given(column: &ContractColumn, word: &str) -> String {
    let name = quoted(&column.name);
    let mut nothing: Vec<String> = Vec::new();
    match word {
        "text" | "json" => {
            nothing.push("''".to_owned());
            nothing.extend(column.missing.iter().map(|missing| match missing {
                Literal::Integer(number) => text(&number.to_string()),
                Literal::Number(digits) | Literal::Text(digits) => text(digits),
                Literal::Boolean(flag) => text(&flag.to_string()),
            }));
        }
        "integer" | "number" | "decimal" => nothing.extend(column.missing.iter().filter_map(|missing| match missing {
            Literal::Integer(number) => Some(number.to_string()),
            Literal::Number(digits) => Some(digits.clone()),
            Literal::Text(_) | Literal::Boolean(_) => None,
        })),
        _ => {}
    }
    match nothing.as_slice() {
        [] => name,
        // Of text, most often: and then no value is copied.
        [empty] if empty == "''" => format!("nullif({name}, '')"),
        _ => format!("CASE WHEN {name} NOT IN ({}) THEN {name} END", nothing.join(", ")),
    }
}

/// A value in a type, NULL when it is not of it.
fn converted(given: &str, word: &str, kind: ColumnType) -> String {
    let to = sql_type(kind);
    let number = matches!(word, "integer" | "number" | "decimal");
    match (word, kind) {
        // A word of the contract's own is the type already.
        ("text" | "json", ColumnType::Text)
        | ("integer", ColumnType::Integer)
        | ("number", ColumnType::Number)
        | ("boolean", ColumnType::Boolean)
        | ("date", ColumnType::Date)
        | ("timestamp", ColumnType::Timestamp) => given.to_owned(),
        // A fraction is no whole number, and a conversion would cut it off.
        ("number" | "decimal", ColumnType::Integer) => {
            format!("CASE WHEN {given} = CAST(TRY_CAST({given} AS {to}) AS DOUBLE) THEN TRY_CAST({given} AS {to}) END")
        }
        (_, ColumnType::Boolean) if number => format!("CASE WHEN {given} IN (0, 1) THEN {given} = 1 END"),
        (_, ColumnType::Date | ColumnType::Timestamp) if number => format!("CAST(NULL AS {to})"),
        ("text" | "json" | "integer" | "number" | "decimal" | "boolean" | "date" | "timestamp", _) => {
            format!("TRY_CAST({given} AS {to})")
        }
        // Lists, bytes and the like have no value of a contract's type.
        _ => format!("CAST(NULL AS {to})"),
    }
}

fn sql_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "VARCHAR",
        ColumnType::Integer => "BIGINT",
        ColumnType::Number => "DOUBLE",
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Date => "DATE",
        ColumnType::Timestamp => "TIMESTAMP",
    }
}

fn literal(value: &Literal, kind: ColumnType) -> String {
    match value {
        Literal::Integer(number) => number.to_string(),
        Literal::Number(digits) => digits.clone(),
        Literal::Boolean(flag) => flag.to_string(),
        Literal::Text(value) if kind == ColumnType::Text => text(value),
        Literal::Text(value) => format!("CAST({} AS {})", text(value), sql_type(kind)),
    }
}

/// A text in SQL.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
