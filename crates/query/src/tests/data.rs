//! Data sets and objects as the tables show them.

use domain::Event;
use domain::data::{
    Content, DataClass, DatasetDeclared, DatasetSpec, Form, LawfulBasis, ObjectDestroyed, StoredObject,
    VersionDescribed, VersionEnded, VersionRewritten, VersionStored,
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
