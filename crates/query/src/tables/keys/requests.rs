//! `dsr` and `dsr_impacts`: what people asked for, how it ended, and what an erasure meant for trained models. And
//! `subject_keys`: keys of people, as far as requests told of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::keys::requests::{IdentityResult, RequestAssessed, RequestClosed, RequestReceived};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

/// A request.
#[derive(Clone)]
struct Known {
    origin: Origin,
    received: RequestReceived,
    confirmed: bool,
    closed: Option<(RequestClosed, i64)>,
}

/// `dsr`.
#[derive(Clone, Default)]
pub(crate) struct Dsr(BTreeMap<String, Known>);

impl Table for Dsr {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "dsr";
    const DOC: &'static str = "Requests by data subjects: a row for each reference by which a person is known.";
    const COLUMNS: &'static [Column] = &[
        text("request_id", "Public identifier"),
        text("subject_ref", "A random reference to whoever asked"),
        text("kind", "`access`, `correction`, `erasure`, `adm_explanation` or `adm_review`"),
        time("received_at", "When it was received"),
        time("due_at", "Until when it must be answered"),
        time("closed_at", "When it was closed; NULL while it is open"),
        text("outcome", "`done`, `refused` or `withdrawn`; NULL while it is open"),
        text("reason_code", "Why it was refused; NULL when it was not"),
        time("notified_at", "When whoever asked was told; NULL while nobody was"),
        boolean("identity_verified", "Whether it was confirmed who asked"),
        text("channel", "How it came in"),
        text("reference", "Where the answer is written down; NULL while it is open"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let request = match &leaf.entry.event {
            Event::RequestReceived(body) => {
                let known = Known { origin: leaf.origin(), received: body.clone(), confirmed: false, closed: None };
                self.0.insert(body.request.clone(), known);
                return;
            }
            Event::RequestIdentityChecked(body) => &body.request,
            Event::RequestClosed(body) => &body.request,
            _ => return,
        };
        let Some(known) = self.0.get_mut(request) else { return };
        known.origin = leaf.origin();
        match &leaf.entry.event {
            Event::RequestIdentityChecked(body) => known.confirmed = body.result == IdentityResult::Confirmed,
            Event::RequestClosed(body) => known.closed = Some((body.clone(), leaf.entry.ts)),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, known) in &self.0 {
            let Known { origin, received, confirmed, closed } = known;
            let body = closed.as_ref().map(|(body, _)| body);
            for subject in &received.subjects {
                let cells = [
                    id.into(),
                    subject.into(),
                    received.kind.as_str().into(),
                    ms(received.received_at),
                    ms(received.due_at),
                    closed.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
                    body.map(|body| body.outcome.as_str()).into(),
                    body.and_then(|body| body.reason_code).map(|reason| reason.as_str()).into(),
                    body.and_then(|body| body.notified_at).map_or(Cell::Null, ms),
                    (*confirmed).into(),
                    received.channel.as_str().into(),
                    body.map(|body| &body.reference).into(),
                ];
                out.push(*origin, cells);
            }
        }
    }
}

/// A model version that an erasure concerns, and what was said of it.
#[derive(Clone)]
struct Impact {
    origin: Origin,
    said: Option<(RequestAssessed, i64)>,
}

/// `dsr_impacts`.
#[derive(Clone, Default)]
pub(crate) struct DsrImpacts(BTreeMap<(String, String), Impact>);

impl Table for DsrImpacts {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "dsr_impacts";
    const DOC: &'static str = "What such a request means for trained models: each version that has to be assessed.";
    const COLUMNS: &'static [Column] = &[
        text("request_id", "The request"),
        text("model_id", "The model"),
        text("version", "Its version"),
        text("assessment", "`trained`, `not_trained` or `unknown`; NULL while nobody has said"),
        text("action", "`retrain`, `unlearn`, `filter` or `keep`; NULL while nobody has said"),
        time("completed_at", "When that was decided; NULL while it is not"),
        text("reference", "Where the reason, or the method and its test, is written down"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RequestSearched(body) => {
                // What is assessed may be left out for want of room in the entry.
                let stays = |model: &String, impact: &Impact| impact.said.is_some() || body.models.contains(model);
                self.0.retain(|(request, model), impact| *request != body.request || stays(model, impact));
                for model in &body.models {
                    let fresh = || Impact { origin: leaf.origin(), said: None };
                    self.0.entry((body.request.clone(), model.clone())).or_insert_with(fresh);
                }
            }
            Event::RequestAssessed(body) => {
                let key = (body.request.clone(), format!("{}/{}", body.model, body.version));
                let said = Some((body.clone(), leaf.entry.ts));
                self.0.insert(key, Impact { origin: leaf.origin(), said });
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for ((request, name), Impact { origin, said }) in &self.0 {
            let (model, version) = name.split_once('/').unwrap_or((name, ""));
            let body = said.as_ref().map(|(body, _)| body);
            let cells = [
                request.into(),
                model.into(),
                version.into(),
                body.map(|body| body.assessment.as_str()).into(),
                body.map(|body| body.action.as_str()).into(),
                said.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
                body.map(|body| &body.reference).into(),
            ];
            out.push(*origin, cells);
        }
    }
}

/// `subject_keys`.
#[derive(Clone, Default)]
pub(crate) struct SubjectKeys(BTreeMap<String, (Origin, Option<i64>)>);

impl Table for SubjectKeys {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "subject_keys";
    const DOC: &'static str = "Keys of data subjects that a request concerned, and their destruction. Keys that nobody asked about are not here.";
    const COLUMNS: &'static [Column] = &[
        text("subject_ref", "The random reference to the person"),
        text("key_id", "Name of the key"),
        time("created_at", "When it was made; NULL when the ledger does not say"),
        time("destroyed_at", "When it was destroyed; NULL while it lives"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let at = leaf.entry.ts;
        let (keys, destroyed): (&BTreeSet<String>, bool) = match &leaf.entry.event {
            Event::RequestSearched(body) => (&body.keys, false),
            Event::RequestStep(body) => (&body.keys, true),
            _ => return,
        };
        for key in keys {
            let (origin, gone) = self.0.entry(key.clone()).or_insert_with(|| (leaf.origin(), None));
            if destroyed && gone.is_none() {
                (*origin, *gone) = (leaf.origin(), Some(at));
            }
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (key, (origin, destroyed)) in &self.0 {
            let subject = key.rsplit('/').next().unwrap_or_default();
            out.push(*origin, [subject.into(), key.into(), Cell::Null, destroyed.map_or(Cell::Null, ms)]);
        }
    }
}
