//! Encrypted objects as rows of `data_objects`: versions of data sets, and model artifacts.

use std::collections::BTreeMap;

use domain::data::StoredObject;
use domain::infrastructure::PlaceOutcome;
use domain::keys::{holds, retention::Kind};
use domain::{Event, State};

use crate::fold::Leaf;
use crate::table::{Cell, Origin, Rows, ms};

const DAY_MS: i64 = 86_400_000;

#[derive(Clone)]
struct Stored {
    origin: Origin,
    kind: Kind,
    class: Option<String>,
    key: Option<String>,
    region: Option<String>,
    /// The bucket that it lies in, as a store; none for the data directory.
    bucket: Option<String>,
    source: String,
    /// The data set that it is of, and whether it says whom its rows are about.
    dataset: Option<(String, bool)>,
    at: i64,
    /// From when on a rule of retention counts.
    since: i64,
    deleted_at: Option<i64>,
}

impl Stored {
    /// It went from where it lay then.
    fn end(&mut self, origin: Origin, at: i64, places: &Places) {
        self.region = self.region(places).cloned();
        (self.origin, self.deleted_at) = (origin, Some(at));
    }

    /// Where it lies, or lay last. Of a bucket that nobody said the region of, that is not known, whatever was declared.
    fn region<'a>(&'a self, places: &'a Places) -> Option<&'a String> {
        match &self.bucket {
            _ if self.deleted_at.is_some() => self.region.as_ref(),
            Some(bucket) => places.buckets.get(bucket),
            None => places.here.as_ref().or(self.region.as_ref()),
        }
    }
}

/// Where objects are kept.
#[derive(Clone, Default)]
struct Places {
    /// Where the node is, with all that lies there.
    here: Option<String>,
    /// The bucket that objects go into, as a store, once one passed its test.
    bucket: Option<String>,
    /// Regions of buckets, as the settings said.
    buckets: BTreeMap<String, String>,
}

/// What is known of encrypted objects, by identifier; of an artifact in clear, by its SHA-256.
#[derive(Clone, Default)]
pub(super) struct StoredObjects {
    stored: BTreeMap<String, Stored>,
    /// Regions of data sets, as declared.
    regions: BTreeMap<String, Option<String>>,
    places: Places,
}

impl StoredObjects {
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::StoreLocated(body) if body.store.starts_with("node/") => self.places.here.clone_from(&body.region),
            Event::StoreLocated(body) => {
                let buckets = &mut self.places.buckets;
                match &body.region {
                    Some(region) => buckets.insert(body.store.clone(), region.clone()),
                    None => buckets.remove(&body.store),
                };
            }
            Event::ObjectsProbed(body) if body.outcome == PlaceOutcome::Erasable => {
                self.places.bucket = Some(format!("objects/{}", body.bucket));
            }
            Event::DatasetDeclared(body) => {
                self.regions.insert(body.dataset.clone(), body.spec.region.clone());
            }
            Event::VersionStored(body) => {
                let about = body.subjects.is_some();
                self.version(leaf, &body.stored, (&body.dataset, &body.version), (about, at));
            }
            // Written anew, it is as old as it was.
            Event::VersionRewritten(body) => {
                let since = self.stored.get(&body.old).map_or(at, |old| old.since);
                self.version(leaf, &body.stored, (&body.dataset, &body.version), (true, since));
            }
            // Rows that are kept beside a version go with it.
            Event::VersionQuarantined(body) => {
                let source = format!("dataset/{}/{}", body.dataset, body.version);
                let since = self.stored.values().find(|known| known.source == source).map_or(at, |known| known.since);
                if let Some(rows) = &body.rows {
                    self.version(leaf, rows, (&body.dataset, &body.version), (true, since));
                }
            }
            Event::ObjectDestroyed(body) => {
                if let Some(known) = self.stored.get_mut(&body.object) {
                    known.end(origin, at, &self.places);
                }
            }
            // Of a version, that its object was destroyed is told before.
            Event::RetentionDisposed(body) => {
                let known = body.item.object.as_ref().and_then(|object| self.stored.get_mut(object));
                if let Some(known) = known.filter(|known| known.deleted_at.is_none()) {
                    known.end(origin, at, &self.places);
                }
            }
            Event::ModelRegistered(body) => {
                let enclosed = body.enclosed.as_ref();
                let id = enclosed.map_or(&body.artifact_sha256, |enclosed| &enclosed.object);
                let artifact = Stored {
                    origin,
                    kind: Kind::Artifact,
                    class: enclosed.map(|enclosed| enclosed.class.clone()),
                    key: enclosed.map(|enclosed| enclosed.key.clone()),
                    region: None,
                    bucket: self.places.bucket.clone(),
                    source: format!("model/{}/{}", body.model, body.version),
                    dataset: None,
                    at,
                    since: at,
                    deleted_at: None,
                };
                // The same bytes may be several versions; they lie there once, and are kept from the last on.
                self.stored.entry(id.clone()).and_modify(|known| known.since = at).or_insert(artifact);
            }
            _ => {}
        }
    }

    fn version(
        &mut self,
        leaf: &Leaf<'_>,
        stored: &StoredObject,
        (dataset, version): (&str, &str),
        (about, since): (bool, i64),
    ) {
        let version = Stored {
            origin: leaf.origin(),
            kind: Kind::Dataset,
            class: Some(stored.class.clone()),
            key: Some(stored.key.clone()),
            region: self.regions.get(dataset).cloned().flatten(),
            bucket: self.places.bucket.clone(),
            source: format!("dataset/{dataset}/{version}"),
            dataset: Some((dataset.to_owned(), about)),
            at: leaf.entry.ts,
            since,
            deleted_at: None,
        };
        self.stored.insert(stored.object.clone(), version);
    }

    pub fn rows(&self, state: &State, out: &mut Rows) {
        for (object, stored) in &self.stored {
            let rule = stored.class.as_ref().and_then(|class| state.retention_rule(stored.kind, class));
            let expires = rule.map(|rule| {
                let days = i64::from(rule.scheduled.days);
                stored.since.saturating_add(days.saturating_mul(DAY_MS))
            });
            // Of whom a version holds rows, the ledger does not say: a hold on a person may be on any that has people in it.
            let held = holds::live(state).any(|(_, hold)| {
                let on = hold.placed.on.as_str();
                let of_class = stored.class.as_ref().is_some_and(|class| on == format!("class/{class}"));
                let of_dataset = stored.dataset.as_ref().is_some_and(|(name, about)| {
                    on == format!("dataset/{name}") || (*about && on.starts_with("subject/"))
                });
                of_class || of_dataset
            });
            let cells = [
                object.into(),
                stored.kind.as_str().into(),
                stored.class.as_ref().into(),
                stored.class.as_ref().map_or(Cell::Null, |_| ms(stored.at)),
                stored.key.as_ref().into(),
                stored.key.is_some().into(),
                stored.region(&self.places).into(),
                (&stored.source).into(),
                ms(stored.at),
                rule.map(|rule| &rule.scheduled.rule).into(),
                expires.map_or(Cell::Null, ms),
                stored.deleted_at.map_or(Cell::Null, ms),
                held.into(),
            ];
            out.push(stored.origin, cells);
        }
    }
}
