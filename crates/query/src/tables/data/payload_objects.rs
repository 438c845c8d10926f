//! The payloads of a class and day as one object of `data_objects`: they share a key, and go together.

use std::collections::BTreeMap;

use domain::keys::retention::{Item, Kind, day_start};
use domain::{Event, State};

use crate::fold::Leaf;
use crate::table::{Cell, Origin, Rows, ms};

/// What is known of days of payloads.
#[derive(Clone, Default)]
pub(super) struct PayloadObjects {
    days: BTreeMap<Item, (Origin, Option<i64>)>,
    /// Where the node is, with all that lies there.
    here: Option<String>,
}

/// What an object is called that goes as a whole.
pub(super) fn object_id(item: &Item) -> String {
    match (&item.object, &item.day) {
        (Some(object), _) => object.clone(),
        (None, day) if item.kind.is_core() => format!("records/{}/{}", item.class, day.as_deref().unwrap_or_default()),
        (None, day) => format!("payloads/{}/{}", item.class, day.as_deref().unwrap_or_default()),
    }
}

impl PayloadObjects {
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::StoreLocated(body) if body.store.starts_with("node/") => self.here.clone_from(&body.region),
            // Records are no data of anybody's, and in no inventory of what must be encrypted.
            Event::RetentionKept(body) if body.kind.is_core() => {}
            Event::RetentionKept(body) => {
                let day = Some(body.day.clone());
                let item = Item { kind: body.kind, class: body.class.clone(), day, object: None };
                self.days.entry(item).or_insert_with(|| (leaf.origin(), None));
            }
            Event::RetentionDisposed(body) => {
                if let Some(known) = self.days.get_mut(&body.item) {
                    *known = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    pub fn rows(&self, state: &State, out: &mut Rows) {
        let live = || domain::keys::holds::live(state).map(|(_, hold)| hold.placed.on.as_str());
        // Of whom and of which services a day holds something, the ledger does not say: such a hold may be on any day.
        let anybody = live().any(|on| on.starts_with("subject/") || on.starts_with("service/"));
        for (item, (origin, deleted_at)) in &self.days {
            let Some(start) = item.day.as_deref().and_then(day_start) else { continue };
            let rule = state.retention_rule(item.kind, &item.class);
            let expires = |days: u32| start.saturating_add((i64::from(days) + 1).saturating_mul(86_400_000));
            let class = format!("class/{}", item.class);
            let held = live().any(|on| on == class) || (anybody && item.kind == Kind::InferencePayload);
            let source = match item.kind {
                Kind::AccessRecord => "accesses",
                Kind::LineageEvent => "lineage",
                _ => "gateway",
            };
            let cells = [
                object_id(item).into(),
                item.kind.as_str().into(),
                (&item.class).into(),
                ms(start),
                format!("day/{}/{}", item.class, item.day.as_deref().unwrap_or_default()).into(),
                true.into(),
                self.here.as_ref().into(),
                source.into(),
                ms(start),
                rule.map(|rule| &rule.scheduled.rule).into(),
                rule.map_or(Cell::Null, |rule| ms(expires(rule.scheduled.days))),
                deleted_at.map_or(Cell::Null, ms),
                held.into(),
            ];
            out.push(*origin, cells);
        }
    }
}
