//! `transfer_authorisations`, `dataset_transfers`, and `transfers`: what may leave beside the rules, which versions of data
//! sets somebody wanted elsewhere, and the auditor's view of both and of all calls of outside providers.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::transfers::{TransferAttempted, TransferAuthorised};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, TableInfo, boolean, ms, text, time};
use crate::tables::records::select;

#[derive(Clone)]
struct Row {
    origin: Origin,
    authorised: TransferAuthorised,
    by: String,
    at: i64,
    revoked: Option<(String, i64)>,
}

/// Authorisations, by identifier.
#[derive(Clone, Default)]
pub(crate) struct TransferAuthorisations(BTreeMap<String, Row>);

impl Table for TransferAuthorisations {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "transfer_authorisations";
    const DOC: &'static str = "Transfers to other regions that are authorised beside the rules of residency, those that are over too. Who approved each is in `approvals`.";
    const COLUMNS: &'static [Column] = &[
        text("authorisation_id", "Public identifier"),
        text("classification", "The class of the data"),
        text("covers", "`provider/NAME`, `service/NAME` or `dataset/NAME`; NULL for all of the class"),
        text("from_region", "From which region, and all that lies in it"),
        text("to_region", "To which region, and all that lies in it"),
        text("legal_basis", "Why it may, such as `contract_clauses`"),
        text("legal_source", "Where the law has that"),
        text("reference", "Where it is written down"),
        text("authorised_by", "Who carried it out once another person had approved it"),
        time("authorised_at", "Since when"),
        time("expires_at", "Until when"),
        text("revoked_by", "Who ended it before that; NULL when nobody did"),
        time("revoked_at", "When"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, by, at) = (leaf.origin(), leaf.entry.actor.clone(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::TransferAuthorised(body) => {
                let row = Row { origin, authorised: body.clone(), by, at, revoked: None };
                self.0.insert(body.transfer.clone(), row);
            }
            Event::TransferRevoked(body) => {
                if let Some(row) = self.0.get_mut(&body.transfer) {
                    (row.origin, row.revoked) = (origin, Some((by, at)));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, row) in &self.0 {
            let may = &row.authorised;
            let cells = [
                id.into(),
                (&may.class).into(),
                may.of.as_ref().into(),
                (&may.from).into(),
                (&may.to).into(),
                may.legal_basis.as_str().into(),
                may.legal_basis.source().into(),
                (&may.reference).into(),
                (&row.by).into(),
                ms(row.at),
                ms(may.expires_at),
                row.revoked.as_ref().map(|(by, _)| by).into(),
                row.revoked.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
            ];
            out.push(row.origin, cells);
        }
    }
}

/// Versions of data sets that somebody wanted in a region.
#[derive(Clone, Default)]
pub(crate) struct DatasetTransfers(Vec<(Origin, i64, bool, TransferAttempted)>);

impl Table for DatasetTransfers {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "dataset_transfers";
    const DOC: &'static str = "Versions of data sets that somebody asked for in another jurisdiction, or where they may not be. Each was decided before a byte left.";
    const COLUMNS: &'static [Column] = &[
        text("attempt_id", "Public identifier"),
        time("ts", "When it was decided"),
        text("source_ref", "`dataset/NAME/VERSION`"),
        text("classification", "The class of the version"),
        text("principal_id", "Who asked, by pseudonym"),
        text("from_region", "The region of the node; NULL when its settings do not say"),
        text("to_region", "The region that whoever asked named; NULL when none was"),
        text("decision", "`allow` or `deny`"),
        text("rule_id", "The rule that decided; NULL when the class has none"),
        text("authorisation_id", "The authorisation that it went by, as in `transfer_authorisations`"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (refused, body) = match &leaf.entry.event {
            Event::TransferRefused(body) => (true, body),
            Event::TransferMade(body) => (false, body),
            _ => return,
        };
        self.0.push((leaf.origin(), leaf.entry.ts, refused, body.clone()));
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, at, refused, body) in &self.0 {
            let cells = [
                (&body.attempt).into(),
                ms(*at),
                (&body.object).into(),
                (&body.class).into(),
                (&body.by).into(),
                body.from.as_ref().into(),
                body.to.as_ref().into(),
                (if *refused { "deny" } else { "allow" }).into(),
                body.rule.as_ref().into(),
                body.transfer.as_ref().into(),
            ];
            out.push(*origin, cells);
        }
    }
}

/// Name of the view.
pub(crate) const TRANSFERS: &str = "transfers";

/// Its columns, each with the expression over what [`transfer_select`] gathers.
const COLUMNS: &[(Column, &str)] = &[
    (text("transfer_id", "UUIDv7 of the inference, or the attempt's identifier"), "t.transfer_id"),
    (time("ts", "When it was decided: for an inference, when the request had arrived"), "t.ts"),
    (text("object_ref", "`service/NAME` or `dataset/NAME/VERSION`"), "t.object_ref"),
    (text("from_system", "`node/NAME`, or `dataset` for a version of a data set"), "t.from_system"),
    (text("to_system", "`provider/NAME`, or `actor/PSEUDONYM` for a version of a data set"), "t.to_system"),
    (
        text("from_region", "Where it came from, as settings say; `unknown` when they do not"),
        "COALESCE(t.from_region, 'unknown')",
    ),
    (
        text("to_region", "Where it went, as declared or said; `unknown` when nothing was"),
        "COALESCE(t.to_region, 'unknown')",
    ),
    (text("vendor_id", "The outside provider, when it is one"), "t.vendor_id"),
    (text("classification", "The class of the data"), "t.classification"),
    (
        boolean(
            "contains_pii",
            "Whether it is about people: as a guard found when the route has one, else by its class or the service's declaration",
        ),
        "CASE WHEN t.pii_in IS NOT NULL THEN t.pii_in = 1 \
              ELSE t.classification IN ('personal', 'sensitive') OR COALESCE(s.uses_personal_info, false) END",
    ),
    (
        text(
            "protection",
            "The least that the route's guard did with what it found, `tokenised` or `redacted`; else `approved_exception` for \
             what went by an authorisation, else `none`",
        ),
        "CASE WHEN t.pii_in_action IN ('tokenised', 'redacted') THEN t.pii_in_action \
              WHEN t.authorisation_id IS NULL THEN 'none' ELSE 'approved_exception' END",
    ),
    (text("decision", "`allow` or `deny`"), "t.decision"),
    (text("policy_id", "The rule of residency that decided; NULL when the class had none"), "t.rule_id"),
    (
        text("legal_basis", "That of the authorisation, or else of the rule; NULL when neither has one"),
        "COALESCE(a.legal_basis, r.legal_basis)",
    ),
    (
        text("authorisation_id", "The authorisation that covers it, as in `transfer_authorisations`"),
        "t.authorisation_id",
    ),
    (
        text(
            "from_jurisdiction",
            "The outermost region around where it came from; `unknown` when that is not declared",
        ),
        "COALESCE(f.jurisdiction, 'unknown')",
    ),
    (
        text("to_jurisdiction", "The outermost region around where it went; `unknown` when that is not declared"),
        "COALESCE(g.jurisdiction, 'unknown')",
    ),
    (
        boolean("crosses", "Whether it went from one jurisdiction to another; what is not known is taken to"),
        "f.jurisdiction IS NULL OR g.jurisdiction IS NULL OR f.jurisdiction <> g.jurisdiction",
    ),
];

/// The table of transfers.
pub(crate) fn transfers() -> TableInfo {
    let doc = "Data that went to other systems, or was kept from it: calls of outside providers that were made or that a rule \
               of residency refused, and versions of data sets that somebody wanted elsewhere. Regions are put into \
               jurisdictions as they are declared now. Unsealed records are here only when they are asked for.";
    TableInfo::filled("data", TRANSFERS, doc, COLUMNS.iter().map(|(column, _)| *column))
}

/// The query that makes it. What decided stands behind the Cedar policies in the record's list.
pub(crate) fn transfer_select() -> String {
    let columns = COLUMNS.iter().map(|(column, expression)| (column.name, *expression));
    let columns = columns.chain([("seq", "t.seq"), ("leaf_hash", "t.leaf_hash")]);
    let named = |kind: &str| format!("NULLIF(split_part(split_part(i.policies, '{kind}:', 2), ',', 1), '')");
    let calls = format!(
        "SELECT i.inference_id AS transfer_id, i.ts_start AS ts, 'service/' || i.service AS object_ref, i.service AS service, \
         'node/' || i.node AS from_system, 'provider/' || i.provider AS to_system, n.region AS from_region, \
         i.region AS to_region, i.provider AS vendor_id, i.classification AS classification, \
         i.pii_in AS pii_in, i.pii_in_action AS pii_in_action, CASE WHEN i.status = 'refused' THEN 'deny' ELSE 'allow' END AS decision, {} AS rule_id, \
         {} AS authorisation_id, i.seq AS seq, i.leaf_hash AS leaf_hash \
         FROM stores n RIGHT JOIN inference_records i ON n.store_id = 'node/' || i.node AND n.located_at <= i.ts_start \
         AND (n.ended_at IS NULL OR n.ended_at > i.ts_start) \
         WHERE i.provider IS NOT NULL AND (i.status <> 'refused' OR i.error_code = 'residency')",
        named("residency"),
        named("transfer"),
    );
    let versions = "SELECT attempt_id AS transfer_id, ts, source_ref AS object_ref, CAST(NULL AS VARCHAR) AS service, \
                    'dataset' AS from_system, 'actor/' || principal_id AS to_system, from_region, to_region, \
                    CAST(NULL AS VARCHAR) AS vendor_id, classification, \
                    CAST(NULL AS BIGINT) AS pii_in, CAST(NULL AS VARCHAR) AS pii_in_action, decision, rule_id, authorisation_id, seq, leaf_hash \
                    FROM dataset_transfers";
    // The small tables stand on the side that is held in memory, and records stream past them.
    let mut from = format!("services s RIGHT JOIN ({calls} UNION ALL {versions}) t ON s.service_id = t.service");
    for (table, on) in [
        ("regions f", "f.region_id = t.from_region"),
        ("regions g", "g.region_id = t.to_region"),
        ("transfer_authorisations a", "a.authorisation_id = t.authorisation_id"),
        ("(SELECT DISTINCT rule_id, legal_basis FROM residency_rules) r", "r.rule_id = t.rule_id"),
    ] {
        from = format!("{table} RIGHT JOIN ({from}) ON {on}");
    }
    select(&transfers(), columns, &from)
}
