//! Data sets and objects as the tables show them.

use domain::Event;
use domain::data::{
    Content, ContractUsed, DataClass, DatasetDeclared, DatasetSpec, Dimension, Form, LawfulBasis, ObjectDestroyed,
    RuleResult, StoredObject, Unsure, Verdict, VersionChecked, VersionDescribed, VersionEnded, VersionQuarantined,
    VersionReleased, VersionRewritten, VersionStored,
};
use domain::people::Purpose;

use super::world::{HOUR, T0, World};
use super::{ask, run};

fn stored(object: &str) -> StoredObject {
    StoredObject {
        object: object.into(),
        class: "personal".into(),
        key: format!("object/personal/{object}"),
        sha256: "aa".into(),
        stored_bytes: 200,
        bytes: 90,
        chunks: 1,
        commitment: "bb".into(),
    }
}

#[test]
fn a_version_lies_in_one_object_after_the_other_and_is_encrypted_in_each() {
    run(async {
        let world = World::filled();
        let (dataset, version) = (|| "loans".to_owned(), || "1".to_owned());
        let spec = DatasetSpec {
            class: DataClass::Personal,
            owner: "a_1".into(),
            source: "crm".into(),
            licence: "MSA-7".into(),
            lawful_basis: Some(LawfulBasis::Contract),
            purposes: vec![Purpose::Development, Purpose::Audit],
            region: Some("au".into()),
        };
        world.add(T0, Event::DatasetDeclared(DatasetDeclared { dataset: dataset(), spec }));
        let first = VersionStored { dataset: dataset(), version: version(), stored: stored("0a"), subjects: None };
        world.add(T0 + HOUR, Event::VersionStored(first));
        let sql = "SELECT version, owner_id, lawful_basis, object_id, rows_removed, ended_at IS NULL FROM datasets";
        assert_eq!(ask(&world.session().await, sql).await, ["1|a_1|contract|0a|0|true"]);
        let content = Content {
            form: Form::Csv,
            rows: 4,
            width: 2,
            columns: vec![],
            schema: "c3".into(),
            digest: Some("c4".into()),
            groups: vec![],
            groups_each: 1,
        };
        let described = VersionDescribed { dataset: dataset(), version: version(), content };
        world.add(T0 + HOUR, Event::VersionDescribed(described));
        let read = "SELECT form, row_count, column_count, content_digest, schema_digest FROM datasets";
        assert_eq!(ask(&world.session().await, read).await, ["csv|4|2|c4|c3"]);
        let purposes = "SELECT purpose_id FROM dataset_purposes ORDER BY 1";
        assert_eq!(ask(&world.session().await, purposes).await, ["audit", "development"]);

        let (old, stored) = ("0a".to_owned(), stored("0b"));
        let again = VersionRewritten { dataset: dataset(), version: version(), rows_removed: 3, old, stored };
        world.add(T0 + 2 * HOUR, Event::VersionRewritten(again));
        let gone = |object: &str| {
            Event::ObjectDestroyed(ObjectDestroyed {
                object: object.into(),
                class: "personal".into(),
                key: format!("object/personal/{object}"),
            })
        };
        world.add(T0 + 2 * HOUR, gone("0a"));
        assert_eq!(ask(&world.session().await, sql).await, ["1|a_1|contract|0b|3|true"]);
        let left = "SELECT form, row_count, content_digest IS NULL FROM datasets";
        assert_eq!(ask(&world.session().await, left).await, ["csv|1|true"]);
        let objects = "SELECT object_id, key_id, encrypted, region, source_ref, deleted_at IS NULL FROM data_objects \
                       WHERE kind = 'dataset' ORDER BY 1";
        assert_eq!(
            ask(&world.session().await, objects).await,
            [
                "0a|object/personal/0a|true|au|dataset/loans/1|false",
                "0b|object/personal/0b|true|au|dataset/loans/1|true",
            ]
        );
        let (object, reference) = ("0b".to_owned(), "CHG-1".to_owned());
        let ended = VersionEnded { dataset: dataset(), version: version(), object, reference };
        world.add(T0 + 3 * HOUR, Event::VersionEnded(ended));
        world.add(T0 + 3 * HOUR, gone("0b"));
        assert_eq!(ask(&world.session().await, sql).await, ["1|a_1|contract|0b|3|false"]);
    });
}

#[test]
fn checks_are_rows_by_rule_and_what_comes_in_is_a_step_whether_it_was_checked_or_not() {
    run(async {
        let world = World::filled();
        let (dataset, version) = (|| "loans".to_owned(), |version: &str| version.to_owned());
        for (n, name) in ["1", "2"].iter().enumerate() {
            let stored = stored(&format!("0{n}"));
            let first = VersionStored { dataset: dataset(), version: version(name), stored, subjects: None };
            world.add(T0, Event::VersionStored(first));
        }
        let result = |rule: &str, verdict, why| RuleResult {
            rule: rule.into(),
            dimension: Dimension::Validity,
            blocking: true,
            verdict,
            checked: 9,
            violations: 2,
            why,
        };
        let checked = |check: &str, stage: &str, verdict, results| {
            Event::VersionChecked(VersionChecked {
                dataset: dataset(),
                version: version("1"),
                check: check.into(),
                object: "00".into(),
                contract: ContractUsed { contract: "loans".into(), version: Some(3), sha256: "ab".into() },
                stage: stage.into(),
                run: (stage == "features").then(|| "nightly/7".to_owned()),
                rows: 9,
                verdict,
                results,
            })
        };
        let failed = vec![
            result("amount.range", Verdict::Failed, None),
            result("known", Verdict::Unknown, Some(Unsure::ReferenceMissing)),
        ];
        world.add(T0 + HOUR, checked("k_1", "ingest", Verdict::Failed, failed));
        world.add(T0 + HOUR, checked("k_2", "features", Verdict::Passed, vec![result("sum", Verdict::Passed, None)]));
        let sql =
            "SELECT check_id, step_id, status, violations, reason, contract_version FROM dataset_checks ORDER BY 1";
        assert_eq!(
            ask(&world.session().await, sql).await,
            [
                "k_1/amount.range|loans@1|failed|2|-|3",
                "k_1/known|loans@1|unknown|2|reference_missing|3",
                "k_2/sum|k_2|passed|2|-|3",
            ]
        );
        let steps = "SELECT step_id, run_id, stage, status FROM pipeline_steps ORDER BY 1";
        let features = "k_2|nightly/7|features|completed";
        assert_eq!(
            ask(&world.session().await, steps).await,
            [features, "loans@1|-|ingest|stopped", "loans@2|-|ingest|completed"]
        );
        let (rules, rows) = (vec!["amount.range".to_owned()], Some(stored("0c")));
        let quarantined =
            VersionQuarantined { dataset: dataset(), version: version("1"), check: "k_1".into(), rules, kept: 2, rows };
        world.add(T0 + 2 * HOUR, Event::VersionQuarantined(quarantined));
        let objects = "SELECT source_ref, encrypted FROM data_objects WHERE object_id = '0c'";
        assert_eq!(ask(&world.session().await, objects).await, ["dataset/loans/1|true"]);
        let released = VersionReleased {
            dataset: dataset(),
            version: version("1"),
            check: "k_1".into(),
            reference: "CHG-1".into(),
        };
        world.add(T0 + 3 * HOUR, Event::VersionReleased(released));
        assert_eq!(
            ask(&world.session().await, steps).await,
            [features, "loans@1|-|ingest|released", "loans@2|-|ingest|completed"]
        );
    });
}
