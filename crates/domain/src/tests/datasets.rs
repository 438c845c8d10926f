//! Data sets: what can be declared and stored, when versions go, and the scope of duties that is one data set.

use super::duties::{Company, approve, request};
use crate::data::{
    Content, ContentColumn, DataClass, DatasetDeclared, DatasetRetired, DatasetSpec, DestroyVersion, Form, LawfulBasis,
    ObjectNamed, RewriteVersion, StoreVersion, StoredObject, SubjectColumn,
};
use crate::keys::retention::DisposalConfirmed;
use crate::people::Purpose;
use crate::people::roles::{covers, narrow_scopes};
use crate::{Command, RefusalCode};

/// The declaration of a data set of class `internal`.
pub(super) fn declare(dataset: &str, owner: &str) -> Command {
    let spec = DatasetSpec {
        class: DataClass::Internal,
        owner: owner.into(),
        source: "crm/exports".into(),
        licence: "CC-BY-4.0".into(),
        lawful_basis: None,
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    Command::DeclareDataset(DatasetDeclared { dataset: dataset.into(), spec })
}

fn declared(change: impl FnOnce(&mut DatasetSpec)) -> Command {
    let Command::DeclareDataset(mut body) = declare("loans", "a_1") else { unreachable!() };
    change(&mut body.spec);
    Command::DeclareDataset(body)
}

pub(super) fn stored(object: &str, class: &str) -> StoredObject {
    StoredObject {
        object: object.into(),
        class: class.into(),
        key: format!("object/{class}/{object}"),
        sha256: "a".repeat(64),
        stored_bytes: 200,
        bytes: 90,
        chunks: 1,
        commitment: "b".repeat(64),
    }
}

pub(super) fn store(version: &str, object: &str) -> Command {
    Command::StoreVersion(StoreVersion {
        dataset: "loans".into(),
        version: version.into(),
        object: object.into(),
        subjects: None,
    })
}

fn rewrite(old: &str, object: &str) -> Command {
    Command::RewriteVersion(RewriteVersion {
        dataset: "loans".into(),
        version: "1".into(),
        rows_removed: 1,
        old: old.into(),
        object: object.into(),
    })
}

pub(super) fn destroy(version: &str) -> Command {
    let (dataset, version, reference) = ("loans".into(), version.into(), "CHG-1".into());
    Command::DestroyVersion(DestroyVersion { dataset, version, reference })
}

pub(super) fn gone(object: &str) -> Command {
    Command::DestroyObject(ObjectNamed { object: object.into(), copies_confirmed: None })
}

fn with_loans() -> Company {
    let mut company = Company::with_a_lead();
    company.done("a_1", declare("loans", "a_1"));
    company
}

#[test]
fn given_a_data_set_when_declared_again_or_otherwise_then_only_a_change_is_an_event() {
    let mut company = with_loans();
    assert!(company.done("a_1", declare("loans", "a_1")).is_empty());
    assert_eq!(company.done("a_1", declare("loans", "a_2")), ["dataset.declared"]);
    let retire = || Command::RetireDataset(DatasetRetired { dataset: "loans".into() });
    assert_eq!(company.done("a_1", retire()), ["dataset.retired"]);
    assert!(company.done("a_1", retire()).is_empty());
    company.given.object = Some(stored("0a", "internal"));
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Conflict);
    assert_eq!(company.done("a_1", declare("loans", "a_2")), ["dataset.declared"]);
    company.done("a_1", store("1", "0a"));
}

#[test]
fn given_declarations_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = with_loans();
    type Change = fn(&mut DatasetSpec);
    let wrong: [(&str, Change); 7] = [
        ("owner", |spec| spec.owner = "a_nobody".into()),
        ("source", |spec| spec.source = "Ann Smith's laptop".into()),
        ("licence", |spec| spec.licence = String::new()),
        ("lawful basis", |spec| spec.class = DataClass::Sensitive),
        ("purposes", |spec| spec.purposes.clear()),
        ("purposes", |spec| spec.purposes = vec![Purpose::Audit, Purpose::Audit]),
        ("region", |spec| spec.region = Some("Sydney, NSW".into())),
    ];
    for (word, change) in wrong {
        let refusal = company.refused("a_1", declared(change));
        assert_eq!(refusal.code, RefusalCode::Invalid, "{word}");
        assert!(refusal.message.contains(word), "{}", refusal.message);
        assert!(!refusal.message.contains("Ann"), "{}", refusal.message);
    }
    company.done(
        "a_1",
        declared(|spec| {
            (spec.class, spec.lawful_basis) = (DataClass::Personal, Some(LawfulBasis::Consent));
        }),
    );
    assert_eq!(company.refused("a_1", declare("Loans", "a_1")).code, RefusalCode::Invalid);
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::NotFound, "nothing was uploaded");
}

#[test]
fn given_a_version_when_stored_then_it_is_what_was_written_and_its_name_is_never_used_again() {
    let mut company = with_loans();
    company.given.object = Some(stored("0a", "confidential"));
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Conflict, "of another class");
    company.given.object = Some(stored("0a", "internal"));
    assert_eq!(company.refused("a_1", store("1", "0b")).code, RefusalCode::NotFound, "another object");
    assert_eq!(company.done("a_1", store("1", "0a")), ["dataset.version.stored"]);
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Exists);
    let reclassified = declared(|spec| spec.class = DataClass::Public);
    assert_eq!(company.refused("a_1", reclassified).code, RefusalCode::Conflict);
    assert_eq!(company.done("a_1", destroy("1")), ["dataset.version.ended"]);
    assert_eq!(company.refused("a_1", destroy("1")).code, RefusalCode::NotFound);
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Exists, "names are not reused");

    let Command::StoreVersion(mut named) = store("2", "0a") else { unreachable!() };
    let subjects = |column: &str| SubjectColumn { form: Form::Csv, column: column.into(), scope: "email".into() };
    named.subjects = Some(subjects("e mail"));
    assert_eq!(company.refused("a_1", Command::StoreVersion(named.clone())).code, RefusalCode::Invalid);
    for scope in crate::keys::tokens::RESERVED_SCOPES {
        named.subjects = Some(SubjectColumn { scope: scope.into(), ..subjects("email") });
        let refusal = company.refused("a_1", Command::StoreVersion(named.clone()));
        assert!(refusal.message.contains("used by the vault itself"), "{}", refusal.message);
    }
    named.subjects = Some(subjects("email"));
    company.done("a_1", Command::StoreVersion(named));
}

/// What is in a version with so many rows.
fn content(rows: u64) -> Content {
    Content {
        form: Form::Csv,
        rows,
        width: 1,
        columns: vec![ContentColumn { name: "id".into(), kind: "integer".into() }],
        schema: "1".repeat(64),
        digest: Some("2".repeat(64)),
        groups: vec!["3".repeat(64)],
        groups_each: 1,
    }
}

#[test]
fn given_what_is_in_a_version_when_it_is_stored_then_both_are_said_and_rows_that_go_take_the_digests_with_them() {
    let mut company = with_loans();
    company.given.object = Some(stored("0a", "internal"));
    company.given.content = Some(Content { groups: vec!["short".into()], ..content(4) });
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Invalid);
    company.given.content = Some(Content { width: 0, ..content(4) });
    assert_eq!(company.refused("a_1", store("1", "0a")).code, RefusalCode::Invalid, "more are listed than there are");
    company.given.content = Some(content(4));
    assert_eq!(company.done("a_1", store("1", "0a")), ["dataset.version.stored", "dataset.version.described"]);
    let digest = "2".repeat(64);
    assert_eq!(company.state.version_with("loans", &digest), Some("1"));
    assert_eq!(company.state.version_with("calls", &digest), None);

    company.given.object = Some(stored("0b", "internal"));
    company.done("a_system", rewrite("0a", "0b"));
    let left = company.state.dataset_version("loans", "1").and_then(|known| known.content.clone()).expect("described");
    assert_eq!(left, Content { digest: None, groups: vec![], ..content(3) });
    assert_eq!(company.state.version_with("loans", &digest), None, "other bytes are in it now");

    let Command::StoreVersion(mut named) = store("2", "0b") else { unreachable!() };
    named.subjects = Some(SubjectColumn { form: Form::Parquet, column: "email".into(), scope: "email".into() });
    company.given.content = Some(Content { form: Form::Parquet, ..content(4) });
    assert_eq!(
        company.done("a_1", Command::StoreVersion(named)),
        ["dataset.version.stored", "dataset.version.described"],
        "of every form"
    );
}

#[test]
fn given_names_of_files_when_their_form_is_told_then_it_is_by_how_they_end() {
    for (name, form) in [
        ("a.csv", Some(Form::Csv)),
        ("dir.d/A.NDJSON", Some(Form::Jsonl)),
        ("x.feather", Some(Form::Arrow)),
        ("x.parquet", Some(Form::Parquet)),
        ("x.csv.gz", None),
        ("csv", None),
    ] {
        assert_eq!(Form::of_name(name), form, "{name}");
    }
}

#[test]
fn given_a_version_that_is_rewritten_or_destroyed_when_its_object_is_reported_gone_then_it_is_known_once() {
    let mut company = with_loans();
    company.given.object = Some(stored("0a", "internal"));
    company.done("a_1", store("1", "0a"));
    assert_eq!(company.refused("a_system", gone("0a")).code, RefusalCode::Conflict, "nothing decided it");
    company.given.object = Some(stored("0b", "internal"));
    assert_eq!(company.refused("a_system", rewrite("0f", "0b")).code, RefusalCode::Conflict, "it is elsewhere");
    assert_eq!(company.done("a_system", rewrite("0a", "0b")), ["dataset.version.rewritten"]);
    assert_eq!(company.state.dataset_version("loans", "1").expect("there").stored.object, "0b");
    assert_eq!(company.refused("a_system", rewrite("0a", "0b")).code, RefusalCode::Conflict, "done already");
    assert_eq!(company.state.doomed_objects.keys().collect::<Vec<_>>(), ["0a"]);
    assert_eq!(company.done("a_system", gone("0a")), ["object.destroyed"]);
    assert!(company.done("a_system", gone("0a")).is_empty(), "again is nothing");
    company.done("a_1", destroy("1"));
    assert_eq!(company.state.doomed_objects.keys().collect::<Vec<_>>(), ["0b"]);
    let confirm = |object: &str| {
        let (disposal, reference) = (object.to_owned(), "CHECK-1".to_owned());
        Command::ConfirmDisposal(DisposalConfirmed { disposal, reference })
    };
    assert_eq!(company.refused("a_admin", confirm("0b")).code, RefusalCode::Conflict, "it is there still");
    assert_eq!(company.done("a_system", gone("0b")), ["object.destroyed"]);
    assert!(company.state.doomed_objects.is_empty());
    assert_eq!(
        company.state.deletions.keys().collect::<Vec<_>>(),
        ["0b"],
        "what was written anew went with its person"
    );
    assert_eq!(company.refused("a_1", confirm("0b")).policies, ["destroy-not-confirm"]);
    assert_eq!(company.refused("a_admin", confirm("0a")).code, RefusalCode::NotFound);
    assert_eq!(company.done("a_admin", confirm("0b")), ["retention.confirmed"]);
    assert_eq!(company.refused("a_admin", confirm("0b")).code, RefusalCode::Conflict, "once");
}

#[test]
fn given_a_duty_in_one_data_set_when_held_then_it_covers_that_one_and_keeps_apart_there_only() {
    let mut company = with_loans();
    assert_eq!(
        company.refused("a_admin", request("g_0", "a_2", "data_steward", "dataset/none")).code,
        RefusalCode::Invalid
    );
    company.done("a_1", declare("calls", "a_1"));
    company.done("a_admin", request("g_1", "a_2", "data_steward", "dataset/loans"));
    company.done("a_lead", approve("g_1"));
    assert_eq!(company.roles("a_2"), [("data_steward", "dataset/loans")]);
    assert!(covers(&company.state, "dataset/loans", "dataset/loans"));
    assert!(!covers(&company.state, "dataset/loans", "dataset/calls"));
    let scopes = narrow_scopes(&company.state);
    assert!(scopes.ends_with(&["dataset/calls".to_owned(), "dataset/loans".to_owned()]), "{scopes:?}");

    company.done("a_admin", request("g_2", "a_3", "privacy_officer", "dataset/loans"));
    company.done("a_lead", approve("g_2"));
    let refusal = company.refused("a_admin", request("g_3", "a_3", "auditor", "dataset/loans"));
    assert_eq!(refusal.policies, ["audit-not-erase"]);
    assert_eq!(company.refused("a_admin", request("g_4", "a_3", "auditor", "org")).policies, ["audit-not-erase"]);
    company.done("a_admin", request("g_5", "a_3", "auditor", "dataset/calls"));
}

#[test]
fn given_names_of_pages_when_a_data_set_or_a_version_is_to_have_them_then_it_is_refused_but_what_is_there_stays() {
    let mut company = Company::with_a_lead();
    for name in crate::data::datasets::TAKEN_NAMES {
        let refusal = company.refused("a_1", declare(name, "a_1"));
        assert!(refusal.code == RefusalCode::Invalid && refusal.message.contains("is taken"), "{}", refusal.message);
    }
    company.done("a_1", declare("loans", "a_1"));
    company.given.object = Some(stored("0a", "internal"));
    for version in crate::data::datasets::TAKEN_VERSIONS {
        assert_eq!(company.refused("a_1", store(version, "0a")).code, RefusalCode::Invalid, "{version}");
    }
    // As in a ledger of before.
    let known = company.state.datasets["loans"].clone();
    company.state.datasets.insert("findings".into(), known);
    let Command::DeclareDataset(mut body) = declare("findings", "a_1") else { unreachable!() };
    body.spec.licence = "MSA-7".into();
    assert_eq!(company.done("a_1", Command::DeclareDataset(body)), ["dataset.declared"]);
}
