//! `vendors`: the outside providers of models.

use std::collections::BTreeMap;

use domain::Event;
use domain::vendors::{ProviderKind, ProviderSpec};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    spec: ProviderSpec,
    retired: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Vendors(BTreeMap<String, Row>);

impl Table for Vendors {
    const ROOM: &'static str = "vendors";
    const NAME: &'static str = "vendors";
    const DOC: &'static str =
        "Outside providers of models. Contracts and reports about them are not recorded yet and stay NULL.";
    const COLUMNS: &'static [Column] = &[
        text("vendor_id", "Name of the provider"),
        text("kind", "The protocol that it speaks, such as `openai`"),
        text("status", "`active` or `retired`"),
        boolean("critical", "Whether a service in scope depends on it, as declared"),
        time("approved_at", "NULL: there is no approval of vendors yet"),
        time("dpa_signed_at", "NULL: agreements are not recorded yet"),
        time("dpa_expires_at", "NULL: agreements are not recorded yet"),
        boolean("no_training_on_data", "NULL: agreements are not recorded yet"),
        int("breach_notice_hours", "NULL: agreements are not recorded yet"),
        time("report_period_end", "NULL: assurance reports are not recorded yet"),
        time("report_reviewed_at", "NULL: assurance reports are not recorded yet"),
        boolean("cuecs_mapped", "NULL: assurance reports are not recorded yet"),
        time("bridge_until", "NULL: assurance reports are not recorded yet"),
        time("exit_tested_at", "NULL: exit tests are not recorded yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ProviderDeclared(body) => {
                let row = Row { origin: leaf.origin(), spec: body.spec.clone(), retired: false };
                self.0.insert(body.provider.clone(), row);
            }
            Event::ProviderRetired(body) => {
                if let Some(row) = self.0.get_mut(&body.provider) {
                    (row.origin, row.retired) = (leaf.origin(), true);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (provider, row) in &self.0 {
            let kind = match row.spec.kind {
                ProviderKind::Openai => "openai",
            };
            let status = if row.retired { "retired" } else { "active" };
            let mut cells = [const { Cell::Null }; 14];
            let known = [provider.into(), kind.into(), status.into(), row.spec.critical.into()];
            cells.iter_mut().zip(known).for_each(|(cell, value)| *cell = value);
            out.push(row.origin, cells);
        }
    }
}
