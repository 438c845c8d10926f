//! `control_schedule`: when each control in scope was due.

use std::collections::BTreeMap;

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::schedule::due_times;
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

/// A stretch of time in which a control was in scope at one frequency.
#[derive(Clone)]
struct Stretch {
    origin: Origin,
    control: String,
    frequency: String,
    from: i64,
    /// `None` while it lasts.
    until: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct ControlSchedule {
    ended: Vec<Stretch>,
    lasting: BTreeMap<String, Stretch>,
}

impl Table for ControlSchedule {
    const ROOM: &'static str = "assurance";
    const NAME: &'static str = "control_schedule";
    const DOC: &'static str = "Instants at which a control in scope was due, up to the newest entry: full hours for `continuous` and `hourly`, midnights for `daily`, Mondays at midnight for `weekly`, all UTC.";
    const COLUMNS: &'static [Column] = &[
        text("control_id", "Identifier in the catalogue"),
        text("frequency", "How often it must run: `continuous`, `hourly`, `daily` or `weekly`"),
        time("due_at", "When it was due"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let Event::ControlsScoped(body) = &leaf.entry.event else { return };
        let mut before = std::mem::take(&mut self.lasting);
        for scoped in &body.controls {
            let stretch = match before.remove(&scoped.control) {
                Some(same) if same.frequency == scoped.frequency => same,
                changed => {
                    self.ended.extend(changed.map(|old| old.end(leaf.entry.ts)));
                    Stretch {
                        origin: leaf.origin(),
                        control: scoped.control.clone(),
                        frequency: scoped.frequency.clone(),
                        from: leaf.entry.ts,
                        until: None,
                    }
                }
            };
            self.lasting.insert(scoped.control.clone(), stretch);
        }
        self.ended.extend(before.into_values().map(|old| old.end(leaf.entry.ts)));
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        for stretch in self.ended.iter().chain(self.lasting.values()) {
            let until = stretch.until.unwrap_or(moment.now);
            for due in due_times(&stretch.frequency, stretch.from, until) {
                out.push(stretch.origin, [(&stretch.control).into(), (&stretch.frequency).into(), ms(due)]);
            }
        }
    }
}

impl Stretch {
    fn end(self, at: i64) -> Self {
        Self { until: Some(at), ..self }
    }
}
