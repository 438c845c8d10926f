//! An actor: the pseudonym that the ledger knows, beside the name that leads to their page, for those who may know it.

use askama::Template;
use askama::filters::HtmlSafe;

use super::Link;

/// How much of a pseudonym is shown beside a name, in characters.
const SHORT: usize = 8;

/// An actor as a page shows them.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(name) = name %}<a href="{{ self.link() }}">{{ name }}</a> <code title="{{ id }}">{{ self.short() }}</code>{% else %}<code>{{ id }}</code>{% endif %}"#
)]
pub(crate) struct Actor {
    pub id: String,
    pub name: Option<String>,
}

impl HtmlSafe for Actor {}

impl Actor {
    fn link(&self) -> Link {
        Link::into("/people", &self.id)
    }

    /// The beginning of the pseudonym, which is enough beside a name; the whole of it is a hover or a click away.
    fn short(&self) -> String {
        let whole = self.id.chars().count() <= SHORT;
        if whole { self.id.clone() } else { self.id.chars().take(SHORT).chain(['…']).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_short_beside_a_name_and_whole_without_one() {
        let actor = |name: Option<&str>| Actor { id: "a_7f3k2m9q".into(), name: name.map(Into::into) }.to_string();
        assert_eq!(actor(None), "<code>a_7f3k2m9q</code>");
        let shown = actor(Some("Ada Okafor"));
        assert!(shown.contains("<code title=\"a_7f3k2m9q\">a_7f3k2m…</code>"), "{shown}");
    }
}
