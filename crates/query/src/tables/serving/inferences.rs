//! `inferences`: the auditor's view of the calls that models answered, or should have.

use super::inference_records::RECORDS;
use crate::table::{Column, TableInfo, boolean, float, text, time};
use crate::tables::records::select;

/// Name of the table.
pub(crate) const INFERENCES: &str = "inferences";

/// Its columns, each with the expression over `inference_records` that makes it.
const COLUMNS: &[(Column, &str)] = &[
    (text("inference_id", "UUIDv7 of the inference"), "inference_id"),
    (
        time(
            "ts",
            "When the request had arrived: the instant at which it was decided who answers, so that it can be held \
             against deployments",
        ),
        "ts_start",
    ),
    (text("service_id", "The service whose key was used"), "service"),
    (text("model_id", "Model that answered: `provider/model`, or a registered model's name"), "model"),
    (text("version", "Its version; `as-served` for an outside provider"), "version"),
    (text("deployment_id", "The deployment that answered"), "deployment"),
    (text("vendor_id", "Outside provider, when there was one"), "provider"),
    (text("principal_id", "Public identifier of the key that was used"), "key"),
    (
        text("subject_ref", "Tag that links one subject's records of one day, hexadecimal; NULL when none was named"),
        "encode(subject_tag, 'hex')",
    ),
    (text("purpose_id", "Declared purpose of the service"), "purpose"),
    (text("region", "Where it was processed, as declared"), "region"),
    (text("classification", "Classification of the payload"), "classification"),
    (
        text(
            "input_hash",
            "NULL: a bare hash of personal data could be guessed at. The commitment is `c_root` in `inference_records`",
        ),
        "NULL",
    ),
    (text("output_hash", "NULL: see `input_hash`"), "NULL"),
    (
        boolean(
            "pii_in",
            "Whether personal data or secrets were found in the request; NULL when its route has no guard",
        ),
        "pii_in = 1",
    ),
    (
        boolean("pii_out", "Whether they were found in the provider's answer; NULL when nobody looked, or none came"),
        "pii_out = 1",
    ),
    (
        text(
            "pii_action",
            "The least that was done with any of it, on either side: `none`, `tokenised`, `redacted` or `blocked`; NULL when \
             nobody looked",
        ),
        "CASE WHEN 'none' IN (pii_in_action, pii_out_action) THEN 'none' \
              WHEN 'tokenised' IN (pii_in_action, pii_out_action) THEN 'tokenised' \
              WHEN 'redacted' IN (pii_in_action, pii_out_action) THEN 'redacted' \
              WHEN 'blocked' IN (pii_in_action, pii_out_action) THEN 'blocked' \
              WHEN pii_in IS NOT NULL THEN 'none' END",
    ),
    (text("pii_in_action", "The least that was done with what was found in the request"), "pii_in_action"),
    (text("pii_out_action", "The least that was done with what was found in the answer"), "pii_out_action"),
    (
        text("guardrail_result", "`pass`, or `blocked` when the guard refused; NULL when the route has no guard"),
        "CASE WHEN error_code IN ('personal_data_blocked', 'answer_blocked') THEN 'blocked' \
              WHEN pii_in IS NOT NULL THEN 'pass' END",
    ),
    (text("status", "`ok`, `error`, `refused`, `cancelled` or `interrupted`"), "status"),
    (boolean("fallback_used", "false: there are no fallbacks yet, so none was used"), "false"),
    (
        float("latency_ms", "Milliseconds from the request's arrival to the answer's end"),
        "(arrow_cast(ts_end, 'Int64') - arrow_cast(ts_start, 'Int64')) / 1000.0",
    ),
    (text("segment_id", "`<node>/<incarnation>/<number>` of its segment; NULL while it is unsealed"), "segment_id"),
    (text("node_id", "Node that wrote the record"), "node"),
];

/// The table of inferences.
pub(crate) fn inferences() -> TableInfo {
    let doc = "Calls that a model answered or was chosen to answer. Calls that ended before any model was chosen (no \
               valid key, no route) are no inferences: they are in `inference_records` and in the counts, not here. \
               Unsealed records are here only when they are asked for.";
    TableInfo::filled("serving", INFERENCES, doc, COLUMNS.iter().map(|(column, _)| *column))
}

/// The query that makes it. An answer without a model would be a fault of ours, so it stays to be found.
pub(crate) fn inference_select() -> String {
    let columns = COLUMNS.iter().map(|(column, expression)| (column.name, *expression));
    let columns = columns.chain([("seq", "seq"), ("leaf_hash", "leaf_hash")]);
    select(&inferences(), columns, &format!("{RECORDS} WHERE model IS NOT NULL OR status = 'ok'"))
}
