//! Events of retention and holds.

use super::s;
use crate::Event;
use crate::keys::holds::{HoldPlaced, HoldReleased};
use crate::keys::retention::{
    ClockConfirmed, DisposalConfirmed, Item, Kind, Method, PayloadCompacted, RetentionDisposed, RetentionDisposing,
    RetentionKept, RetentionScheduled, RetentionUnscheduled, SegmentGone, SegmentsDisposed,
};
use crate::serving::SegmentFile;

pub fn events() -> Vec<Event> {
    let item =
        Item { kind: Kind::InferencePayload, class: s("confidential"), day: Some(s("2026-10-29")), object: None };
    let old = SegmentFile { path: s("payloads/a.payload.parquet"), sha256: s("aa"), len: 3 };
    let new = SegmentFile { path: s("payloads/a.1.payload.parquet"), ..old.clone() };
    vec![
        Event::RetentionScheduled(RetentionScheduled {
            rule: s("payloads"),
            kind: Kind::InferencePayload,
            class: s("confidential"),
            days: 30,
            basis: s("POL-7"),
        }),
        Event::RetentionUnscheduled(RetentionUnscheduled { rule: s("payloads") }),
        Event::RetentionKept(RetentionKept {
            kind: Kind::InferencePayload,
            class: s("confidential"),
            day: s("2026-10-29"),
        }),
        Event::RetentionDisposing(RetentionDisposing {
            disposal: s("x_1"),
            item: item.clone(),
            rule: s("payloads"),
            days: 30,
            due: 3,
            clear_of: vec![s("h_1")],
        }),
        Event::RetentionDisposed(RetentionDisposed {
            disposal: s("x_1"),
            item,
            method: Method::KeyDestroyed,
            due: 3,
            copies: 3,
            copies_confirmed: 3,
        }),
        Event::DisposalConfirmed(DisposalConfirmed { disposal: s("x_1"), reference: s("TICKET-9") }),
        Event::ClockConfirmed(ClockConfirmed { from: 1, to: 2, reference: s("INC-7") }),
        Event::SegmentsDisposed(SegmentsDisposed {
            disposal: s("x_1"),
            kind: Kind::InferenceCore,
            segments: vec![SegmentGone {
                node: s("n1"),
                incarnation: 1,
                number: 77,
                n: 2,
                root: s("bb"),
                core: SegmentFile { path: s("inferences/a.core.parquet"), ..old.clone() },
            }],
        }),
        Event::PayloadCompacted(PayloadCompacted {
            node: s("n1"),
            incarnation: 1,
            number: 77,
            old: old.clone(),
            new: Some(new.clone()),
            rows_removed: 2,
            left: None,
            because: vec![],
        }),
        Event::PayloadCompacted(PayloadCompacted {
            node: s("n1"),
            incarnation: 1,
            number: 78,
            old,
            new: Some(new),
            rows_removed: 1,
            left: Some(s("ef")),
            because: vec![s("disposal/x_1"), s("request/rq_1")],
        }),
        Event::HoldPlaced(HoldPlaced {
            hold: s("h_1"),
            on: s("class/confidential"),
            reference: s("CASE-3"),
            review_due: 9,
        }),
        Event::HoldReleased(HoldReleased { hold: s("h_1"), reference: s("CASE-3") }),
    ]
}
