//! An actor: the pseudonym that the ledger knows, beside the name that leads to their page, for those who may know it.

use askama::Template;
use askama::filters::HtmlSafe;

use super::Link;

/// An actor as a page shows them.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(name) = name %}<a href="{{ self.link() }}">{{ name }}</a> {% endif %}<code>{{ id }}</code>"#
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
}
