//! `endpoints`: where this installation is called and whom it calls, with what probes found there.
//!
//! A listener is a row from its node's start on and a provider from its declaration on, so that what was never probed is
//! seen to be so.

use std::collections::BTreeMap;

use domain::Event;
use domain::infrastructure::{ClientAuth, Endpoint, EndpointsProbed, Found, TlsVersion, Zone};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    /// The node whose listener it is; `None` for a provider.
    node: Option<String>,
    address: Option<String>,
    /// What was found last, and when.
    found: Option<(Found, i64)>,
    retired_at: Option<i64>,
}

impl Row {
    fn new(origin: Origin, node: Option<&str>, address: Option<&str>) -> Self {
        let (node, address) = (node.map(str::to_owned), address.map(str::to_owned));
        Self { origin, node, address, found: None, retired_at: None }
    }

    fn retire(&mut self, leaf: &Leaf<'_>) {
        if self.retired_at.is_none() {
            (self.origin, self.retired_at) = (leaf.origin(), Some(leaf.entry.ts));
        }
    }

    /// Takes in what a probe says. One that found nothing leaves what was found before, which grows old.
    fn probed(&mut self, leaf: &Leaf<'_>, probed: &Endpoint) {
        (self.origin, self.retired_at) = (leaf.origin(), None);
        self.address = Some(probed.address.clone());
        if let Some(found) = probed.found {
            self.found = Some((found, leaf.entry.ts));
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Endpoints {
    rows: BTreeMap<String, Row>,
    /// The incarnations of nodes that run, as far as the ledger says.
    running: BTreeMap<String, u64>,
}

impl Endpoints {
    fn probed(&mut self, leaf: &Leaf<'_>, body: &EndpointsProbed) {
        // What comes after a node's end tells of listeners that are gone.
        let runs = self.running.get(&body.node) == Some(&body.incarnation);
        if runs {
            let there = |id: &str| body.endpoints.iter().any(|endpoint| endpoint.endpoint == id);
            let own = self.rows.iter_mut().filter(|(_, row)| row.node.as_ref() == Some(&body.node));
            own.filter(|(id, _)| !there(id)).for_each(|(_, row)| row.retire(leaf));
        }
        for endpoint in &body.endpoints {
            match endpoint.endpoint.starts_with("provider/") {
                false if runs => {
                    let row = self.rows.entry(endpoint.endpoint.clone());
                    row.or_insert_with(|| Row::new(leaf.origin(), Some(&body.node), None)).probed(leaf, endpoint);
                }
                false => {}
                // The provider may have moved or gone while it was asked.
                true => {
                    let row = self.rows.get_mut(&endpoint.endpoint);
                    let same =
                        |row: &&mut Row| row.retired_at.is_none() && row.address.as_ref() == Some(&endpoint.address);
                    if let Some(row) = row.filter(same) {
                        row.probed(leaf, endpoint);
                    }
                }
            }
        }
    }
}

impl Table for Endpoints {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "endpoints";
    const DOC: &'static str = "Listeners of this installation and the providers that its gateway calls, with what probes found: at every start, once a day, and when a provider is declared. A listener is there from its node's start to its end.";
    const COLUMNS: &'static [Column] = &[
        text("endpoint_id", "`listener/<node>`, `redirect/<node>` or `provider/<provider>`"),
        text("env", "`prod`: an installation is one environment"),
        text(
            "zone",
            "Who can reach it, by its network address: `loopback` (this machine alone), `private`, `public`, or `any` for a listener on every address of its machine; NULL while it was not reached",
        ),
        text(
            "tls_min",
            "The oldest version of TLS that it agreed to speak when probed, `1.0` to `1.3`; NULL when it speaks in clear, or was never reached",
        ),
        text(
            "client_auth",
            "What it said to a request without credentials: `required` (refused), `none` (answered), `redirects` (sent to an address with TLS); NULL when that was neither, or it was never reached",
        ),
        time(
            "checked_at",
            "When a probe last reached it; NULL when none did since it was declared or its node started",
        ),
        time(
            "retired_at",
            "When the node ended or listened there no more, or the provider was retired; NULL while in use",
        ),
        text("address", "Where it is asked; NULL before a listener was probed"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::NodeJoined(body) => {
                self.running.insert(body.node.clone(), body.incarnation);
                // It may listen otherwise than before, so what was found before says nothing.
                let row = Row::new(leaf.origin(), Some(&body.node), None);
                self.rows.insert(format!("listener/{}", body.node), row);
            }
            Event::NodeStopped(body) => {
                self.running.remove(&body.node);
                let own = self.rows.values_mut().filter(|row| row.node.as_ref() == Some(&body.node));
                own.for_each(|row| row.retire(leaf));
            }
            Event::ProviderDeclared(body) => {
                let (id, address) = (format!("provider/{}", body.provider), body.spec.base_url.as_str());
                let same = |row: &Row| row.retired_at.is_none() && row.address.as_deref() == Some(address);
                if !self.rows.get(&id).is_some_and(same) {
                    self.rows.insert(id, Row::new(leaf.origin(), None, Some(address)));
                }
            }
            Event::ProviderRetired(body) => {
                if let Some(row) = self.rows.get_mut(&format!("provider/{}", body.provider)) {
                    row.retire(leaf);
                }
            }
            Event::EndpointsProbed(body) => self.probed(leaf, body),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, row) in &self.rows {
            let found = row.found.map(|(found, _)| found);
            let cells = [
                id.into(),
                "prod".into(),
                found.map(|found| found.zone).map(Zone::as_str).into(),
                found.and_then(|found| found.tls_min).map(TlsVersion::as_str).into(),
                found.and_then(|found| found.client_auth).map(ClientAuth::as_str).into(),
                row.found.map_or(Cell::Null, |(_, at)| ms(at)),
                row.retired_at.map_or(Cell::Null, ms),
                row.address.as_ref().into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
