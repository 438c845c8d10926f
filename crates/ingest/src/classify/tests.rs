//! What is found in samples, and how large those are.

use domain::data::Form;

use super::*;

async fn classified(csv: &str) -> Classified {
    let frame = Frame::open(Form::Csv, Arc::new(csv.as_bytes().to_vec())).await.expect("rows").in_order();
    classify(&frame, &Arc::default()).await.expect("looked at")
}

fn kinds(column: &ScannedColumn) -> Vec<(&str, DataClass)> {
    column.found.iter().map(|one| (one.kind.as_str(), one.class)).collect()
}

#[tokio::test]
async fn given_personal_data_in_free_text_when_looked_at_then_it_is_found_in_its_column_and_only_counted() {
    let rows: String = (0..200).map(|n| format!("{n},call back about order {n}\n")).collect();
    let found = classified(&format!("id,note\n{rows}200,write to ann.jones@example.com\n201,\n")).await;
    assert_eq!((found.rows, found.whole, found.left_out), (202, true, 0));
    let [id, note] = &found.columns[..] else { panic!("{found:?}") };
    assert_eq!((id.cells, kinds(id)), (202, vec![]));
    assert_eq!((note.cells, kinds(note)), (201, vec![("email", DataClass::Personal)]), "an empty cell is none");
    let email = note.found.first().expect("found");
    assert_eq!((email.cells, email.secret), (1, false));
    assert!(!serde_json::to_string(&found.columns).expect("JSON").contains("jones"));
}

#[tokio::test]
async fn given_numbers_that_are_cards_when_looked_at_then_they_are_found_though_they_are_no_text() {
    let rows = "4111111111111111\n5500005555555559\n4012888888881881\n".repeat(5);
    let found = classified(&format!("card_number\n{rows}")).await;
    let column = found.columns.first().expect("a column");
    assert!(kinds(column).contains(&("card", DataClass::Sensitive)), "{column:?}");
    assert_eq!(column.proposed(), Some(DataClass::Sensitive));
}

#[tokio::test]
async fn given_a_key_in_a_cell_when_looked_at_then_it_is_a_secret_wherever_it_stands() {
    let key = scan::keys::secret(&std::array::from_fn(|n| u8::try_from(n * 7 + 11).unwrap_or_default()));
    let found = classified(&format!("id,note\n1,the key is {key} for now\n2,none\n")).await;
    let note = found.columns.last().and_then(|column| column.found.iter().find(|one| one.secret));
    assert_eq!(note.map(|one| (one.kind.as_str(), one.cells)), Some(("secret", 1)), "{found:?}");
    assert!(!serde_json::to_string(&found.columns).expect("JSON").contains(&key));
}

#[tokio::test]
async fn given_many_rows_when_looked_at_then_the_sample_is_bounded_and_the_same_each_time() {
    let rows: String = (0..30_000).map(|n| format!("{n}\n")).collect();
    let first = classified(&format!("id\n{rows}")).await;
    assert_eq!((first.rows, first.whole), (10_200, false));
    assert_eq!(classified(&format!("id\n{rows}")).await, first);
}

#[test]
fn given_a_file_without_rows_when_looked_at_then_it_is_read_as_a_text() {
    let bytes: Arc<dyn RangeRead> =
        Arc::new(b"Dear team,\nwrite to ann.jones@example.com and bob@example.com.\n".to_vec());
    let found = classify_text(&bytes, &Detectors::standard()).expect("looked at");
    assert_eq!((found.rows, found.whole, found.bytes), (0, true, bytes.len()));
    let [file] = &found.columns[..] else { panic!("{found:?}") };
    assert_eq!((file.column.as_deref(), kinds(file)), (None, vec![("email", DataClass::Personal)]));
    assert_eq!(file.found.first().map(|one| one.cells), Some(2));
}

#[test]
fn given_a_file_that_is_large_when_looked_at_then_only_pieces_of_it_are() {
    struct Zeros(u64);
    impl RangeRead for Zeros {
        fn len(&self) -> u64 {
            self.0
        }

        fn read_at(&self, _: u64, buf: &mut [u8]) -> std::io::Result<()> {
            buf.fill(b'\n');
            Ok(())
        }
    }
    let bytes: Arc<dyn RangeRead> = Arc::new(Zeros(200 << 20));
    let found = classify_text(&bytes, &Detectors::standard()).expect("looked at");
    assert_eq!((found.bytes, found.whole), ((8 + 3) << 20, false), "the first 8 MiB, and a piece at 64, 128 and 192");
}

#[test]
fn given_more_columns_than_an_entry_has_room_for_when_shortened_then_those_with_findings_stay() {
    let column = |n: usize, found: Vec<FoundKind>| ScannedColumn {
        column: Some(format!("{n}{}", "x".repeat(120))),
        cells: 1,
        found,
    };
    let one =
        FoundKind { kind: "email".into(), cells: 1, score_permille: 900, class: DataClass::Personal, secret: false };
    let mut columns: Vec<ScannedColumn> =
        (0..500).map(|n| column(n, if n == 499 { vec![one.clone()] } else { vec![] })).collect();
    let over = shorten(&mut columns);
    assert_eq!(over + columns.len() as u64, 500);
    assert!(over > 0 && columns.last().is_some_and(|last| !last.found.is_empty()));
    assert!(serde_json::to_vec(&columns).expect("JSON").len() < MAX_BYTES);
}

#[tokio::test]
async fn given_a_column_that_is_named_by_somebodys_data_when_looked_at_then_its_name_is_not_on_record() {
    let found = classified("id,calls to 0412 345 678,note\n1,2,three\n").await;
    let names: Vec<&str> = found.columns.iter().filter_map(|one| one.column.as_deref()).collect();
    assert_eq!((names, found.left_out), (vec!["id", "note"], 1));
}

#[test]
fn given_a_text_for_the_ledger_when_a_line_has_somebodys_data_then_the_line_is_said_and_not_what_stands_there() {
    let text = "name = \"loans\"\n[[column]]\nname = \"email\"\nallowed = [\"ann.jones@example.com\"]\n";
    let why = says_nothing_of_anybody(text).expect_err("an address");
    assert!(why.starts_with("line 4 ") && why.contains("`email`") && !why.contains("jones"), "{why}");
    says_nothing_of_anybody(include_str!("../../../../examples/credit-risk/contract.toml")).expect("of nobody");
}

#[tokio::test]
async fn given_a_detector_of_ones_own_when_looked_at_then_its_kind_and_class_are_found() {
    let own = scan::detect::Own::pattern("staff_number", Class::Sensitive, r"\bST-\d{5}\b");
    let detectors = Detectors::standard().with(&own).expect("a detector");
    let rows: String =
        (0..50).map(|n| format!("ST-{:05},write to ann.jones@example.com or ST-00001\n", n * 7)).collect();
    let csv = format!("number,note\n{rows}");
    let frame = Frame::open(Form::Csv, Arc::new(csv.into_bytes())).await.expect("rows").in_order();
    let found = classify(&frame, &Arc::new(detectors.clone())).await.expect("looked at");
    let [number, note] = &found.columns[..] else { panic!("{found:?}") };
    assert_eq!(kinds(number), [("staff_number", DataClass::Sensitive)]);
    assert_eq!(kinds(note), [("email", DataClass::Personal), ("staff_number", DataClass::Sensitive)]);
    let text: Arc<dyn RangeRead> = Arc::new(b"ST-00001 and ST-00002".to_vec());
    let found = classify_text(&text, &detectors).expect("looked at");
    let found = found.columns.first().and_then(|one| one.found.first()).expect("found");
    assert_eq!((found.kind.as_str(), found.cells, found.class), ("staff_number", 2, DataClass::Sensitive));
}
