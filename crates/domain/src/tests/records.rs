//! The byte form of inference records.

use proptest::prelude::*;

use crate::serving::{FIELDS, InferenceCore, Kind, Slot, TlvError, Value};

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
    let mut bytes = sample().encode_unnumbered();
    InferenceCore::append_node_seq(&mut bytes, 41);
    assert_eq!(bytes, sample().encode());
    assert_eq!(InferenceCore::decode(&bytes), Ok(sample()));
}

#[test]
fn given_the_fields_when_listed_then_they_ascend_and_end_with_node_seq() {
    assert!(FIELDS.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(FIELDS.last().map(|f| (f.id, f.name)), Some((InferenceCore::NODE_SEQ, "node_seq")));
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
    crate::serving::read_tlv(bytes, |field, value| {
        if field != id {
            crate::serving::write_tlv(field, Value::Bytes(value), &mut out);
        }
        Ok(())
    })
    .expect("well formed");
    out
}

/// A core with every required field and any optional ones set to arbitrary values.
fn any_core() -> impl Strategy<Value = InferenceCore> {
    proptest::collection::vec(
        (any::<bool>(), ".{0,12}", any::<i64>(), proptest::collection::vec(any::<u8>(), 0..40)),
        FIELDS.len(),
    )
    .prop_map(|values| {
        let mut core = InferenceCore::default();
        for (field, (present, text, int, bytes)) in FIELDS.iter().zip(&values) {
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
    fn any_core_reads_back(core in any_core()) {
        prop_assert_eq!(InferenceCore::decode(&core.encode()), Ok(core));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(core) = InferenceCore::decode(&bytes) {
            prop_assert_eq!(core.encode(), bytes);
        }
    }
}
