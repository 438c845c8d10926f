//! One of each event about data sets.

use super::s;
use crate::Event;
use crate::data::{
    Content, ContentColumn, ContractPublished, ContractRetired, ContractUsed, DataClass, DatasetDeclared,
    DatasetRetired, DatasetSpec, Dimension, Form, LawfulBasis, ObjectDestroyed, RuleResult, StoredObject,
    SubjectColumn, Unsure, Verdict, VersionChecked, VersionDescribed, VersionEnded, VersionQuarantined,
    VersionReleased, VersionRewritten, VersionStored,
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
        Event::ObjectDestroyed(ObjectDestroyed { object: s("0a"), class: s("personal"), key: s("object/personal/0a") }),
    ]
}
