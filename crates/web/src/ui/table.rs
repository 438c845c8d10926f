//! Tables: a caption, sticky headings, rows of cells, the way to older and newer rows, and the query behind it all.

use std::borrow::Borrow;

use askama::Template;
use askama::filters::HtmlSafe;

use super::{Actor, Instant, Link, Mark};

/// A table with everything that belongs to it.
#[derive(Clone, Debug, Template)]
#[template(path = "components/table.html")]
pub(crate) struct Table {
    pub caption: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub empty: Empty,
    pub query: Option<Query>,
    /// The way to the next page, and back to the first.
    pub next: Option<Link>,
    pub first: Option<Link>,
}

impl HtmlSafe for Table {}

impl Table {
    /// A table of these columns, to be filled.
    pub(crate) fn new(caption: &'static str, columns: Vec<Column>, empty: Empty) -> Self {
        Self { caption, columns, rows: Vec::new(), empty, query: None, next: None, first: None }
    }

    /// The actors in its cells.
    pub(crate) fn actors(&mut self) -> impl Iterator<Item = &mut Actor> {
        self.rows.iter_mut().flatten().filter_map(|cell| match cell {
            Cell::Actor(actor) => Some(actor),
            _ => None,
        })
    }
}

/// A column's heading.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub title: String,
    pub number: bool,
    /// Where to sort by it, and the arrow when the table is sorted by it already.
    pub sort: Option<(Link, &'static str)>,
}

impl Column {
    pub(crate) fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), number: false, sort: None }
    }

    pub(crate) fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), number: true, sort: None }
    }

    pub(crate) fn sorted_by(mut self, link: Link, arrow: &'static str) -> Self {
        self.sort = Some((link, arrow));
        self
    }
}

/// A cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// The row's name or number, on its stub; a link to the thing itself.
    Stub(String, Link),
    /// The row's identifier, on its stub, in the face of identifiers.
    Id(String, Link),
    /// Short text, kept on one line.
    Text(String),
    /// Long text, which may wrap.
    Wide(String),
    /// An identifier or a digest.
    Code(String),
    /// An actor; their name is filled in for those who may know it.
    Actor(Actor),
    /// A number, written out already.
    Number(String),
    /// Text that leads somewhere.
    Link(String, Link),
    /// A moment.
    Time(Instant),
    /// An outcome or status.
    Mark(Mark),
    /// No value.
    None,
}

impl Cell {
    pub(crate) fn count(value: impl Into<u64>) -> Self {
        Self::Number(thousands(value.into()))
    }

    /// An actor, without their name yet.
    pub(crate) fn actor(id: impl Into<String>) -> Self {
        Self::Actor(Actor { id: id.into(), name: None })
    }

    /// Text, or nothing when there is none.
    pub(crate) fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::None, Self::Text)
    }
}

/// What stands in place of a table without rows, and the next step.
#[derive(Clone, Debug)]
pub(crate) struct Empty {
    pub title: &'static str,
    pub next: &'static str,
    pub command: Option<String>,
}

impl Empty {
    pub(crate) fn new(title: &'static str, next: &'static str) -> Self {
        Self { title, next, command: None }
    }

    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// The query behind a table: what a reader may run again.
#[derive(Clone, Debug, Template)]
#[template(path = "components/query.html")]
pub(crate) struct Query {
    pub sql: String,
    /// The ledger size it was computed at.
    pub size: u64,
}

impl HtmlSafe for Query {}

impl Query {
    fn run(&self) -> Link {
        Link::to("/sql").with("query", &self.sql).with("at", self.size)
    }

    fn download(&self, format: &str) -> Link {
        Link::to("/sql").with("query", &self.sql).with("at", self.size).with("format", format)
    }
}

/// A count with a comma at each thousand. Templates have references, code has values.
pub(crate) fn thousands(value: impl Borrow<u64>) -> String {
    let digits = value.borrow().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }

    #[test]
    fn a_table_escapes_what_it_shows_and_names_its_columns() {
        let mut table = Table::new("Things", vec![Column::text("name")], Empty::new("none", "make one"));
        table.rows = vec![vec![Cell::Text("<b>".into())]];
        let html = table.to_string();
        assert!(html.contains("<caption>Things</caption>"), "{html}");
        assert!(html.contains(r#"<th scope="col""#), "{html}");
        assert!(html.contains("&#60;b&#62;"), "{html}");
    }

    #[test]
    fn a_table_without_rows_says_the_next_step() {
        let empty = Empty::new("Nothing here", "Do this:").command("counterfoil demo");
        let html = Table::new("Things", vec![], empty).to_string();
        assert!(html.contains("counterfoil demo") && !html.contains("<table"), "{html}");
    }
}
