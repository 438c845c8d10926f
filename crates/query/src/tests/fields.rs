//! Fields and findings as the tables show them.

use domain::Event;
use domain::data::{
    DataClass, DatasetDeclared, DatasetSpec, FieldDecision, FieldsDeclared, FindingOpened, FindingResolved, FindingWhy,
    FoundKind, LawfulBasis, Resolution, ScannedColumn, StoredObject, VersionEnded, VersionScanned, VersionStored,
};
use domain::models::{ModelFacts, ModelRegistered, Tensor};
use domain::people::Purpose;

use super::world::{HOUR, T0, World};
use super::{ask, run};

fn stored() -> VersionStored {
    let stored = StoredObject {
        object: "0a".into(),
        class: "personal".into(),
        key: "object/personal/0a".into(),
        sha256: "aa".into(),
        stored_bytes: 200,
        bytes: 90,
        chunks: 1,
        commitment: "bb".into(),
    };
    VersionStored { dataset: "loans".into(), version: "1".into(), stored, subjects: None }
}

fn declared() -> DatasetDeclared {
    let spec = DatasetSpec {
        class: DataClass::Personal,
        owner: "a_1".into(),
        source: "crm".into(),
        licence: "MSA-7".into(),
        lawful_basis: Some(LawfulBasis::Contract),
        purposes: vec![Purpose::Development, Purpose::Support],
        region: None,
        subject_country: None,
    };
    DatasetDeclared { dataset: "loans".into(), spec }
}

fn scanned() -> VersionScanned {
    let email =
        FoundKind { kind: "email".into(), cells: 9, score_permille: 950, class: DataClass::Personal, secret: false };
    let column = |name: &str, found| ScannedColumn { column: Some(name.into()), cells: 10, found };
    VersionScanned {
        dataset: "loans".into(),
        version: "1".into(),
        object: "0a".into(),
        rows_sampled: 10,
        bytes_sampled: 100,
        whole: true,
        columns: vec![column("email", vec![email]), column("term", vec![])],
        columns_left_out: 0,
        detectors: 0,
    }
}

fn model(input: &str) -> Event {
    let tensor = |name: &str| Tensor { name: name.into(), datatype: "FP32".into(), shape: vec![-1, 1] };
    let facts =
        ModelFacts { bytes: 9, operators: vec![], inputs: vec![tensor(input)], outputs: vec![tensor("probability")] };
    let (model, artifact_sha256) = (format!("takes-{input}"), "cc".repeat(32));
    Event::ModelRegistered(ModelRegistered {
        model,
        version: "1".into(),
        artifact_sha256,
        facts,
        enclosed: None,
        trained_on: vec![],
        run: None,
    })
}

#[test]
fn fields_are_what_was_declared_and_found_of_them_and_say_which_models_take_them() {
    run(async {
        let world = World::filled();
        let sql = "SELECT field, sensitivity, purpose_id, found, found_permille, use_state FROM dataset_fields \
                   WHERE dataset_id = 'loans' ORDER BY field, purpose_id";
        world.add(T0, Event::DatasetDeclared(declared()));
        world.add(T0, Event::VersionStored(stored()));
        assert!(ask(&world.session().await, sql).await.is_empty(), "nothing is known of it");
        world.add(T0 + HOUR, Event::VersionScanned(scanned()));
        assert_eq!(
            ask(&world.session().await, sql).await,
            ["email|personal|-|email|900|unknown", "term|-|-|-|-|unknown"]
        );
        let decision = FieldDecision {
            field: "email".into(),
            class: DataClass::Sensitive,
            purposes: vec![Purpose::Development, Purpose::Support],
            justification: Some("DPIA-7".into()),
        };
        let fields = FieldsDeclared { dataset: "loans".into(), fields: vec![decision] };
        world.add(T0 + 2 * HOUR, Event::FieldsDeclared(fields));
        world.add(T0 + 2 * HOUR, model("term"));
        assert_eq!(
            ask(&world.session().await, sql).await,
            [
                "email|sensitive|development|email|900|unused",
                "email|sensitive|support|email|900|unused",
                "term|-|-|-|-|used"
            ]
        );
        let hashed = "SELECT DISTINCT character_length(justification_hash), justification_ref FROM dataset_fields \
                      WHERE field = 'email'";
        assert_eq!(ask(&world.session().await, hashed).await, ["64|DPIA-7"]);
        let (dataset, version, object) = ("loans".into(), "1".into(), "0a".into());
        let ended = VersionEnded { dataset, version, object, reference: "CHG-1".into() };
        world.add(T0 + 3 * HOUR, Event::VersionEnded(ended));
        assert!(ask(&world.session().await, sql).await.is_empty(), "a version that is gone has no fields");
    });
}

#[test]
fn findings_say_in_which_object_they_are_whose_they_are_and_how_they_were_settled() {
    run(async {
        let world = World::filled();
        world.add(T0, Event::DatasetDeclared(declared()));
        world.add(T0, Event::VersionStored(stored()));
        let opened = FindingOpened {
            finding: "f_1".into(),
            dataset: "loans".into(),
            version: "1".into(),
            field: Some("note".into()),
            kind: "secret".into(),
            why: FindingWhy::Secret,
            class: DataClass::Sensitive,
            cells: 1,
            score_permille: 990,
            owner: "a_1".into(),
            due: T0 + 24 * HOUR,
        };
        world.add(T0, Event::FindingOpened(opened));
        let sql = "SELECT finding_id, object_id, category, owner_id, resolution, resolved_at IS NULL FROM pii_findings";
        assert_eq!(ask(&world.session().await, sql).await, ["f_1|0a|secret|a_1|-|true"]);
        let (finding, dataset, resolution) = ("f_1".into(), "loans".into(), Resolution::Removed);
        let resolved = FindingResolved { finding, dataset, resolution, reference: None, until: None };
        world.add(T0 + HOUR, Event::FindingResolved(resolved));
        assert_eq!(ask(&world.session().await, sql).await, ["f_1|0a|secret|a_1|removed|false"]);
    });
}
