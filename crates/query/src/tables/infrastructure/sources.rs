//! `expected_sources` and `source_activity`: who must report to the ledger, and whether they did.
//!
//! A gateway reports, hour by hour, what it counted at its edge; the records it made are held against that. The ledger
//! itself reports by heartbeats: an hour without one is an hour of silence, whether the program was down or stuck.

use std::collections::BTreeMap;

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};
use crate::tables::serving::GatewayCounters;

const HOUR_MS: i64 = 3_600_000;
const HOUR_MIN: i64 = 60;
const DAY_MIN: i64 = 24 * 60;

/// The start of the hour that `ts` is in.
fn hour_of(ts: i64) -> i64 {
    ts.saturating_sub(ts.rem_euclid(HOUR_MS))
}

#[derive(Clone, Default)]
pub(crate) struct ExpectedSources {
    nodes: BTreeMap<String, Origin>,
    ledger: Option<Origin>,
}

impl Table for ExpectedSources {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "expected_sources";
    const DOC: &'static str =
        "Sources that must report: every node that ever joined, for inference, and the ledger for its own heartbeats.";
    const COLUMNS: &'static [Column] = &[
        text("source_id", "The node's name, or `ledger`"),
        text("event_type", "`inference` or `heartbeat`"),
        int(
            "max_silence_min",
            "Minutes that it may be silent: 60 for heartbeats; a day for inference, because an hour without callers is not a fault",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::OrgCreated(_) => self.ledger = Some(leaf.origin()),
            Event::NodeJoined(body) => {
                self.nodes.entry(body.node.clone()).or_insert(leaf.origin());
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (node, origin) in &self.nodes {
            out.push(*origin, [node.into(), "inference".into(), Cell::Int(DAY_MIN)]);
        }
        if let Some(origin) = self.ledger {
            out.push(origin, ["ledger".into(), "heartbeat".into(), Cell::Int(HOUR_MIN)]);
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct SourceActivity {
    counters: GatewayCounters,
    /// Heartbeats by the start of their hour, and the newest of each.
    beats: BTreeMap<i64, (u64, Origin)>,
}

impl Table for SourceActivity {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "source_activity";
    const DOC: &'static str = "What the expected sources reported, hour by hour. Hours without a heartbeat are rows too, from the first heartbeat until the last whole hour before the newest entry.";
    const COLUMNS: &'static [Column] = &[
        text("source_id", "The node's name, or `ledger`"),
        text("event_type", "`inference` or `heartbeat`"),
        time("window_start", "Start of the hour"),
        int("window_min", "60"),
        int("events", "What reached the ledger: records made durable, or heartbeats"),
        int(
            "upstream_events",
            "What the source counted itself: requests at the gateway's edge; NULL for heartbeats, and when the count was lost",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.counters.apply(leaf);
        if let Event::LedgerHeartbeat(_) = &leaf.entry.event {
            let hour = hour_of(leaf.entry.ts);
            let beats = self.beats.entry(hour).or_insert((0, leaf.origin()));
            *beats = (beats.0 + 1, leaf.origin());
        }
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        self.counters.each_hour(|node, hour, count| {
            let own = Some(count.requests).filter(|_| count.lost == 0);
            let cells =
                [node.into(), "inference".into(), ms(hour), Cell::Int(HOUR_MIN), count.logged.into(), own.into()];
            out.push(count.origin, cells);
        });
        let mut beat = |hour: i64, beats: u64, origin: Origin| {
            let cells = ["ledger".into(), "heartbeat".into(), ms(hour), Cell::Int(HOUR_MIN), beats.into(), Cell::Null];
            out.push(origin, cells);
        };
        let mut hours = self.beats.iter().peekable();
        while let Some((hour, (beats, origin))) = hours.next() {
            beat(*hour, *beats, *origin);
            let next = hours.peek().map_or(hour_of(moment.now), |(next, _)| **next);
            let silent = (hour.saturating_add(HOUR_MS)..next).step_by(HOUR_MS as usize);
            silent.for_each(|hour| beat(hour, 0, *origin));
        }
    }
}
