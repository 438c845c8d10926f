//! A contract that is proposed, and how it is written: what was seen stands in a comment at each thing that it says.

use std::collections::BTreeSet;

use domain::data::ColumnType;
use domain::data::contracts::format::{MAX_CHECKS, MAX_CONTRACT_BYTES};
use serde_json::json;

use crate::classify::says_nothing_of_anybody;

/// What the head takes.
const HEAD_BYTES: usize = 1200;

/// A contract before it is written.
pub(super) struct Draft {
    pub name: String,
    pub dataset: String,
    pub version: String,
    pub rows: u64,
    /// How many columns the version has.
    pub width: usize,
    pub columns: Vec<Column>,
    pub rules: Vec<Rule>,
    /// What is not proposed, and why.
    pub left_out: Vec<String>,
}

/// A column, and what breaks a version.
pub(super) struct Column {
    pub name: String,
    pub kind: ColumnType,
    pub required: bool,
    pub unique: bool,
    /// What was seen.
    pub seen: String,
}

/// A rule that warns.
pub(super) struct Rule {
    pub name: String,
    /// The column that it is about; none when it is about all rows together.
    pub column: Option<String>,
    pub sql: String,
    pub dimension: &'static str,
    /// What was seen.
    pub seen: String,
}

impl Draft {
    /// Takes out what a check of this name checks; whether there was such.
    pub fn drop(&mut self, check: &str) -> bool {
        if let Some(at) = self.rules.iter().position(|rule| rule.name == check) {
            self.rules.remove(at);
            return true;
        }
        let Some((name, word)) = check.rsplit_once('.') else { return false };
        let Some(column) = self.columns.iter_mut().find(|column| column.name == name) else { return false };
        match word {
            "required" => column.required = false,
            "unique" => column.unique = false,
            "type" => column.kind = ColumnType::Text,
            _ => return false,
        }
        true
    }

    /// The text, and what is not in it.
    pub fn written(&self) -> (String, Vec<String>) {
        let mut left_out = self.left_out.clone();
        let (mut room, mut checks) = (MAX_CONTRACT_BYTES - HEAD_BYTES, 2);
        let mut body = String::new();
        let mut named: BTreeSet<&str> = BTreeSet::new();
        let mut over = 0;
        for column in &self.columns {
            let block = column.written();
            let more = column.checks();
            if says_nothing_of_anybody(&block).is_err() {
                left_out.push("a column: its name looks like data about a person or a secret".to_owned());
            } else if block.len() > room || checks + more > MAX_CHECKS {
                over += 1;
            } else {
                (room, checks) = (room - block.len(), checks + more);
                named.insert(&column.name);
                body += &block;
            }
        }
        if over > 0 {
            left_out.push(format!("{over} columns: one contract has no room for them"));
        }
        over = 0;
        for rule in &self.rules {
            let block = rule.written();
            if rule.column.as_deref().is_some_and(|column| !named.contains(column)) {
                continue;
            }
            if says_nothing_of_anybody(&block).is_err() {
                left_out
                    .push(format!("rule `{}`: a value in it looks like data about a person or a secret", rule.name));
            } else if block.len() > room || checks >= MAX_CHECKS {
                over += 1;
            } else {
                (room, checks) = (room - block.len(), checks + 1);
                body += &block;
            }
        }
        if over > 0 {
            left_out.push(format!("{over} rules: one contract has no room for them"));
        }
        (self.head(named.len() == self.width) + &body, left_out)
    }

    fn head(&self, closed: bool) -> String {
        let (name, dataset) = (json!(self.name), json!(self.dataset));
        let of = format!(
            "# Proposed by what version {} of data set {} has: {} rows, {} columns.\n",
            self.version, self.dataset, self.rows, self.width
        );
        // A version may be called by something that looks like a number of somebody's.
        let of = if says_nothing_of_anybody(&of).is_ok() { of } else { String::new() };
        let mut head = format!(
            "{of}# What was seen once is not yet what must be true: read it, change it, then publish it.\n\
             # Columns block a version; what was seen of their values warns, with one row in a hundred to spare.\n\
             # Nothing here is about accuracy or consistency, which no version says of itself and training asks for:\n\
             # add a [[reference]] to data that is known to be true, and rules between columns.\n\
             name = {name}\ndataset = {dataset}\n"
        );
        if closed {
            head += "# All columns are named below.\nclosed = true\n";
        }
        head
    }
}

impl Column {
    /// How many things are checked of it.
    fn checks(&self) -> usize {
        [self.kind != ColumnType::Text, self.required, self.unique].into_iter().filter(|is| *is).count()
    }

    fn written(&self) -> String {
        let mut text =
            format!("\n[[column]]\n# {}\nname = {}\ntype = {}\n", self.seen, json!(self.name), json!(self.kind));
        for (word, said) in [("required", self.required), ("unique", self.unique)] {
            if said {
                text += &format!("{word} = true\n");
            }
        }
        text + "severity = \"blocking\"\ntolerance = { rows = 0 }\n"
    }
}

impl Rule {
    fn written(&self) -> String {
        let (over, tolerance) = match self.column {
            Some(_) => ("row", "tolerance = { share = 0.01 }\n"),
            None => ("set", ""),
        };
        format!(
            "\n[[rule]]\n# {}\nname = {}\n{over} = {}\ndimension = \"{}\"\nseverity = \"warning\"\n{tolerance}",
            self.seen,
            json!(self.name),
            json!(self.sql),
            self.dimension
        )
    }
}
