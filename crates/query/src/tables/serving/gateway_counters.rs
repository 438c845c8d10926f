//! `gateway_counters`: what the gateways counted at their edge, and which counts were lost.

use std::collections::BTreeMap;

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
pub(crate) struct Count {
    pub origin: Origin,
    pub requests: u64,
    pub logged: u64,
    /// Incarnations whose count died with their process.
    pub lost: u64,
    /// Records of theirs that were found.
    pub recovered: u64,
}

/// By node, hour and incarnation, so that the incarnations of one hour lie together.
#[derive(Clone, Default)]
pub(crate) struct GatewayCounters(BTreeMap<(String, i64, u64), Count>);

impl Table for GatewayCounters {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "gateway_counters";
    const DOC: &'static str = "Requests counted where responses leave and records counted where they are written, by node and hour. The newest count of each incarnation of the node, added up. An hour in which a process died is here too, with what is known of it.";
    const COLUMNS: &'static [Column] = &[
        text("node_id", "The node"),
        time("hour", "Start of the hour"),
        int("requests", "Inference requests that ended in the hour"),
        int("logged", "Records made durable for them"),
        int(
            "lost",
            "Incarnations of the node whose count died with their process: requests and logged lack what they counted last",
        ),
        int(
            "recovered",
            "Records of those incarnations that the next start found for the hour; no count of requests, for requests without a record leave no trace",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::GatewayCounted(body) => {
                let count = self.entry(leaf, &body.node, body.hour, body.incarnation);
                (count.requests, count.logged) = (body.requests, body.logged);
            }
            Event::GatewayCountLost(body) => {
                let count = self.entry(leaf, &body.node, body.hour, body.incarnation);
                (count.lost, count.recovered) = (1, body.records);
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (node, hour, sum) in self.hours() {
            let counted = [sum.requests, sum.logged, sum.lost, sum.recovered].map(Cell::from);
            let [requests, logged, lost, recovered] = counted;
            out.push(sum.origin, [node.into(), ms(hour), requests, logged, lost, recovered]);
        }
    }
}

impl GatewayCounters {
    /// What is known of an hour of an incarnation; this leaf is the newest to tell.
    fn entry(&mut self, leaf: &Leaf<'_>, node: &str, hour: i64, incarnation: u64) -> &mut Count {
        let origin = leaf.origin();
        let none = Count { origin, requests: 0, logged: 0, lost: 0, recovered: 0 };
        let count = self.0.entry((node.to_owned(), hour, incarnation)).or_insert(none);
        count.origin = origin;
        count
    }

    /// The sums over incarnations, in the order of node and hour. The origin is the newest.
    fn hours(&self) -> Vec<(&str, i64, Count)> {
        let mut sums: Vec<(&str, i64, Count)> = Vec::new();
        for ((node, hour, _), count) in &self.0 {
            match sums.last_mut().filter(|(n, h, _)| *n == node && h == hour) {
                Some((_, _, sum)) => {
                    sum.requests = sum.requests.saturating_add(count.requests);
                    sum.logged = sum.logged.saturating_add(count.logged);
                    sum.lost = sum.lost.saturating_add(count.lost);
                    sum.recovered = sum.recovered.saturating_add(count.recovered);
                    if sum.origin.seq < count.origin.seq {
                        sum.origin = count.origin;
                    }
                }
                None => sums.push((node, *hour, count.clone())),
            }
        }
        sums
    }

    /// What [`crate::tables::infrastructure::SourceActivity`] tells of inference: node, hour and count.
    pub fn each_hour(&self, mut each: impl FnMut(&str, i64, Count)) {
        for (node, hour, sum) in self.hours() {
            each(node, hour, sum);
        }
    }
}
