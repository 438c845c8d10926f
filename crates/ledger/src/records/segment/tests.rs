//! Columns and byte form say the same; files from anybody get an answer.

use std::path::Path;

use arrow::array::StringViewArray;
use domain::people::AccessCore;
use domain::serving::InferenceCore;
use proptest::collection::vec;
use proptest::prelude::*;

use super::write::{Sealing, SegmentWriter};
use super::*;
use crate::vfs::{Access, Vfs, read_file, sim::SimDisk};

/// Any core: every field of its kind, optional ones there or not.
fn any_core<R: Record>() -> impl Strategy<Value = R> {
    let text = "\\PC{0,12}";
    let field = (any::<bool>(), text, any::<i64>(), vec(any::<u8>(), 0..40));
    vec(field, R::FIELDS.len()).prop_map(|values| {
        let mut core = R::default();
        for (field, (absent, text, int, bytes)) in R::FIELDS.iter().zip(&values) {
            let value = match field.kind {
                Kind::Text => Value::Text(text),
                Kind::Bytes => Value::Bytes(bytes),
                Kind::Int | Kind::Time => Value::Int(*int),
            };
            let skip = field.optional && *absent;
            assert!(skip || core.slot(field.id).unwrap().put(value));
        }
        core
    })
}

fn core(number: i64) -> InferenceCore {
    let mut core = InferenceCore { inference_id: format!("id-{number}"), node_seq: number, ..Default::default() };
    core.ts_end = 1_800_000_000_000_000 + number;
    core.r = vec![number as u8; 24];
    core.model = (number % 2 == 0).then(|| "provider/model".to_owned());
    core
}

fn ct(number: usize) -> Vec<u8> {
    vec![number as u8; 100 + number]
}

/// The bytes of both files.
fn files(cores: &[InferenceCore]) -> (Vec<u8>, Vec<u8>) {
    let disk = SimDisk::new();
    let (core, payload) = (Path::new("/core"), Path::new("/payload"));
    disk.create_dir_all(Path::new("/")).unwrap();
    let place = Place { segment: 3, day: "2027-01-15" };
    let payloads = Some(disk.create(payload).unwrap());
    let mut writer = SegmentWriter::new(place, disk.create(core).unwrap(), payloads).unwrap();
    for (number, core) in cores.iter().enumerate() {
        let leaf = leaf_hash(&core.encode());
        writer.push(Sealing { core: core.clone(), leaf, subject_ref: [number as u8; 16], ct: ct(number) }).unwrap();
    }
    let (core_file, payload_file) = writer.finish().unwrap();
    let payload_file = payload_file.unwrap();
    let read = |path| read_file(&disk, path, u64::MAX).unwrap().unwrap();
    let (core, payload) = (read(core), read(payload));
    assert_eq!((core_file.len, payload_file.len), (core.len() as u64, payload.len() as u64));
    assert_eq!(disk.open(Path::new("/core"), Access::Read).unwrap().size().unwrap(), core_file.len);
    (core, payload)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_byte_form_say_the_same(cores in vec(any_core::<InferenceCore>(), 0..8)) {
        let batch = to_batch(&cores, None).unwrap();
        prop_assert_eq!(batch.schema(), core_schema::<InferenceCore>());
        let back: Vec<InferenceCore> = from_batch(&batch).unwrap();
        prop_assert_eq!(leaves(&back), leaves(&cores));
        prop_assert_eq!(&back, &cores);
        for core in &cores {
            prop_assert_eq!(&InferenceCore::decode(&core.encode()).unwrap(), core);
        }
        let (file, _) = files(&cores);
        prop_assert_eq!(read_core_bytes::<InferenceCore>(file).unwrap(), cores);
    }

    #[test]
    fn a_changed_byte_is_an_error_or_changes_nothing(at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let cores: Vec<InferenceCore> = (0..20).map(core).collect();
        let (mut file, mut payload) = files(&cores);
        let index = at.index(file.len());
        file[index] ^= mask;
        if let Ok(read) = read_core_bytes::<InferenceCore>(file) {
            prop_assert_eq!(read, cores);
        }
        // Payloads are checked against their records, not here: this only may not panic.
        let index = at.index(payload.len());
        payload[index] ^= mask;
        let read = read_payloads_bytes(payload, |_| true);
        prop_assert!(read.is_err() || read.is_ok_and(|rows| rows.len() <= 20));
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(read_core_bytes::<InferenceCore>(bytes.clone()).is_err());
        prop_assert!(read_core_bytes::<AccessCore>(bytes.clone()).is_err());
        prop_assert!(read_payloads_bytes(bytes, |_| true).is_err());
    }
}

proptest! {
    #[test]
    fn any_accesses_go_through_a_file_without_payloads_unchanged(cores in vec(any_core::<AccessCore>(), 1..8)) {
        let disk = SimDisk::new();
        let path = Path::new("/core");
        disk.create_dir_all(Path::new("/")).unwrap();
        let place = Place { segment: 0, day: "2027-01-15" };
        let mut writer = SegmentWriter::new(place, disk.create(path).unwrap(), None).unwrap();
        for core in &cores {
            let leaf = leaf_hash(&core.encode());
            writer.push(Sealing { core: core.clone(), leaf, subject_ref: [0; 16], ct: vec![] }).unwrap();
        }
        let (_, payload) = writer.finish().unwrap();
        prop_assert_eq!(payload, None);
        let file = read_file(&disk, path, u64::MAX).unwrap().unwrap();
        prop_assert_eq!(read_core_bytes::<AccessCore>(file.clone()).unwrap(), cores);
        prop_assert!(read_core_bytes::<InferenceCore>(file).is_err(), "it is of another kind");
    }
}

#[test]
fn the_wanted_payloads_are_read_from_any_row_group() {
    let cores: Vec<InferenceCore> = (0..2500).map(core).collect();
    let (core_file, file) = files(&cores);
    assert_eq!(read_core_bytes::<InferenceCore>(core_file).unwrap(), cores);
    let wanted = [0, 7, 1023, 1024, 2499];
    let rows = read_payloads_bytes(file.clone(), |seq| wanted.contains(&seq)).unwrap();
    assert!(rows.iter().map(|row| row.node_seq).eq(wanted));
    for row in rows {
        let number = row.node_seq as usize;
        assert_eq!(
            (row.inference_id, row.ct, row.subject_ref),
            (format!("id-{number}"), ct(number), [number as u8; 16])
        );
    }
    assert_eq!(read_payloads_bytes(file, |_| false).unwrap(), []);
}

#[test]
fn rows_of_an_engine_with_other_spellings_are_read() {
    let cores = [core(1), core(2)];
    let batch = to_batch(&cores, Some(Place { segment: 1, day: "2027-01-15" })).unwrap();
    let mut fields: Vec<_> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = batch.columns().to_vec();
    let ids = cores.iter().map(|core| Some(core.inference_id.as_str()));
    columns[0] = Arc::new(StringViewArray::from_iter(ids));
    fields[0] = Column::new("inference_id", DataType::Utf8View, true);
    columns.reverse();
    fields.reverse();
    let other = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    assert_eq!(from_batch::<InferenceCore>(&other).unwrap(), cores);
}

#[test]
fn missing_null_and_mistyped_columns_are_told_by_name() {
    let batch = to_batch(&[core(1)], None).unwrap();
    let replaced = |index: usize, array: Option<ArrayRef>| {
        let mut fields: Vec<_> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = batch.columns().to_vec();
        match array {
            Some(array) => {
                fields[index] = Column::new(fields[index].name(), array.data_type().clone(), true);
                columns[index] = array;
            }
            None => drop((fields.remove(index), columns.remove(index))),
        }
        let other = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        from_batch::<InferenceCore>(&other).unwrap_err().to_string()
    };
    assert_eq!(replaced(0, None), "column `inference_id` is missing");
    let null: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    assert_eq!(replaced(0, Some(null)), "column `inference_id` has no value in some row, but must have one in each");
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    assert_eq!(replaced(1, Some(number)), "column `ts_start` is of type Int64, not Timestamp(µs, \"UTC\")");
}

#[test]
fn a_changed_row_does_not_hash_to_its_leaf() {
    let cores = [core(1), core(2), core(3)];
    let leaves = leaves(&cores);
    let mut changed = cores.clone();
    changed[1].tokens_in = Some(1);
    let batch = batch_with_leaves(&changed, &leaves, None).unwrap();
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, core_schema::<InferenceCore>(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let error = read_core_bytes::<InferenceCore>(file).unwrap_err();
    assert!(matches!(error, SegmentError::Leaf { row: 1 }), "{error}");
}
