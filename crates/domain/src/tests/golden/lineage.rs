//! One of each event about lineage.

use super::s;
use crate::Event;
use crate::data::{
    Checksum, ChecksumOf, ColumnEdge, LineageAliased, LineageReported, Named, Port, Reported, RunStatus, SealedReport,
};

pub(super) fn events() -> Vec<Event> {
    let port = |name: &str, dataset: Option<&str>, checksum| Port {
        namespace: s("s3://lake"),
        name: s(name),
        dataset: dataset.map(s),
        version: dataset.map(|_| s("2026-11")),
        checksum,
    };
    let checksum = Checksum { of: ChecksumOf::Content, reference: "0a".repeat(16) };
    vec![
        Event::LineageReported(LineageReported {
            kind: Reported::Run,
            happened_at: 1_793_400_000_000,
            run: Some(s("01a204ce-f484-7f71-af44-93561f30881c")),
            parent: Some(s("01a204ce-f484-7f71-af44-93561f30881d")),
            status: Some(RunStatus::Complete),
            job: Some(Named { namespace: s("ml"), name: s("db.main.features") }),
            inputs: vec![port("raw/loans", Some("loans"), None)],
            outputs: vec![port("features", None, Some(checksum))],
            columns: vec![ColumnEdge { input: 0, input_column: s("age"), output: 0, output_column: s("age2") }],
            columns_left_out: 0,
            sealed: Some(SealedReport { day: s("2026-11-22"), subject: "0b".repeat(16), commitment: "c1".repeat(32) }),
        }),
        Event::LineageAliased(LineageAliased {
            namespace: s("s3://lake"),
            name: s("raw/loans"),
            dataset: Some(s("loans")),
        }),
    ]
}
