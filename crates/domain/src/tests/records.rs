//! The byte form of records.

use proptest::prelude::*;

use crate::people::AccessCore;
use crate::record::{Kind, Record, Slot, TlvError, Value, append_node_seq, common, read_tlv, write_tlv};
use crate::serving::InferenceCore;

fn sample() -> InferenceCore {
    InferenceCore {
        inference_id: "018f3c2e-7d4b-7000-8000-000000000001".into(),
        ts_start: 1,
        ts_end: 2,
        door: "openai.chat.completions".into(),
        service: Some("support-assistant".into()),
        classification: "confidential".into(),
        subject_tag: Some(vec![7; 16]),
        status: "ok".into(),
        http_status: Some(200),
        day: "2026-11-22".into(),
        r: vec![1; 24],
        ct_sha256: vec![2; 32],
        c_root: vec![3; 32],
        node: "n1".into(),
        incarnation: 1,
        node_seq: 41,
        ..InferenceCore::default()
    }
}

#[test]
fn given_a_record_when_encoded_then_its_bytes_are_the_golden_ones() {
    let text: String = merkle::hex(&sample().encode());
    expect_test::expect_file!["../../golden/inference.hex"].assert_eq(&text);
}

#[test]
fn given_a_record_numbered_late_when_encoded_then_it_equals_the_whole() {
    let mut bytes = Vec::new();
    sample().encode_unnumbered(&mut bytes);
    append_node_seq(&mut bytes, 41);
    assert_eq!(bytes, sample().encode());
    assert_eq!(InferenceCore::decode(&bytes), Ok(sample()));
}

#[test]
fn given_the_fields_of_each_kind_when_listed_then_they_ascend_and_have_what_all_kinds_have() {
    fn check<R: Record>() {
        assert!(R::FIELDS.is_sorted_by(|a, b| a.id < b.id));
        assert_eq!(R::FIELDS.last().map(|f| (f.id, f.name)), Some((common::NODE_SEQ, "node_seq")));
        let common = [
            (common::ID, Kind::Text),
            (common::TS_START, Kind::Time),
            (common::TS_END, Kind::Time),
            (common::NODE, Kind::Text),
            (common::INCARNATION, Kind::Int),
        ];
        for (id, kind) in common {
            assert!(R::FIELDS.iter().any(|field| (field.id, field.kind, field.optional) == (id, kind, false)), "{id}");
        }
        let mut core = R::default();
        core.written_by("n1", 7);
        assert_eq!((core.node_name(), core.place()), ("n1", (7, 0)));
    }
    check::<InferenceCore>();
    check::<AccessCore>();
}

#[test]
fn given_an_access_when_encoded_then_its_bytes_are_the_golden_ones() {
    let access = AccessCore {
        access_id: "018f3c2e-7d4b-7000-8000-000000000002".into(),
        ts_start: 1,
        ts_end: 2,
        door: "api".into(),
        route: Some("POST /api/v1/sql".into()),
        actor: Some("a_1".into()),
        key: Some("k_1".into()),
        action: "sql".into(),
        object_kind: "inference_log".into(),
        purpose: Some("audit".into()),
        decision: "allow".into(),
        http_status: Some(200),
        policies: Some("auditor-reads-and-tests".into()),
        policies_sha256: Some("aa".into()),
        grant_id: Some("g_1".into()),
        occurrences: 1,
        tables: Some("inferences".into()),
        at_size: Some(77),
        r: Some(vec![1; 24]),
        c_root: Some(vec![3; 32]),
        node: "n1".into(),
        incarnation: 1,
        node_seq: 4,
        ..AccessCore::default()
    };
    expect_test::expect_file!["../../golden/access.hex"].assert_eq(&merkle::hex(&access.encode()));
    assert_eq!(AccessCore::decode(&access.encode()), Ok(access));
}

#[test]
fn given_a_missing_a_repeated_and_an_unknown_field_when_decoded_then_each_is_named() {
    let mut lacking = sample();
    lacking.status = String::new();
    let bytes = lacking.encode();
    let cut: Vec<u8> = remove_field(&bytes, 16);
    assert_eq!(InferenceCore::decode(&cut), Err(TlvError::Missing("status")));
    let mut repeated = bytes.clone();
    repeated.extend_from_slice(&bytes[bytes.len() - 14..]);
    assert_eq!(InferenceCore::decode(&repeated), Err(TlvError::Order(62)));
    let mut unknown = bytes;
    unknown.extend_from_slice(&[99, 0, 0, 0, 0, 0]);
    assert_eq!(InferenceCore::decode(&unknown), Err(TlvError::Unknown(99)));
}

fn remove_field(bytes: &[u8], id: u16) -> Vec<u8> {
    let mut out = Vec::new();
    read_tlv(bytes, |field, value| {
        if field != id {
            write_tlv(field, Value::Bytes(value), &mut out);
        }
        Ok(())
    })
    .expect("well formed");
    out
}

/// A core with every required field and any optional ones set to arbitrary values.
fn any_core<R: Record>() -> impl Strategy<Value = R> {
    proptest::collection::vec(
        (any::<bool>(), ".{0,12}", any::<i64>(), proptest::collection::vec(any::<u8>(), 0..40)),
        R::FIELDS.len(),
    )
    .prop_map(|values| {
        let mut core = R::default();
        for (field, (present, text, int, bytes)) in R::FIELDS.iter().zip(&values) {
            if field.optional && !present {
                continue;
            }
            let value = match field.kind {
                Kind::Text => Value::Text(text),
                Kind::Int | Kind::Time => Value::Int(*int),
                Kind::Bytes => Value::Bytes(bytes),
            };
            let put = core.slot(field.id).is_some_and(|slot: Slot<'_>| slot.put(value));
            assert!(put, "field `{}` takes its kind", field.name);
        }
        core
    })
}

proptest! {
    #[test]
    fn any_core_reads_back(inference in any_core::<InferenceCore>(), access in any_core::<AccessCore>()) {
        prop_assert_eq!(InferenceCore::decode(&inference.encode()), Ok(inference));
        prop_assert_eq!(AccessCore::decode(&access.encode()), Ok(access));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(core) = InferenceCore::decode(&bytes) {
            prop_assert_eq!(core.encode(), bytes.clone());
        }
        if let Ok(core) = AccessCore::decode(&bytes) {
            prop_assert_eq!(core.encode(), bytes);
        }
    }
}
