//! `crypto_keys`: the keys of classes and the root key, version by version.
//!
//! The keys below them (of subjects, days and buckets) come and go at the rate of traffic and are no events; how many there
//! are is for the inventory to say.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::EncryptionConfigured;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What the root key is called in `classification`: no class can be called so.
const ROOT: &str = "(root)";

#[derive(Clone)]
struct Row {
    origin: Origin,
    class: String,
    created_at: i64,
    custodian: String,
    /// Since when a newer version is in use, and whether this one is destroyed.
    ended: Option<(i64, bool)>,
}

#[derive(Clone, Default)]
pub(crate) struct CryptoKeys {
    rows: BTreeMap<String, Row>,
    schedule: EncryptionConfigured,
}

impl CryptoKeys {
    /// Ends the version of a class or of the root that was in use, and puts another in its place.
    fn replace(&mut self, leaf: &Leaf<'_>, key: String, row: Row, destroyed: bool) {
        let before = self.rows.values_mut().filter(|known| known.class == row.class && known.ended.is_none());
        for known in before {
            (known.origin, known.ended) = (leaf.origin(), Some((leaf.entry.ts, destroyed)));
        }
        self.rows.insert(key, row);
    }
}

impl Table for CryptoKeys {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "crypto_keys";
    const DOC: &'static str = "Versions of the keys of data classes, and of the root key above them, with when each is to \
                               be replaced. Keys of subjects, days and buckets lie below a class's and are not listed.";
    const COLUMNS: &'static [Column] = &[
        text("key_id", "`class/NAME/vN`, or `root/` and the name that the custodian gives a version of the root key"),
        text("classification", "The class of the data that it protects; `(root)` for the root key"),
        text(
            "state",
            "`active`; `destroyed` when a newer version took its place; `retired` when that did not destroy it",
        ),
        time("created_at", "When this version was made"),
        time("rotate_due_at", "When it is to be replaced, by the schedule that is set; NULL when it was"),
        text("custodian_id", "What held the root key when this was reported: `file`, `transit`, `pkcs11` or `memory`"),
        time("ended_at", "When a newer version was reported; NULL while it is in use"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::EncryptionConfigured(body) => self.schedule = body.clone(),
            Event::EncryptionKeyRotated(body) => {
                let (class, custodian) = (body.class.clone(), body.custodian.clone());
                let row = Row { origin, class, created_at: body.made_at, custodian, ended: None };
                self.replace(leaf, format!("class/{}/v{}", body.class, body.version), row, true);
            }
            Event::EncryptionRootRatcheted(body) => {
                let (class, custodian) = (ROOT.to_owned(), body.custodian.clone());
                let row = Row { origin, class, created_at: at, custodian, ended: None };
                self.replace(leaf, format!("root/{}", body.key_id), row, body.forgets);
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (key, row) in &self.rows {
            let after = match row.class.as_str() {
                ROOT => i64::from(self.schedule.ratchet_hours) * HOUR_MS,
                _ => i64::from(self.schedule.class_days) * DAY_MS,
            };
            let (state, due, ended) = match row.ended {
                None => ("active", ms(row.created_at.saturating_add(after)), Cell::Null),
                Some((at, true)) => ("destroyed", Cell::Null, ms(at)),
                Some((at, false)) => ("retired", Cell::Null, ms(at)),
            };
            let (class, custodian) = ((&row.class).into(), (&row.custodian).into());
            out.push(row.origin, [key.into(), class, state.into(), ms(row.created_at), due, custodian, ended]);
        }
    }
}
