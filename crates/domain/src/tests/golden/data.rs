//! One of each event about data sets.

use super::s;
use crate::Event;
use crate::data::detectors::{DetectorDeclared, DetectorRetired, DetectorSpec};
use crate::data::{
    ChecksReported, ColumnRule, Content, ContentColumn, ContractPublished, ContractRetired, ContractUsed, DataClass,
    DatasetDeclared, DatasetRetired, DatasetSpec, DatePart, Dimension, FieldDecision, FieldsDeclared, FindingOpened,
    FindingResolved, FindingWhy, Form, FoundKind, LawfulBasis, ObjectDestroyed, ReportedResult, Resolution, RuleResult,
    ScannedColumn, StoredObject, SubjectColumn, Tool, Unsure, Verdict, VersionChecked, VersionDescribed, VersionEnded,
    VersionQuarantined, VersionReleased, VersionRewritten, VersionScanned, VersionStored, ViewColumn, ViewDeclared,
    ViewRetired, ViewSpec,
};
use crate::people::Purpose;

pub(super) fn events() -> Vec<Event> {
    let stored = |object: &str| StoredObject {
        object: s(object),
        class: s("personal"),
        key: format!("object/personal/{object}"),
        sha256: s("c1"),
        stored_bytes: 200,
        bytes: 90,
        chunks: 1,
        commitment: s("c2"),
    };
    let (dataset, version) = (s("loans"), s("2026-11"));
    vec![
        Event::DatasetDeclared(DatasetDeclared {
            dataset: s("loans"),
            spec: DatasetSpec {
                class: DataClass::Personal,
                owner: s("a_1"),
                source: s("crm/exports"),
                licence: s("CC-BY-4.0"),
                lawful_basis: Some(LawfulBasis::Contract),
                purposes: vec![Purpose::Development, Purpose::Audit],
                region: Some(s("ap-southeast-2")),
                subject_country: None,
            },
        }),
        Event::DatasetRetired(DatasetRetired { dataset: s("loans") }),
        Event::VersionStored(VersionStored {
            dataset: dataset.clone(),
            version: version.clone(),
            stored: stored("0a"),
            subjects: Some(SubjectColumn { form: Form::Csv, column: s("email"), scope: s("email") }),
        }),
        Event::VersionDescribed(VersionDescribed {
            dataset: dataset.clone(),
            version: version.clone(),
            content: Content {
                form: Form::Csv,
                rows: 4,
                width: 2,
                columns: vec![
                    ContentColumn { name: s("id"), kind: s("integer") },
                    ContentColumn { name: s("email"), kind: s("text") },
                ],
                schema: s("c3"),
                digest: Some(s("c4")),
                groups: vec![s("c5")],
                groups_each: 1,
            },
        }),
        Event::VersionRewritten(VersionRewritten {
            dataset: dataset.clone(),
            version: version.clone(),
            rows_removed: 3,
            old: s("0a"),
            stored: stored("0b"),
        }),
        Event::ContractPublished(ContractPublished {
            contract: s("loans"),
            version: 2,
            dataset: dataset.clone(),
            text: s("name = \"loans\"\ndataset = \"loans\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n"),
        }),
        Event::ContractRetired(ContractRetired { contract: s("loans"), reference: s("CHG-10") }),
        Event::VersionChecked(VersionChecked {
            dataset: dataset.clone(),
            version: version.clone(),
            check: s("k_1"),
            object: s("0b"),
            contract: ContractUsed { contract: s("loans"), version: Some(2), sha256: s("c3") },
            stage: s("raw"),
            run: Some(s("nightly/7")),
            rows: 1000,
            verdict: Verdict::Failed,
            results: vec![
                RuleResult {
                    rule: s("id.type"),
                    dimension: Dimension::Validity,
                    blocking: true,
                    verdict: Verdict::Failed,
                    checked: 1000,
                    violations: 2,
                    why: None,
                },
                RuleResult {
                    rule: s("customer-known"),
                    dimension: Dimension::Consistency,
                    blocking: false,
                    verdict: Verdict::Unknown,
                    checked: 0,
                    violations: 0,
                    why: Some(Unsure::ReferenceMissing),
                },
            ],
        }),
        Event::ChecksReported(ChecksReported {
            dataset: dataset.clone(),
            version: Some(version.clone()),
            object: Some(s("0b")),
            report: s("k_2"),
            tool: Tool::Dbt,
            tool_version: Some(s("1.10.15")),
            run: Some(s("6a3f")),
            ran_at: Some(1_795_824_000_000),
            verdict: Verdict::Failed,
            results: vec![ReportedResult {
                rule: s("id.not_null"),
                dimension: Dimension::Completeness,
                warns: false,
                verdict: Verdict::Failed,
                checked: None,
                violations: Some(2),
            }],
        }),
        Event::VersionQuarantined(VersionQuarantined {
            dataset: dataset.clone(),
            version: version.clone(),
            check: s("k_1"),
            rules: vec![s("id.type")],
            kept: 2,
            rows: Some(stored("0c")),
        }),
        Event::VersionReleased(VersionReleased {
            dataset: dataset.clone(),
            version: version.clone(),
            check: s("k_1"),
            reference: s("CHG-11"),
        }),
        Event::VersionEnded(VersionEnded { dataset, version, object: s("0b"), reference: s("CHG-9") }),
        Event::ObjectDestroyed(ObjectDestroyed {
            object: s("0a"),
            class: s("personal"),
            key: s("object/personal/0a"),
            copies_confirmed: None,
        }),
    ]
}

/// Fields, what is found in them, and what goes out for a purpose.
pub(super) fn fields() -> Vec<Event> {
    let (dataset, version) = (s("loans"), s("2026-11"));
    let column = |column: &str, rule| ViewColumn { column: s(column), rule };
    vec![
        Event::FieldsDeclared(FieldsDeclared {
            dataset: dataset.clone(),
            fields: vec![
                FieldDecision {
                    field: s("email"),
                    class: DataClass::Personal,
                    purposes: vec![Purpose::Support],
                    justification: Some(s("DPIA-7")),
                },
                FieldDecision { field: s("term"), class: DataClass::Internal, purposes: vec![], justification: None },
            ],
        }),
        Event::VersionScanned(VersionScanned {
            dataset: dataset.clone(),
            version: version.clone(),
            object: s("0a"),
            rows_sampled: 1_000,
            bytes_sampled: 40_000,
            whole: false,
            columns: vec![
                ScannedColumn {
                    column: Some(s("email")),
                    cells: 990,
                    found: vec![FoundKind {
                        kind: s("email"),
                        cells: 980,
                        score_permille: 950,
                        class: DataClass::Personal,
                        secret: false,
                    }],
                },
                ScannedColumn { column: None, cells: 1, found: vec![] },
            ],
            columns_left_out: 0,
            detectors: 0,
        }),
        Event::ViewDeclared(ViewDeclared {
            dataset: dataset.clone(),
            purpose: Purpose::Development,
            spec: ViewSpec {
                columns: vec![
                    column("term", ColumnRule::Keep),
                    column("note", ColumnRule::Drop),
                    column("card", ColumnRule::Tokenise { scope: s("cards") }),
                    column("age", ColumnRule::Band { width: 10 }),
                    column("born", ColumnRule::DateTo { part: DatePart::Month }),
                    column("postcode", ColumnRule::Prefix { chars: 2 }),
                    column("income", ColumnRule::Top { at: 250_000 }),
                ],
                quasi: vec![s("age"), s("postcode")],
                min_k: 5,
                max_suppressed_permille: 20,
            },
        }),
        Event::ViewRetired(ViewRetired { dataset: dataset.clone(), purpose: Purpose::Development }),
        Event::FindingOpened(FindingOpened {
            finding: s("f_1"),
            dataset: dataset.clone(),
            version,
            field: Some(s("note")),
            kind: s("card"),
            why: FindingWhy::AboveClass,
            class: DataClass::Sensitive,
            cells: 3,
            score_permille: 900,
            owner: s("a_1"),
            due: 1_794_000_000_000,
        }),
        Event::FindingResolved(FindingResolved {
            finding: s("f_1"),
            dataset,
            resolution: Resolution::Accepted,
            reference: Some(s("RISK-3")),
            until: Some(1_800_000_000_000),
        }),
    ]
}

/// Detectors of the organisation's own.
pub(super) fn detectors() -> Vec<Event> {
    let texts = |all: &[&str]| all.iter().map(|one| s(one)).collect();
    let spec = DetectorSpec {
        class: DataClass::Personal,
        pattern: Some(s(r"\bST-\d{5}\b")),
        words: vec![],
        context: texts(&["staff"]),
        columns: texts(&["staff_no"]),
        score_permille: 800,
        examples: texts(&["ST-00001"]),
        near_misses: texts(&["ST-1"]),
    };
    vec![
        Event::DetectorDeclared(DetectorDeclared { detector: s("staff_number"), spec }),
        Event::DetectorRetired(DetectorRetired { detector: s("staff_number") }),
    ]
}
