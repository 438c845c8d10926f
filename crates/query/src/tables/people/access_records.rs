//! `access_records`: every access as it was committed to; `access_events` and `external_access_logs`: the auditor's views
//! of those that came through our doors, and of those that a storage system saw by itself.

use domain::people::AccessCore;

use crate::table::{Column, TableInfo, int, text, time};
use crate::tables::records::{RecordTable, select};

const RECORDS: &str = "access_records";

/// Name of the view of accesses through our doors.
pub(crate) const ACCESS_EVENTS: &str = "access_events";

/// Name of the view of what storage systems saw.
pub(crate) const EXTERNAL: &str = "external_access_logs";

impl RecordTable for AccessCore {
    const ROOM: &'static str = "people";
    const NAME: &'static str = RECORDS;
    const DOC: &'static str = "Every record of an access in the sealed segments, with all of its committed fields. `leaf_hash` is the \
        record's leaf in its segment and `seq` the entry that sealed the segment. Unsealed records are here only when they are \
        asked for.";
}

/// The columns of `access_events`, each with the expression over `access_records` that makes it.
const EVENTS: &[(Column, &str)] = &[
    (text("event_id", "UUIDv7 of the access"), "access_id"),
    (time("ts", "When it was answered; of several alike, when the last was"), "ts_end"),
    (text("principal_id", "Pseudonym of whoever asked; NULL for strangers"), "actor"),
    (
        text("object_kind", "Kind of the thing, such as `inference_log`, `artifact`, `evidence` or `ledger`"),
        "object_kind",
    ),
    (text("object_id", "Which one, when one was named"), "object_id"),
    (text("action", "`read`, `sql`, a command's name, or `enter` for strangers"), "action"),
    (text("decision", "`allow` or `deny`"), "decision"),
    (text("policy_id", "The policies that decided, separated by commas; NULL when none allowed it"), "policies"),
    (text("grant_id", "The grant whose role permitted it, as in `role_grants`"), "grant_id"),
    (text("purpose_id", "Why, by the declared vocabulary; NULL when nothing was said"), "purpose"),
    (text("env", "`prod`: an installation is one environment"), "'prod'"),
    (text("key_id", "Public identifier of the key that was shown"), "key"),
    (text("session_id", "Public identifier of the session, as in `session.started`"), "session"),
    (text("door", "Through what it came: `api`, `page`, `log`"), "door"),
    (text("route", "The address asked for, with parameters by name"), "route"),
    (text("code", "Why it was denied or came to nothing"), "code"),
    (int("http_status", "HTTP status that was answered"), "http_status"),
    (text("policies_sha256", "Digest of the policies in force, as in `policies.installed`"), "policies_sha256"),
    (text("tables", "Tables that a query named, separated by commas"), "tables"),
    (int("at_size", "Ledger size that a query was answered at"), "at_size"),
    (
        int(
            "occurrences",
            "How many accesses alike the row stands for: 1, or more for strangers and for values tokenised or turned back at once",
        ),
        "occurrences",
    ),
    (time("first_ts", "When the first of them was asked for"), "ts_start"),
    (text("segment_id", "`<node>/<incarnation>/<number>` of its segment; NULL while it is unsealed"), "segment_id"),
    (text("node_id", "Node that wrote the record"), "node"),
];

/// The columns of `external_access_logs`. What matches is found by object, person and time, since a storage system does
/// not know of our records.
const SEEN: &[(Column, &str)] = &[
    (text("ext_id", "`<source>/<identifier there>`"), "x.source || '/' || x.seen_as"),
    (time("ts", "When the storage system saw it"), "x.ts_end"),
    (text("object_id", "Which object"), "x.object_id"),
    (text("principal_id", "Pseudonym of whoever it was, as the import says"), "x.actor"),
    (text("source", "The storage system"), "x.source"),
    (
        text(
            "matched_event_id",
            "The first permitted access in `access_events` to that object by that actor within five minutes; NULL when there is none",
        ),
        "x.matched",
    ),
];

/// The table of accesses through our doors.
pub(crate) fn access_events() -> TableInfo {
    let doc = "Accesses to data, artifacts, logs and everything else behind our doors, allowed or denied. Inference calls are \
               not here: they are records of their own, in `inferences`.";
    TableInfo::filled("people", ACCESS_EVENTS, doc, EVENTS.iter().map(|(column, _)| *column))
}

/// The query that makes it.
pub(crate) fn access_select() -> String {
    let columns = EVENTS.iter().map(|(column, expression)| (column.name, *expression));
    let columns = columns.chain([("seq", "seq"), ("leaf_hash", "leaf_hash")]);
    select(&access_events(), columns, &format!("{RECORDS} WHERE source IS NULL"))
}

/// The table of what storage systems saw.
pub(crate) fn external_access_logs() -> TableInfo {
    let doc = "Accesses that a storage system saw by itself, as they were imported, and what of ours each matches.";
    TableInfo::filled("people", EXTERNAL, doc, SEEN.iter().map(|(column, _)| *column))
}

/// The query that makes it.
pub(crate) fn external_select() -> String {
    let columns = SEEN.iter().map(|(column, expression)| (column.name, *expression));
    let columns = columns.chain([("seq", "x.seq"), ("leaf_hash", "x.leaf_hash")]);
    let matched = format!(
        "SELECT s.access_id, MIN(e.access_id) AS matched FROM {RECORDS} s JOIN {RECORDS} e ON e.object_id = s.object_id \
         AND e.actor = s.actor WHERE s.source IS NOT NULL AND e.source IS NULL AND e.decision = 'allow' \
         AND e.ts_end >= s.ts_end - INTERVAL '5 minutes' AND e.ts_end <= s.ts_end + INTERVAL '5 minutes' GROUP BY s.access_id"
    );
    let from = format!(
        "(SELECT r.*, m.matched FROM {RECORDS} r LEFT JOIN ({matched}) m ON m.access_id = r.access_id \
         WHERE r.source IS NOT NULL) x"
    );
    select(&external_access_logs(), columns, &from)
}
