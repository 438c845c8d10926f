//! Where in a long list a page begins and which way it goes. The next page begins after the last row's key, so that
//! it costs as much as the first, and stays put while the list grows.

use serde::Deserialize;

use super::{Column, Link, Table};

/// The place, as the address has it; empty is the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    /// `oldest` to begin there; otherwise the newest come first.
    order: String,
    /// Only rows before this key.
    before: String,
    /// Only rows after this key.
    after: String,
}

impl Place {
    /// The conditions on the key's column; `write` makes SQL of a key, or nothing of what is no key.
    pub(crate) fn tests(&self, column: &str, write: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let test = |sign, key: &String| Some(format!("{column} {sign} {}", write(key).filter(|_| !key.is_empty())?));
        [test("<", &self.before), test(">", &self.after)].into_iter().flatten().collect()
    }

    /// `ASC` or `DESC`.
    pub(crate) fn direction(&self) -> &'static str {
        if self.is_from_oldest() { "ASC" } else { "DESC" }
    }

    /// The heading of the key's column, which turns the list round. `list` is the list with its filters.
    pub(crate) fn heading(&self, title: &str, list: &Link) -> Column {
        match self.is_from_oldest() {
            true => Column::text(title).sorted_by(list.clone(), "↑"),
            false => Column::text(title).sorted_by(list.clone().with("order", "oldest"), "↓"),
        }
    }

    /// Adds the ways to the list's beginning and to its next page, which follows `last`.
    pub(crate) fn links(&self, table: &mut Table, list: &Link, last: Option<String>) {
        let list = list.clone().maybe("order", self.is_from_oldest().then_some("oldest"));
        let key = if self.is_from_oldest() { "after" } else { "before" };
        let moved = !self.before.is_empty() || !self.after.is_empty();
        table.first = moved.then(|| list.clone());
        table.next = last.map(|last| list.with(key, last));
    }

    fn is_from_oldest(&self) -> bool {
        self.order == "oldest"
    }
}

#[cfg(test)]
mod tests {
    use super::super::Empty;
    use super::*;

    #[test]
    fn a_page_follows_the_last_row_in_either_direction() {
        let number = |key: &str| key.parse::<u64>().ok().map(|n| n.to_string());
        for (order, sign, direction, next) in
            [("", "<", "DESC", "/l?before=7"), ("oldest", ">", "ASC", "/l?order=oldest&amp;after=7")]
        {
            let begin = Place { order: order.into(), ..Place::default() };
            let mut table = Table::new("x", vec![], Empty::new("", ""));
            begin.links(&mut table, &Link::to("/l"), Some("7".into()));
            assert_eq!(table.next.map(|link| link.to_string()).as_deref(), Some(next));
            assert_eq!((table.first, begin.direction()), (None, direction));
            let (before, after) = if order.is_empty() { ("7", "") } else { ("", "7") };
            let second = Place { before: before.into(), after: after.into(), ..begin };
            assert_eq!(second.tests("seq", number), [format!("seq {sign} 7")]);
        }
        let no_key = Place { before: "7 OR 1=1".into(), ..Place::default() };
        assert_eq!(no_key.tests("seq", number), Vec::<String>::new());
    }
}
