//! `gateway_counters`: what the gateways counted at their edge.

use std::collections::BTreeMap;

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Count {
    origin: Origin,
    requests: u64,
    logged: u64,
}

/// By node, hour and incarnation, so that the incarnations of one hour lie together.
#[derive(Clone, Default)]
pub(crate) struct GatewayCounters(BTreeMap<(String, i64, u64), Count>);

impl Table for GatewayCounters {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "gateway_counters";
    const DOC: &'static str = "Requests counted where responses leave and records counted where they are written, by node and hour. The newest count of each incarnation of the node, added up.";
    const COLUMNS: &'static [Column] = &[
        text("node_id", "The node"),
        time("hour", "Start of the hour"),
        int("requests", "Inference requests that ended in the hour"),
        int("logged", "Records made durable for them"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::GatewayCounted(body) = &leaf.entry.event {
            let count = Count { origin: leaf.origin(), requests: body.requests, logged: body.logged };
            self.0.insert((body.node.clone(), body.hour, body.incarnation), count);
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (node, hour, sum) in self.hours() {
            out.push(sum.origin, [node.into(), ms(hour), sum.requests.into(), sum.logged.into()]);
        }
    }
}

impl GatewayCounters {
    /// The sums over incarnations, in the order of node and hour. The origin is the newest.
    fn hours(&self) -> Vec<(&str, i64, Count)> {
        let mut sums: Vec<(&str, i64, Count)> = Vec::new();
        for ((node, hour, _), count) in &self.0 {
            match sums.last_mut().filter(|(n, h, _)| *n == node && h == hour) {
                Some((_, _, sum)) => {
                    sum.requests = sum.requests.saturating_add(count.requests);
                    sum.logged = sum.logged.saturating_add(count.logged);
                    if sum.origin.seq < count.origin.seq {
                        sum.origin = count.origin;
                    }
                }
                None => sums.push((node, *hour, count.clone())),
            }
        }
        sums
    }

    /// What [`crate::tables::infrastructure::SourceActivity`] tells of inference: (node, hour, requests, logged).
    pub fn each_hour(&self, mut each: impl FnMut(&str, i64, u64, u64, Origin)) {
        for (node, hour, sum) in self.hours() {
            each(node, hour, sum.requests, sum.logged, sum.origin);
        }
    }
}
