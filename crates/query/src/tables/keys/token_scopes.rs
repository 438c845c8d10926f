//! `token_scopes`: where values have tokens, and for what these are turned back.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::tokens::TokenScope;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    spec: TokenScope,
    declared_by: String,
    declared_at: i64,
    retired_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct TokenScopes(BTreeMap<String, Row>);

impl Table for TokenScopes {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "token_scopes";
    const DOC: &'static str =
        "Scopes within which the same value has the same token. Making and turning back tokens is in `access_events`.";
    const COLUMNS: &'static [Column] = &[
        text("scope_id", "Name of the scope"),
        text("method", "`vaulted`, or `ff1` for format-preserving encryption"),
        text("kind", "What its values are: `text`, `card`, `phone`, `tfn` or `medicare`"),
        text("classification", "Class of its values"),
        text("purposes", "Purposes for which tokens may be turned back, by commas; NULL when none"),
        boolean("per_subject", "Whether each value is a person's, whose erasure ends its token"),
        text("declared_by", "Who declared it as it is"),
        time("declared_at", "When"),
        time("retired_at", "Since when it gets no more tokens; NULL while it does"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::TokenScopeDeclared(body) => {
                let row = Row {
                    origin: leaf.origin(),
                    spec: body.spec.clone(),
                    declared_by: leaf.entry.actor.clone(),
                    declared_at: leaf.entry.ts,
                    retired_at: None,
                };
                self.0.insert(body.scope.clone(), row);
            }
            Event::TokenScopeRetired(body) => {
                if let Some(row) = self.0.get_mut(&body.scope) {
                    (row.origin, row.retired_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.0 {
            let purposes: Vec<&str> = row.spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
            let cells = [
                name.into(),
                row.spec.method.as_str().into(),
                row.spec.kind.as_str().into(),
                (&row.spec.class).into(),
                Some(purposes.join(",")).filter(|purposes| !purposes.is_empty()).into(),
                row.spec.per_subject.into(),
                (&row.declared_by).into(),
                ms(row.declared_at),
                row.retired_at.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
