//! Versions on their way in, over a real data directory, and how two differ.

use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::ipc::writer::FileWriter;
use domain::data::{
    ColumnRule, ContractPublished, DataClass, DatasetDeclared, DatasetSpec, DestroyVersion, FieldDecision,
    FieldsDeclared, Form, LawfulBasis, SubjectColumn, ViewColumn, ViewDeclared, ViewSpec,
};
use domain::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared};
use domain::people::{ActorKind, Purpose};
use domain::{Command, RefusalCode};
use engine::{About, Engine, EngineOptions, ExecuteError, Principal, RowError, Theirs, VersionPieces};
use parquet::arrow::ArrowWriter;
use query::rows::Frame;

use super::*;

fn options(dir: &Path) -> EngineOptions {
    EngineOptions {
        dir: dir.to_owned(),
        state: None,
        organisation: "Example Bank".into(),
        origin: Some("counterfoil.example/test".into()),
        retention_days: 400,
        node: "n1".into(),
        program: "counterfoil test".into(),
        roll_records: 65_536,
        roll_bytes: 64 << 20,
        roll_after: Duration::from_secs(60),
        outbound: engine::Outbound::default(),
        sessions: engine::SessionLimits::default(),
        custody: engine::CustodyOptions::default(),
        archive: None,
        objects: None,
        columnar: Some(Arc::new(Columnar)),
    }
}

/// Somebody with a role.
async fn with(engine: &Arc<Engine>, operator: &Principal, role: &str) -> Principal {
    let actor = engine.register_actor(operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = (role.into(), "org".into(), "CHG-1".into());
    let wish = engine::Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(operator, wish).await.expect("asked for");
    engine.approve_grant(operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

struct World {
    engine: Arc<Engine>,
    operator: Principal,
    who: Principal,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(class: DataClass) -> Self {
        Self::with(class, Arc::new(Columnar)).await
    }

    async fn with(class: DataClass, columnar: Arc<dyn engine::Columnar>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = EngineOptions { columnar: Some(columnar), ..options(dir.path()) };
        let engine = Engine::open(options).await.expect("a new data directory");
        let token = std::fs::read_to_string(dir.path().join("operator.token")).expect("the operator's key");
        let operator = engine.authenticate(token.trim()).expect("known");
        let who = with(&engine, &operator, "data_steward").await;
        let world = Self { engine, operator, who, dir };
        world.declare("loans", class).await;
        world
    }

    async fn declare(&self, dataset: &str, class: DataClass) {
        let spec = DatasetSpec {
            class,
            owner: self.who.actor.clone(),
            source: "crm/exports".into(),
            licence: "MSA-7".into(),
            lawful_basis: Some(LawfulBasis::Contract),
            purposes: vec![Purpose::Development],
            region: None,
            subject_country: None,
        };
        let declared = DatasetDeclared { dataset: dataset.into(), spec };
        self.engine.execute(&self.who, Command::DeclareDataset(declared)).await.expect("declared");
    }

    async fn put(&self, dataset: &str, version: &str, form: Form, bytes: &[u8]) -> Result<Outcome, ExecuteError> {
        let wish = Wish { dataset: dataset.into(), version: version.into(), form: Some(form), about: About::Nobody };
        ingest(&self.engine, &self.who, wish, Cursor::new(bytes.to_vec())).await
    }

    fn objects(&self) -> usize {
        let below = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().collect::<Vec<_>>();
        let dirs = below(&self.dir.path().join("objects"));
        dirs.iter().flat_map(|dir| below(&dir.path())).filter(|entry| entry.file_name().len() == 32).count()
    }

    async fn compare(&self, key: &[&str], shows_values: bool) -> Result<Diff, DiffError> {
        self.compared(key, &Shown { values_of: &|_| shows_values, min_group: MIN_GROUP }).await
    }

    async fn compared(&self, key: &[&str], shown: &Shown<'_>) -> Result<Diff, DiffError> {
        let side = async |version: &str| Side {
            version: version.into(),
            form: Form::Csv,
            bytes: stored(&self.engine, "loans", version).await.expect("opens"),
        };
        let key: Vec<String> = key.iter().map(|key| (*key).to_owned()).collect();
        diff(side("1").await, side("2").await, &key, shown).await
    }
}

const ROWS: &[u8] = b"id,email,rate\n1,ann@example.com,1.5\n2,bob@example.com,2\n";

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_when_it_comes_in_then_it_is_described_and_the_ledger_tells_nothing_that_could_be_guessed() {
    let world = World::new(DataClass::Internal).await;
    let Outcome::Stored { done, content: Some(content) } =
        world.put("loans", "1", Form::Csv, ROWS).await.expect("stored")
    else {
        panic!("described")
    };
    let names: Vec<&str> = done.events.iter().map(|entry| entry.event.name()).collect();
    assert_eq!(names, ["dataset.version.stored", "dataset.version.described"]);
    assert_eq!((content.rows, content.width, content.groups.len()), (2, 3, 1));
    let kinds: Vec<&str> = content.columns.iter().map(|column| column.kind.as_str()).collect();
    assert_eq!(kinds, ["integer", "text", "number"]);
    let known = world.engine.read(|state| state.dataset_version("loans", "1").cloned()).expect("stored");
    assert_eq!(known.content, Some(content.clone()));

    let Outcome::Known { version } = world.put("loans", "2", Form::Csv, ROWS).await.expect("known") else {
        panic!("stored again")
    };
    assert_eq!((version.as_str(), world.objects()), ("1", 1));
    world.declare("calls", DataClass::Internal).await;
    let Outcome::Stored { content: Some(other), .. } = world.put("calls", "1", Form::Csv, ROWS).await.expect("stored")
    else {
        panic!("described")
    };
    assert_ne!(other.digest, content.digest, "equal content does not show between data sets");
    assert_ne!((other.groups, other.schema), (content.groups, content.schema));

    let frame =
        Frame::open(Form::Csv, stored(&world.engine, "loans", "1").await.expect("opens")).await.expect("a frame");
    let row = numbers::Row::of(&frame, "SELECT sum(rate), max(email) FROM rows").await.expect("asked");
    assert_eq!((row.number(0), row.text(1).as_deref()), (Some(3.5), Some("bob@example.com")));

    let destroy = DestroyVersion { dataset: "loans".into(), version: "1".into(), reference: "CHG-1".into() };
    world.engine.destroy_version(&world.who, destroy).await.expect("destroyed");
    let again = world.put("loans", "3", Form::Csv, ROWS).await.expect("stored");
    assert!(matches!(again, Outcome::Stored { .. }), "what is destroyed is not known any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_bytes_that_are_not_as_they_say_when_they_come_in_then_nothing_of_them_is_left_and_the_name_is_free() {
    let world = World::new(DataClass::Internal).await;
    for (form, bytes, why) in [
        (Form::Csv, &b"id,name\n1,a\n2\n"[..], "line 3: 1 fields"),
        (Form::Csv, &b"id,name\n1,\xff\n"[..], "line 2, byte 10: no UTF-8"),
        (Form::Jsonl, &b"{\"a\":1}\n{\"a\":\"x\"}\n"[..], "line 2: member `a`"),
        (Form::Parquet, &b"PAR1 and no more than that"[..], "footer"),
        (Form::Arrow, &b"ARROW1\0\0 and no more than that"[..], "footer"),
        (Form::Csv, &b"+61 412 345 678,n\n1,2\n"[..], "column 1"),
    ] {
        let refused = world.put("loans", "1", form, bytes).await;
        let Err(ExecuteError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, RefusalCode::Invalid);
        assert!(
            refusal.message.contains(why) && refusal.message.ends_with("nothing was stored"),
            "{}",
            refusal.message
        );
        assert_eq!(world.objects(), 0);
    }
    assert!(world.engine.read(|state| state.datasets["loans"].versions.is_empty()));
    world.put("loans", "1", Form::Csv, ROWS).await.expect("its name is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_person_in_a_version_when_they_are_forgotten_then_the_description_follows_and_old_bytes_are_new() {
    let world = World::new(DataClass::Personal).await;
    let wish = |version: &str| Wish {
        dataset: "loans".into(),
        version: version.into(),
        form: Some(Form::Csv),
        about: About::Named(SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() }),
    };
    ingest(&world.engine, &world.who, wish("1"), Cursor::new(ROWS)).await.expect("stored");
    let ann = world.engine.vault().known_subject("email", "ann@example.com", 0).expect("asked").expect("known");
    let rewritten = world.engine.drop_dataset_rows(&ann).await.expect("rewritten");
    assert_eq!(rewritten.len(), 1);
    let content =
        world.engine.read(|state| state.dataset_version("loans", "1").and_then(|known| known.content.clone()));
    let content = content.expect("described");
    assert_eq!((content.rows, content.digest, content.groups), (1, None, vec![]));
    let again = ingest(&world.engine, &world.who, wish("2"), Cursor::new(ROWS)).await.expect("stored");
    assert!(matches!(again, Outcome::Stored { .. }), "version 1 has not these bytes any more");
}

/// Rows of [`ROWS`], as a file of columns.
fn columns(form: Form) -> Vec<u8> {
    let texts = |of: [&str; 3]| Arc::new(StringArray::from(of.to_vec())) as ArrayRef;
    let emails = texts(["ann@example.com", "bob@example.com", "ANN@example.com"]);
    let rows = [("id", texts(["1", "2", "3"])), ("email", emails), ("rate", texts(["late", "early", "late"]))];
    let batch = RecordBatch::try_from_iter(rows).expect("a batch");
    let mut out = Vec::new();
    if form == Form::Parquet {
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
    } else {
        let mut writer = FileWriter::try_new(&mut out, &batch.schema()).expect("a writer");
        writer.write(&batch).expect("written");
        writer.finish().expect("finished");
    }
    out
}

/// Whether any file below a directory has this in it.
fn lies_below(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).expect("a directory").flatten().any(|entry| match entry.path() {
        below if below.is_dir() => lies_below(&below, text),
        file => std::fs::read(file).unwrap_or_default().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_person_in_parquet_and_arrow_when_forgotten_then_versions_are_written_anew_once_and_others_stay() {
    let world = World::new(DataClass::Personal).await;
    let named = |form, column: &str| Wish {
        dataset: "loans".into(),
        version: Form::as_str(form).into(),
        form: Some(form),
        about: About::Named(SubjectColumn { form, column: column.into(), scope: "email".into() }),
    };
    let put = async |wish: Wish, bytes: Vec<u8>| ingest(&world.engine, &world.who, wish, Cursor::new(bytes)).await;
    let known = |who: &str| world.engine.vault().known_subject("email", who, 0).expect("asked");
    for form in [Form::Parquet, Form::Arrow] {
        let cut = columns(form)[..200].to_vec();
        for (bytes, column, why) in [(columns(form), "user.email", "no column `user.email`"), (cut, "email", "footer")]
        {
            let Err(ExecuteError::Refused(refusal)) = put(named(form, column), bytes).await else { panic!("stored") };
            assert!(refusal.message.contains(why), "{}", refusal.message);
            assert!(refusal.message.ends_with("nothing was stored"), "{}", refusal.message);
        }
    }
    assert_eq!((world.objects(), known("ann@example.com")), (0, None), "nobody was noted");
    for form in [Form::Parquet, Form::Arrow] {
        let stored = put(named(form, "email"), columns(form)).await.expect("stored");
        assert!(matches!(stored, Outcome::Stored { content: Some(content), .. } if content.rows == 3));
    }
    let (ann, bob) = (known("ann@example.com").expect("noted"), known("bob@example.com").expect("noted"));
    let objects = || {
        let of = |state: &domain::State, version| state.dataset_version("loans", version).map(|of| of.stored.clone());
        world.engine.read(|state| ["parquet", "arrow"].map(|version| of(state, version).expect("stored")))
    };
    let before = objects();
    let rewritten = world.engine.drop_dataset_rows(&ann).await.expect("rewritten");
    assert_eq!(rewritten.iter().map(|one| one.rows_removed).collect::<Vec<_>>(), [2, 2]);
    assert!(!lies_below(world.dir.path(), "ann@example.com") && !lies_below(world.dir.path(), "bob@example.com"));
    // As after a crash between the event and what follows it: whom the versions are about is noted still.
    for version in ["parquet", "arrow"] {
        world.engine.vault().hold(&format!("dataset/loans/{version}"), &[ann]).expect("as before");
    }
    assert!(world.engine.drop_dataset_rows(&ann).await.expect("again").is_empty(), "it is done once");
    let after = objects();
    assert_eq!(world.objects(), 2, "what was written for nothing is gone");
    for (form, (before, after)) in [Form::Parquet, Form::Arrow].into_iter().zip(before.iter().zip(&after)) {
        assert_ne!((&before.object, &before.commitment), (&after.object, &after.commitment));
        let gone = vault::ObjectId::from_hex(&before.object).expect("an identifier");
        assert!(world.engine.vault().destroy_object("personal", &gone, 1).expect("again").keys.is_empty());
        let bytes = stored(&world.engine, "loans", form.as_str()).await.expect("opens");
        let (frame, survey) = Frame::surveyed(form, bytes).await.expect("as its form says");
        assert_eq!(survey.rows, 1);
        let row = numbers::Row::of(&frame, "SELECT max(email), max(rate) FROM rows").await.expect("asked");
        assert_eq!((row.text(0).as_deref(), row.text(1).as_deref()), (Some("bob@example.com"), Some("early")));
        let content =
            |state: &domain::State| state.dataset_version("loans", form.as_str()).and_then(|of| of.content.clone());
        let content = world.engine.read(content).expect("described");
        assert_eq!((content.rows, content.digest, content.groups), (1, None, vec![]));
    }
    assert!(world.engine.datasets_of(&ann).expect("asked").is_empty());
    assert_eq!(world.engine.datasets_of(&bob).expect("asked").len(), 2);
}

/// Finds a row less than there are in what was written.
#[derive(Debug)]
struct Losing;

impl engine::Columnar for Losing {
    fn identifiers(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        each: &mut dyn FnMut(Vec<String>) -> io::Result<()>,
    ) -> Result<(), RowError> {
        Columnar.identifiers(from, column, each)
    }

    fn without(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        to: &mut dyn Write,
    ) -> Result<(u64, u64), RowError> {
        Columnar.without(from, column, theirs, to)
    }

    fn rows(&self, from: VersionPieces, column: &SubjectColumn) -> Result<u64, RowError> {
        Columnar.rows(from, column).map(|rows| rows - 1)
    }

    fn rows_of(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        each: &mut dyn FnMut(String) -> io::Result<()>,
    ) -> Result<(), RowError> {
        Columnar.rows_of(from, column, theirs, each)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_written_anew_that_lost_rows_when_read_back_then_the_one_before_stays() {
    let world = World::with(DataClass::Personal, Arc::new(Losing)).await;
    let (form, column, scope) = (Form::Parquet, "email".to_owned(), "email".to_owned());
    let about = About::Named(SubjectColumn { form, column, scope });
    let wish = Wish { dataset: "loans".into(), version: "1".into(), form: Some(form), about };
    ingest(&world.engine, &world.who, wish, Cursor::new(columns(form))).await.expect("stored");
    let ann = world.engine.vault().known_subject("email", "ann@example.com", 0).expect("asked").expect("noted");
    let Err(ExecuteError::Refused(refusal)) = world.engine.drop_dataset_rows(&ann).await else { panic!("rewritten") };
    assert!(refusal.message.contains("it has 0 rows, and 1 are left"), "{}", refusal.message);
    let bytes = stored(&world.engine, "loans", "1").await.expect("opens");
    let (_, survey) = Frame::surveyed(form, bytes).await.expect("as its form says");
    assert_eq!((survey.rows, world.objects()), (3, 1), "what was written for nothing is gone");
    assert_eq!(world.engine.datasets_of(&ann).expect("asked").len(), 1, "they are found when it is tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_rows_that_differ_in_one_of_several_columns_when_compared_by_key_then_each_counts_once() {
    let world = World::new(DataClass::Internal).await;
    let head = "id,sure,amount,day\n";
    for (version, rows) in [
        ("1", "1,true,5,2026-01-01\n2,true,5,2026-01-01\n3,false,5,\n"),
        ("2", "1,true,6,2026-01-01\n2,true,5,2026-01-01\n3,true,5,2026-01-02\n"),
    ] {
        world.put("loans", version, Form::Csv, format!("{head}{rows}").as_bytes()).await.expect("stored");
    }
    let by_key = world.compare(&["id"], true).await.expect("compared").by_key.expect("by key");
    assert_eq!((by_key.added, by_key.removed, by_key.changed), (0, 0, 2));
    assert!(by_key.not_compared.is_empty(), "{by_key:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_columns_of_other_types_when_compared_by_key_then_numbers_are_by_value_and_the_rest_is_named() {
    let world = World::new(DataClass::Internal).await;
    for (version, rows) in [("1", "1,5,7\n2,6,8\n3,7,9\n"), ("2", "1,5.0,7\n2,6.5,eight\n3,7.0,9\n")] {
        world.put("loans", version, Form::Csv, format!("id,amount,code\n{rows}").as_bytes()).await.expect("stored");
    }
    let told = world.compare(&["id"], true).await.expect("compared");
    let by_key = told.by_key.expect("by key");
    assert_eq!((by_key.added, by_key.removed, by_key.changed), (0, 0, 1));
    assert_eq!((told.columns_retyped.len(), by_key.not_compared), (2, vec!["code".to_owned()]));
    assert!(told.columns.iter().all(|one| one.distinct.iter().all(|count| *count <= 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_more_hidden_columns_than_are_asked_of_at_once_when_compared_then_each_has_bands_of_its_own() {
    let world = World::new(DataClass::Internal).await;
    let line = |cell: &dyn Fn(usize) -> String| (0..45).map(cell).collect::<Vec<_>>().join(",") + "\n";
    let mut rows = line(&|column| format!("c{column}"));
    for row in 0..400 {
        rows += &line(&|column| if matches!(column, 3 | 43) { "7".to_owned() } else { (row * column).to_string() });
    }
    world.put("loans", "1", Form::Csv, rows.as_bytes()).await.expect("stored");
    rows += &line(&|_| "7".to_owned());
    world.put("loans", "2", Form::Csv, rows.as_bytes()).await.expect("stored");
    let told = world.compared(&[], &Shown { values_of: &|_| false, min_group: 200 }).await.expect("compared");
    let banded = told.columns.iter().filter(|column| column.quantiles.is_some()).map(|column| column.name.as_str());
    assert_eq!(banded.collect::<Vec<_>>(), ["c0", "c3", "c43"], "half of the rows share a band in these alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_two_versions_when_compared_then_columns_rows_and_distributions_are_told() {
    let world = World::new(DataClass::Internal).await;
    let rows = |from: u32, to: u32, add: u32, more: &str| -> Vec<u8> {
        let head = format!("id,amount,kind{more}\n");
        let lines = (from..to).map(|n| {
            let kind = if n % 10 < 3 + add / 100 { "home" } else { "car" };
            let amount = if n == from { String::new() } else { (n * 3 + add).to_string() };
            format!("{n},{amount},{kind}{}\n", if more.is_empty() { "" } else { ",x" })
        });
        std::iter::once(head).chain(lines).collect::<String>().into_bytes()
    };
    world.put("loans", "1", Form::Csv, &rows(0, 1000, 0, "")).await.expect("stored");
    world.put("loans", "2", Form::Csv, &rows(100, 1200, 400, ",region")).await.expect("stored");
    let told = world.compare(&["id"], true).await.expect("compared");
    assert_eq!(told.rows, [1000, 1100]);
    assert_eq!(told.columns_added, [["region".to_owned(), "text".to_owned()]]);
    assert!(told.columns_removed.is_empty() && told.columns_retyped.is_empty());
    let by_key = told.by_key.clone().expect("by key");
    assert_eq!((by_key.added, by_key.removed, by_key.changed, by_key.unclear), (200, 100, 900, [0, 0]));
    let column = |told: &Diff, name: &str| told.columns.iter().find(|one| one.name == name).cloned().expect("there");
    let amount = column(&told, "amount");
    assert_eq!((amount.nulls, amount.measure), ([1, 1], Some("psi")));
    assert!(amount.distance.is_some_and(|by| by > 0.1), "{amount:?}");
    let medians = amount.quantiles.expect("numbers");
    assert!((medians[0].p50 - 1500.0).abs() < 60.0 && (medians[1].p50 - 2350.0).abs() < 90.0, "{medians:?}");
    let kind = column(&told, "kind");
    assert_eq!((kind.measure, kind.moved.len()), (Some("total_variation"), 2));
    assert!(kind.distance.is_some_and(|by| (by - 0.4).abs() < 0.02), "{kind:?}");
    assert_eq!(kind.min.expect("shown")[0].as_deref(), Some("car"));

    let held = world.compare(&[], false).await.expect("compared");
    let text = serde_json::to_string(&held).expect("JSON");
    assert!(!text.contains("car") && !text.contains("home"), "{text}");
    assert!(held.columns.iter().all(|column| column.min.is_none() && column.moved.is_empty()));
    let quarters = |told: &Diff| column(told, "amount").quantiles.map(|both| both.map(|of| [of.p25, of.p50, of.p75]));
    let bands = quarters(&held).expect("enough rows share each");
    let begins_one = |value: &f64| (value / 500.0).fract().abs() < 1e-9;
    assert!(bands.iter().flatten().all(begins_one), "only where bands of 500 begin is told: {bands:?}");
    assert!((1500.0 - bands[0][1]).abs() < 501.0, "{bands:?}");
    assert!(matches!(world.compare(&["region"], true).await, Err(DiffError::Key(_))));

    let shown = Shown { values_of: &|name| name == "kind", min_group: 200 };
    let few = world.compared(&[], &shown).await.expect("compared");
    assert_eq!(quarters(&few), None, "fewer rows share a band than are asked for");
    assert!(!few.shows_values && column(&few, "kind").shows_values && !column(&few, "kind").moved.is_empty());
    assert!(column(&few, "id").min.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_view_with_tokens_when_only_its_report_is_asked_for_then_none_is_made() {
    let world = World::new(DataClass::Personal).await;
    let (engine, steward) = (&world.engine, &world.who);
    let officer = with(engine, &world.operator, "privacy_officer").await;
    let (method, kind) = (TokenMethod::Vaulted, TokenKind::Text);
    let scope = TokenScope { method, kind, class: "personal".into(), purposes: vec![], per_subject: true };
    let scope = Command::DeclareTokenScope(TokenScopeDeclared { scope: "mail".into(), spec: scope });
    engine.execute(&officer, scope).await.expect("declared");
    let about = About::Named(SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() });
    let wish = Wish { dataset: "loans".into(), version: "1".into(), form: Some(Form::Csv), about };
    ingest(engine, steward, wish, Cursor::new(ROWS)).await.expect("stored");
    let purpose = Purpose::Development;
    let (class, justification) = (DataClass::Personal, Some("DPIA-7".to_owned()));
    let email = FieldDecision { field: "email".into(), class, purposes: vec![purpose], justification };
    let fields = FieldsDeclared { dataset: "loans".into(), fields: vec![email] };
    engine.execute(steward, Command::DeclareFields(fields)).await.expect("declared");
    let columns = vec![ViewColumn { column: "email".into(), rule: ColumnRule::Tokenise { scope: "mail".into() } }];
    let spec = ViewSpec { columns, quasi: vec![], min_k: 1, max_suppressed_permille: 0 };
    let declared = ViewDeclared { dataset: "loans".into(), purpose, spec };
    engine.execute(steward, Command::DeclareView(declared)).await.expect("declared");

    let ann = engine.vault().known_subject("email", "ann@example.com", 0).expect("asked").expect("known");
    let tokens = || engine.tokens_of(&ann).expect("listed").len();
    let seen = async || {
        let view = engine.view_for(steward, "loans", "1", purpose).expect("theirs");
        (view, view::frame(engine, "loans", "1").await.expect("rows"))
    };
    let (view, frame) = seen().await;
    let reached = view::reached(&view, &frame).await.expect("counted");
    assert_eq!((reached.rows, tokens()), (2, 0));
    let (view, frame) = seen().await;
    let opened = view::open(engine, view, frame).await.expect("opened");
    assert_eq!((opened.reached, tokens()), (reached, 1), "they are made when rows are read");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_that_was_stored_and_not_checked_when_started_again_then_it_is_checked_once() {
    let world = World::new(DataClass::Internal).await;
    let engine = &world.engine;
    let text = "name = \"loans\"\ndataset = \"loans\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\nmin = 2\n";
    let (contract, dataset, text) = ("loans".into(), "loans".into(), text.into());
    let publish = Command::PublishContract(ContractPublished { contract, version: 1, dataset, text });
    // Nobody was given the duty to approve, so whoever administers stands in for it.
    let founder = Principal { roles: world.who.roles.clone(), ..world.operator.clone() };
    engine.execute(&founder, publish).await.expect("published");
    world.put("loans", "1", Form::Csv, ROWS).await.expect("stored");
    let left = || engine.read(|state| state.unchecked());
    assert_eq!(left(), [("loans".to_owned(), "1".to_owned())], "as when the process ends there");
    let (_running, stop) = tokio::sync::watch::channel(false);
    let marks = world.dir.path().join("checking");
    let (mark, other) = (marks.join("loans@1"), marks.join("loans@0"));
    std::fs::create_dir(&marks).expect("made");
    for mark in [&mark, &other] {
        std::fs::write(mark, b"").expect("as when the process ended in the check");
    }
    check::check_those_left(Arc::clone(engine), left(), stop.clone()).await;
    assert_eq!((left().len(), mark.exists(), other.exists()), (1, true, false), "it is not tried a second time");
    std::fs::remove_file(&mark).expect("removed");
    check::check_those_left(Arc::clone(engine), left(), stop).await;
    assert!(!mark.exists());
    let quarantine = engine.read(|state| state.standing("loans", "1").and_then(|known| known.quarantine.clone()));
    assert_eq!(quarantine.expect("row 1 breaks it").rules, ["id.range"]);
    assert!(left().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_bytes_that_are_known_when_something_else_is_said_of_them_then_they_are_refused_and_not_taken_for_the_same()
 {
    let world = World::new(DataClass::Personal).await;
    let subjects = |column: &str, scope: &str| {
        About::Named(SubjectColumn { form: Form::Csv, column: column.into(), scope: scope.into() })
    };
    let put = async |version: &str, about: About| {
        let wish = Wish { dataset: "loans".into(), version: version.into(), form: Some(Form::Csv), about };
        ingest(&world.engine, &world.who, wish, Cursor::new(ROWS)).await
    };
    put("1", subjects("email", "email")).await.expect("stored");
    let same = put("2", subjects("email", "email")).await;
    assert!(matches!(same, Ok(Outcome::Known { version }) if version == "1"));
    for (about, is) in [
        (subjects("id", "email"), "column `id`"),
        (subjects("email", "customer"), "scope `customer`"),
        (About::Nobody, "about nobody"),
    ] {
        let refused = put("2", about).await;
        let Err(ExecuteError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, RefusalCode::Conflict);
        let was = "was stored about whom column `email` names, in scope `email`, not";
        assert!(refusal.message.contains(was) && refusal.message.contains(is), "{}", refusal.message);
        assert_eq!(world.objects(), 1);
    }

    // In a set that needs nothing said, saying nothing contradicts nothing.
    let world = World::new(DataClass::Internal).await;
    let put = async |version: &str, form: Form, about: About, bytes: &[u8]| {
        let wish = Wish { dataset: "loans".into(), version: version.into(), form: Some(form), about };
        ingest(&world.engine, &world.who, wish, Cursor::new(bytes.to_vec())).await
    };
    let lines: &[u8] = b"{\"id\":1}\n{\"id\":2}\n";
    put("1", Form::Csv, subjects("email", "email"), ROWS).await.expect("stored");
    let unsaid = put("2", Form::Csv, About::Unsaid, ROWS).await;
    assert!(matches!(unsaid, Ok(Outcome::Known { .. })));
    put("2", Form::Jsonl, About::Unsaid, lines).await.expect("stored");
    let other = put("3", Form::Csv, About::Unsaid, lines).await.expect_err("of another form").to_string();
    assert!(other.contains("was stored as jsonl, not as csv"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_reference_that_cannot_be_looked_in_when_checked_then_it_is_said_what_is_missing() {
    let world = World::new(DataClass::Internal).await;
    let engine = &world.engine;
    let text = "name = \"loans\"\ndataset = \"loans\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n\
                [[reference]]\nname = \"known\"\ncolumns = [\"id\"]\ndataset = \"customers\"\n";
    let publish = |text: &str| {
        let (contract, dataset, text) = ("loans".into(), "loans".into(), text.into());
        Command::PublishContract(ContractPublished { contract, version: 1, dataset, text })
    };
    let founder = Principal { roles: world.who.roles.clone(), ..world.operator.clone() };
    world.declare("customers", DataClass::Internal).await;
    let refused = engine.execute(&founder, publish(text)).await.expect_err("not for operation").to_string();
    assert!(refused.contains("`customers`") && refused.contains("have it declared with `operation`"), "{refused}");
    let purposes = async |purposes: Vec<Purpose>| {
        let known = engine.read(|state| state.datasets["customers"].spec.clone());
        let declared = DatasetDeclared { dataset: "customers".into(), spec: DatasetSpec { purposes, ..known } };
        engine.execute(&world.who, Command::DeclareDataset(declared)).await.expect("declared");
    };
    purposes(vec![Purpose::Operation]).await;
    engine.execute(&founder, publish(text)).await.expect("published");
    world.put("loans", "1", Form::Csv, ROWS).await.expect("stored");
    let missing = async || {
        let wish = check::Wish {
            dataset: "loans".into(),
            version: "1".into(),
            under: check::Under::InForce,
            stage: "ingest".into(),
            run: None,
        };
        let outcome = check::check_version(engine, &world.who, wish).await.expect("checked");
        outcome.reasons.into_iter().map(|(rule, why)| format!("{rule}: {why}")).collect::<String>()
    };
    assert!(missing().await.starts_with("known: data set `customers` has no version that may be read"));
    world.put("customers", "1", Form::Csv, ROWS).await.expect("stored");
    assert_eq!(missing().await, "");
    purposes(vec![Purpose::Development]).await;
    assert!(missing().await.contains("may not be read for `operation`"));
}
