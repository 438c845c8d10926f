//! Data sets and objects as the tables show them.

use domain::Event;
use domain::data::{
    ChecksReported, Content, ContractPublished, ContractRetired, ContractUsed, DataClass, DatasetDeclared, DatasetSpec,
    Dimension, Form, LawfulBasis, ObjectDestroyed, ReportedResult, RuleResult, StoredObject, Tool, Unsure, Verdict,
    VersionChecked, VersionDescribed, VersionEnded, VersionQuarantined, VersionReleased, VersionRewritten,
    VersionStored,
};
use domain::infrastructure::{ObjectsProbed, PlaceOutcome, Versioning};
use domain::people::Purpose;
use domain::serving::InferenceCore;

use super::world::{HOUR, T0, World, record};
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
            subject_country: None,
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

        // From here on there is a bucket, which lies elsewhere.
        let (bucket, store) = ("s3.example.com/objects".to_owned(), "objects/s3.example.com/objects".to_owned());
        let (outcome, versioning) = (PlaceOutcome::Erasable, Some(Versioning::Never));
        world.add(T0 + 2 * HOUR, Event::ObjectsProbed(ObjectsProbed { bucket, outcome, versioning }));
        let located = domain::data::residency::StoreLocated { store, region: Some("us-east".into()) };
        world.add(T0 + 2 * HOUR, Event::StoreLocated(located));
        let (old, stored) = ("0a".to_owned(), stored("0b"));
        let again = VersionRewritten { dataset: dataset(), version: version(), rows_removed: 3, old, stored };
        world.add(T0 + 2 * HOUR, Event::VersionRewritten(again));
        let gone = |object: &str| {
            Event::ObjectDestroyed(ObjectDestroyed {
                object: object.into(),
                class: "personal".into(),
                key: format!("object/personal/{object}"),
                copies_confirmed: None,
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
                "0b|object/personal/0b|true|us-east|dataset/loans/1|true",
            ]
        );
        let (object, reference) = ("0b".to_owned(), "CHG-1".to_owned());
        let ended = VersionEnded { dataset: dataset(), version: version(), object, reference };
        world.add(T0 + 3 * HOUR, Event::VersionEnded(ended));
        world.add(T0 + 3 * HOUR, gone("0b"));
        assert_eq!(ask(&world.session().await, sql).await, ["1|a_1|contract|0b|3|false"]);
    });
}

/// Regions, where the node is, and a rule that permits `au` and what lies in it.
fn residency(world: &World, at: i64) {
    use domain::data::residency::{RegionSpec, RegionsDeclared, ResidencyRule, ResidencyRuled, StoreLocated};
    let within = |outer: Option<&str>| RegionSpec { within: outer.map(str::to_owned) };
    let regions = [("au", None), ("au-syd", Some("au")), ("us", None)];
    let regions = regions.map(|(code, outer)| (code.to_owned(), within(outer))).into();
    world.add(at, Event::RegionsDeclared(RegionsDeclared { regions }));
    let located = StoreLocated { store: "node/n1".into(), region: Some("au-syd".into()) };
    world.add(at, Event::StoreLocated(located));
    let (regions, reference) = (vec!["au".to_owned()], "POL-9".into());
    let countries = [("nz".to_owned(), vec!["au-syd".to_owned()])].into();
    let rule = ResidencyRule { regions, countries, legal_basis: None, reference };
    let ruled = ResidencyRuled { class: "internal".into(), rule: Some(rule) };
    world.add(at, Event::ResidencyRuled(ruled));
}

#[test]
fn rules_name_every_region_that_they_permit_and_end_with_the_next_one() {
    run(async {
        let world = World::filled();
        residency(&world, T0 + 3 * HOUR);
        let live = "SELECT rule_id, region, subject_country FROM residency_rules WHERE ended_at IS NULL ORDER BY 1, 2";
        let first = ["internal/nz@1|au-syd|nz", "internal@1|au|-", "internal@1|au-syd|-"];
        assert_eq!(ask(&world.session().await, live).await, first);
        let around = "SELECT region_id, jurisdiction FROM regions ORDER BY 1";
        assert_eq!(ask(&world.session().await, around).await, ["au|au", "au-syd|au", "us|us"]);
        let lifted = domain::data::residency::ResidencyRuled { class: "internal".into(), rule: None };
        world.add(T0 + 4 * HOUR, Event::ResidencyRuled(lifted));
        assert!(ask(&world.session().await, live).await.is_empty());
        let ended = "SELECT count(*) FROM residency_rules WHERE ended_at > ruled_at";
        assert_eq!(ask(&world.session().await, ended).await, ["3"]);
    });
}

#[test]
fn calls_of_providers_are_transfers_with_the_rule_and_the_authorisation_that_decided() {
    use domain::data::transfers::{LegalBasis, TransferAttempted, TransferAuthorised};
    run(async {
        let world = World::empty();
        residency(&world, T0);
        let authorised = TransferAuthorised {
            transfer: "tr_1".into(),
            class: "internal".into(),
            of: Some("provider/acme".into()),
            from: "au".into(),
            to: "us".into(),
            legal_basis: LegalBasis::ContractClauses,
            reference: "DPA-4".into(),
            expires_at: T0 + 3 * HOUR,
        };
        world.add(T0, Event::TransferAuthorised(authorised));
        let call = |seq: i64, region: Option<&str>, policies: &str| InferenceCore {
            region: region.map(str::to_owned),
            policies: Some(policies.to_owned()),
            ..record(seq, 1 + seq)
        };
        let stopped = |code: &str, core: InferenceCore| InferenceCore {
            status: "refused".into(),
            error_code: Some(code.to_owned()),
            ..core
        };
        let cores = [
            call(0, Some("us"), "infer,residency:internal@1,transfer:tr_1"),
            stopped("residency", call(1, Some("us"), "infer,residency:internal@1")),
            call(2, Some("au"), "infer,residency:internal@1"),
            call(3, None, "infer"),
            stopped("forbidden", call(4, Some("us"), "")),
            InferenceCore { provider: None, ..call(5, Some("us"), "infer") },
        ];
        world.seal(1, 0, 0, &cores);
        let attempted = TransferAttempted {
            attempt: "tm_1".into(),
            object: "dataset/loans/1".into(),
            class: "personal".into(),
            by: "a_1".into(),
            from: Some("au-syd".into()),
            to: None,
            rule: Some("personal@1".into()),
            transfer: None,
        };
        world.add(T0 + HOUR, Event::TransferRefused(attempted));
        let sql = "SELECT transfer_id, decision, from_region, to_region, crosses, COALESCE(policy_id, '-'), \
                   COALESCE(legal_basis, '-'), protection, contains_pii FROM transfers ORDER BY transfer_id";
        assert_eq!(
            ask(&world.session().await, sql).await,
            [
                "inf-0|allow|au-syd|us|true|internal@1|contract_clauses|approved_exception|false",
                "inf-1|deny|au-syd|us|true|internal@1|-|none|false",
                "inf-2|allow|au-syd|au|false|internal@1|-|none|false",
                "inf-3|allow|au-syd|unknown|true|-|-|none|false",
                "tm_1|deny|au-syd|unknown|true|personal@1|-|none|true",
            ]
        );
    });
}

#[test]
fn a_version_of_a_contract_is_in_force_until_the_next_or_until_it_is_retired() {
    run(async {
        let world = World::filled();
        let publish = |contract: &str, version, dataset: &str| {
            Event::ContractPublished(ContractPublished {
                contract: contract.into(),
                version,
                dataset: dataset.into(),
                text: String::new(),
            })
        };
        let retire = Event::ContractRetired(ContractRetired { contract: "loans".into(), reference: "CHG-1".into() });
        world.add(T0, publish("loans", 1, "loans"));
        world.add(T0, publish("cards", 1, "cards"));
        world.add(T0 + HOUR, publish("loans", 2, "loans"));
        world.add(T0 + 2 * HOUR, retire);
        world.add(T0 + 3 * HOUR, publish("loans", 3, "cards"));
        let sql = format!(
            "SELECT contract_id, version, dataset_id, (CAST(in_force_from AS BIGINT) / 1000 - {T0}) / {HOUR}, \
             (CAST(in_force_until AS BIGINT) / 1000 - {T0}) / {HOUR} FROM dataset_contracts ORDER BY 1, 2"
        );
        assert_eq!(
            ask(&world.session().await, &sql).await,
            ["cards|1|cards|0|-", "loans|1|loans|0|1", "loans|2|loans|1|2", "loans|3|cards|3|-"]
        );
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
        let said = ReportedResult {
            rule: "id.not_null".into(),
            dimension: Dimension::Completeness,
            warns: false,
            verdict: Verdict::Passed,
            checked: None,
            violations: Some(0),
        };
        world.add(
            T0 + HOUR,
            Event::ChecksReported(ChecksReported {
                dataset: dataset(),
                version: Some(version("2")),
                object: Some("01".into()),
                report: "k_3".into(),
                tool: Tool::Dbt,
                tool_version: Some("1.10.15".into()),
                run: Some("6a3f".into()),
                ran_at: Some(T0),
                verdict: Verdict::Passed,
                results: vec![said],
            }),
        );
        let elsewhere = "SELECT check_id, step_id, version, status, blocking, checked, contract_id, contract_version, reported_by, \
                         tool_run FROM dataset_checks WHERE reported_by IS NOT NULL";
        assert_eq!(
            ask(&world.session().await, elsewhere).await,
            ["k_3/id.not_null|-|2|passed|false|-|-|-|dbt|6a3f"],
            "of no step and no contract"
        );
        assert_eq!(
            ask(&world.session().await, steps).await,
            [features, "loans@1|-|ingest|stopped", "loans@2|-|ingest|completed"],
            "what is said elsewhere is no step here"
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

#[test]
fn detectors_are_listed_as_declared_last_and_until_when_they_looked() {
    use domain::data::DataClass;
    use domain::data::detectors::{DetectorDeclared, DetectorRetired, DetectorSpec};
    run(async {
        let world = World::empty();
        let spec = DetectorSpec {
            class: DataClass::Personal,
            pattern: None,
            words: vec!["heron".into(), "kite".into()],
            context: vec!["project".into()],
            columns: vec![],
            score_permille: 600,
            examples: vec![],
            near_misses: vec![],
        };
        let detector = || "birds".to_owned();
        world.add(T0, Event::DetectorDeclared(DetectorDeclared { detector: detector(), spec }));
        let sql = "SELECT detector_id, classification, pattern, word_count, context, column_names, score_permille, retired_at IS NULL \
                   FROM detectors";
        assert_eq!(ask(&world.session().await, sql).await, ["birds|personal|-|2|project|-|600|true"]);
        world.add(T0 + HOUR, Event::DetectorRetired(DetectorRetired { detector: detector() }));
        let sql = "SELECT count(*) FROM detectors WHERE retired_at > declared_at";
        assert_eq!(ask(&world.session().await, sql).await, ["1"]);
    });
}
