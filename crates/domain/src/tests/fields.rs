//! Fields of data sets: what a steward says, what a scan opens and how it is settled, and what a view may give.

use super::datasets::{declare, destroy, store, stored};
use super::duties::Company;
use crate::data::{
    ColumnRule, DataClass, DatasetDeclared, DatasetSpec, FieldDecision, FieldsDeclared, FindingResolved, FindingWhy,
    Form, FoundKind, LawfulBasis, Resolution, ScannedColumn, SubjectColumn, VersionScanned, ViewColumn, ViewDeclared,
    ViewRetired, ViewSpec,
};
use crate::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared};
use crate::people::Purpose;
use crate::people::notifications::due;
use crate::{Command, RefusalCode};

const DAY: i64 = 86_400_000;

/// Data set `loans` with version `1`, of this class.
fn with_version(class: DataClass) -> Company {
    let mut company = Company::with_a_lead();
    let Command::DeclareDataset(DatasetDeclared { dataset, spec }) = declare("loans", "a_1") else { unreachable!() };
    let lawful_basis = class.is_personal().then_some(LawfulBasis::Contract);
    let purposes = vec![Purpose::Development, Purpose::Support];
    let spec = DatasetSpec { class, lawful_basis, purposes, ..spec };
    company.done("a_1", Command::DeclareDataset(DatasetDeclared { dataset, spec }));
    company.given.object = Some(stored("0a", class.as_str()));
    let Command::StoreVersion(mut wish) = store("1", "0a") else { unreachable!() };
    let column = || SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() };
    wish.subjects = class.is_personal().then(column);
    company.done("a_1", Command::StoreVersion(wish));
    company
}

fn decision(field: &str, class: DataClass, purposes: &[Purpose]) -> FieldDecision {
    FieldDecision { field: field.into(), class, purposes: purposes.to_vec(), justification: Some("DPIA-7".into()) }
}

fn fields(fields: Vec<FieldDecision>) -> Command {
    Command::DeclareFields(FieldsDeclared { dataset: "loans".into(), fields })
}

fn found(kind: &str, class: DataClass, secret: bool) -> FoundKind {
    FoundKind { kind: kind.into(), cells: 3, score_permille: 900, class, secret }
}

fn column(column: &str, found: Vec<FoundKind>) -> ScannedColumn {
    ScannedColumn { column: Some(column.into()), cells: 10, found }
}

fn scan(columns: Vec<ScannedColumn>) -> Command {
    Command::ReportScan(VersionScanned {
        dataset: "loans".into(),
        version: "1".into(),
        object: "0a".into(),
        rows_sampled: 10,
        bytes_sampled: 100,
        whole: true,
        columns,
        columns_left_out: 0,
        detectors: 0,
    })
}

impl Company {
    /// A scan with fresh identifiers for what it opens.
    #[track_caller]
    fn scans(&mut self, columns: Vec<ScannedColumn>) -> Vec<&'static str> {
        self.given.fresh = format!("{:032x}", self.state.size);
        self.done("a_system", scan(columns))
    }

    /// The findings that are open, as (identifier, field, kind).
    fn open(&self) -> Vec<(String, Option<String>, String)> {
        let open = self.state.findings.values().filter(|one| one.resolved.is_none());
        open.map(|one| (one.opened.finding.clone(), one.opened.field.clone(), one.opened.kind.clone())).collect()
    }

    fn first(&self) -> String {
        self.open().first().expect("a finding").0.clone()
    }
}

fn resolve(finding: &str, resolution: Resolution) -> FindingResolved {
    let reference = Some("RISK-3".to_owned());
    FindingResolved { finding: finding.into(), dataset: "loans".into(), resolution, reference, until: None }
}

#[test]
fn given_personal_data_in_an_internal_set_when_scanned_then_one_finding_is_opened_and_not_twice() {
    let mut company = with_version(DataClass::Internal);
    assert_eq!(company.state.unscanned(), [("loans".to_owned(), "1".to_owned())]);
    let columns = || vec![column("note", vec![found("email", DataClass::Personal, false)]), column("term", vec![])];
    assert_eq!(company.scans(columns()), ["dataset.version.scanned", "finding.opened"]);
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"]);
    assert!(company.state.unscanned().is_empty());
    let id = company.first();
    let opened = company.state.findings.get(&id).expect("the finding").opened.clone();
    assert_eq!((opened.owner.as_str(), opened.why), ("a_1", FindingWhy::AboveClass));
    assert_eq!(opened.due, company.given.now + 7 * DAY);

    let unreasoned = FindingResolved { reference: None, ..resolve(&id, Resolution::FalseAlarm) };
    let refusal = company.refused("a_1", Command::ResolveFinding(unreasoned));
    assert!(refusal.message.contains("reference"), "{}", refusal.message);
    for (resolution, word) in
        [(Resolution::Removed, "still there"), (Resolution::Reclassified, "as before"), (Resolution::Accepted, "until")]
    {
        let refusal = company.refused("a_1", Command::ResolveFinding(resolve(&id, resolution)));
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }
    let settled = Command::ResolveFinding(resolve(&id, Resolution::FalseAlarm));
    assert_eq!(company.done("a_1", settled.clone()), ["finding.resolved"]);
    assert!(company.done("a_1", settled).is_empty());
    assert_eq!(
        company.refused("a_1", Command::ResolveFinding(resolve(&id, Resolution::Removed))).code,
        RefusalCode::Conflict
    );
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"], "a false alarm stays one");
}

#[test]
fn given_columns_when_their_values_are_to_be_shown_then_steward_detectors_and_data_set_all_decide() {
    let mut company = with_version(DataClass::Internal);
    let shown = |company: &Company| {
        let shown = ["note", "term", "born", "new"].map(|column| company.state.shows_values("loans", "1", column));
        let version = company.state.shows_values("loans", "2", "term");
        (shown, version)
    };
    assert_eq!(shown(&company), ([false; 4], false), "nobody looked yet");
    let email = || found("email", DataClass::Personal, false);
    let columns = vec![column("note", vec![email()]), column("term", vec![]), column("born", vec![])];
    company.scans(columns);
    assert_eq!(shown(&company), ([false, true, true, false], false));
    let id = company.first();
    company.done("a_1", Command::ResolveFinding(resolve(&id, Resolution::FalseAlarm)));
    assert_eq!(shown(&company).0, [true, true, true, false]);

    // In a set about people nothing is shown, whatever is said of a field or not found in it.
    let mut company = with_version(DataClass::Personal);
    company.done("a_1", fields(vec![decision("term", DataClass::Internal, &[])]));
    company.scans(vec![column("term", vec![]), column("born", vec![])]);
    assert_eq!(shown(&company).0, [false; 4]);
    let mut company = with_version(DataClass::Confidential);
    company.scans(vec![column("term", vec![])]);
    assert_eq!(shown(&company).0, [false; 4]);
}

#[test]
fn given_a_finding_when_it_waits_then_whoever_answers_for_the_data_set_is_told_and_each_week_when_it_is_late() {
    let mut company = with_version(DataClass::Internal);
    company.scans(vec![column("note", vec![found("email", DataClass::Personal, false)])]);
    let told = |company: &Company| {
        let of_findings =
            due(&company.state, company.given.now).into_iter().filter(|one| one.about.starts_with("finding/"));
        of_findings.map(|one| (one.kind.as_str(), one.instance, one.to)).collect::<Vec<_>>()
    };
    let to = || std::collections::BTreeSet::from(["a_1".to_owned()]);
    let opened = || ("finding_opened", String::new(), to());
    assert_eq!(told(&company), [opened()]);
    company.given.now += 15 * DAY;
    assert_eq!(told(&company), [opened(), ("finding_overdue", "1".to_owned(), to())]);
    let id = company.first();
    company.done("a_1", Command::ResolveFinding(resolve(&id, Resolution::FalseAlarm)));
    assert!(told(&company).is_empty());
}

#[test]
fn given_a_finding_that_is_accepted_when_that_is_over_then_it_is_opened_anew() {
    let mut company = with_version(DataClass::Internal);
    let columns = || vec![column("note", vec![found("email", DataClass::Personal, false)])];
    company.scans(columns());
    let until = Some(company.given.now + 10 * DAY);
    let id = company.first();
    let beyond = FindingResolved { until: Some(i64::MAX), ..resolve(&id, Resolution::Accepted) };
    assert_eq!(company.refused("a_1", Command::ResolveFinding(beyond)).code, RefusalCode::Invalid);
    company.done("a_1", Command::ResolveFinding(FindingResolved { until, ..resolve(&id, Resolution::Accepted) }));
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"]);
    company.given.now += 11 * DAY;
    assert_eq!(company.scans(columns()), ["dataset.version.scanned", "finding.opened"]);
    company.done("a_1", destroy("1"));
    let id = company.first();
    company.done("a_1", Command::ResolveFinding(resolve(&id, Resolution::Removed)));
    assert!(company.open().is_empty() && company.state.unscanned().is_empty());
}

#[test]
fn given_a_secret_when_scanned_then_it_is_due_in_a_day_and_no_class_settles_it() {
    let mut company = with_version(DataClass::Personal);
    company.done("a_1", fields(vec![decision("note", DataClass::Personal, &[Purpose::Support])]));
    company.scans(vec![column("note", vec![found("aws_key", DataClass::Confidential, true)])]);
    let id = company.first();
    assert_eq!(company.state.findings.get(&id).expect("the finding").opened.due, company.given.now + DAY);
    company.done("a_1", fields(vec![decision("note", DataClass::Personal, &[])]));
    assert_eq!(company.open().len(), 1);
    assert_eq!(
        company.refused("a_1", Command::ResolveFinding(resolve(&id, Resolution::Reclassified))).code,
        RefusalCode::Conflict
    );
}

#[test]
fn given_fields_that_nobody_declared_when_scanned_then_they_are_found_until_they_are() {
    let mut company = with_version(DataClass::Personal);
    let columns = || vec![column("email", vec![found("email", DataClass::Personal, false)]), column("term", vec![])];
    company.scans(columns());
    assert_eq!(
        company.open().iter().map(|(_, field, kind)| (field.clone(), kind.as_str())).collect::<Vec<_>>(),
        [(None, "undeclared")]
    );
    // One of two is declared, as less than it is.
    let declared = company.done("a_1", fields(vec![decision("email", DataClass::Internal, &[])]));
    assert_eq!(declared, ["dataset.fields.declared", "finding.resolved"]);
    company.scans(columns());
    let open: Vec<_> = company.open().into_iter().map(|(_, field, kind)| (field, kind)).collect();
    assert_eq!(open, [(Some("email".into()), "email".into()), (Some("term".into()), "undeclared".into())]);
    let both = || {
        let purposes = [Purpose::Support];
        fields(vec![decision("email", DataClass::Personal, &purposes), decision("term", DataClass::Internal, &[])])
    };
    assert_eq!(company.done("a_1", both()), ["dataset.fields.declared", "finding.resolved", "finding.resolved"]);
    assert!(company.done("a_1", both()).is_empty(), "the same again is nothing");
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"]);
}

#[test]
fn given_people_in_rows_about_nobody_when_scanned_then_one_finding_says_so_until_the_version_is_gone() {
    let mut company = with_version(DataClass::Personal);
    let purposes = [Purpose::Support];
    let declared = ["email", "phone"].map(|field| decision(field, DataClass::Personal, &purposes));
    company.done("a_1", fields(declared.into()));
    let kinds = |kind: &str| vec![found(kind, DataClass::Personal, false)];
    let columns = || vec![column("email", kinds("email")), column("phone", kinds("phone"))];
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"], "an erasure finds them");
    let known = company.state.datasets.get_mut("loans").and_then(|known| known.versions.get_mut("1"));
    known.expect("stored").subjects = None;
    assert_eq!(company.scans(columns()), ["dataset.version.scanned", "finding.opened"], "one for all columns");
    assert_eq!(company.scans(columns()), ["dataset.version.scanned"]);
    let id = company.first();
    let opened = &company.state.findings.get(&id).expect("the finding").opened;
    assert_eq!((opened.why, opened.cells, opened.field.as_deref()), (FindingWhy::Unnamed, 6, None));
    let refusal = company.refused("a_1", Command::ResolveFinding(resolve(&id, Resolution::Reclassified)));
    assert!(refusal.message.contains("store them anew"), "{}", refusal.message);
    company.given.object = Some(stored("0b", "personal"));
    company.done("a_1", store("2", "0b"));
    let of_second = |company: &mut Company| {
        let Command::ReportScan(mut second) = scan(columns()) else { unreachable!() };
        (second.version, second.object) = ("2".into(), "0b".into());
        company.given.fresh = format!("{:032x}", company.state.size);
        company.done("a_system", Command::ReportScan(second))
    };
    assert_eq!(of_second(&mut company), ["dataset.version.scanned", "finding.opened"], "of each version");
    company.done("a_1", destroy("1"));
    company.done("a_1", Command::ResolveFinding(resolve(&id, Resolution::Removed)));
    let left = company.first();
    company.done("a_1", Command::ResolveFinding(resolve(&left, Resolution::FalseAlarm)));
    assert!(company.open().is_empty());
    assert_eq!(of_second(&mut company), ["dataset.version.scanned"], "a false alarm of this version");
}

#[test]
fn given_declarations_of_fields_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = with_version(DataClass::Internal);
    let one = || decision("term", DataClass::Internal, &[Purpose::Support]);
    let wrong: [(&str, Vec<FieldDecision>); 6] = [
        ("1 to 500", vec![]),
        ("named twice", vec![one(), one()]),
        ("guarded as `internal`", vec![FieldDecision { class: DataClass::Personal, ..one() }]),
        ("for `audit` at all", vec![FieldDecision { purposes: vec![Purpose::Audit], ..one() }]),
        ("without `@`", vec![FieldDecision { field: "ann@example.com".into(), ..one() }]),
        ("reference", vec![FieldDecision { justification: Some("because Ann said so".into()), ..one() }]),
    ];
    for (word, body) in wrong {
        let refusal = company.refused("a_1", fields(body));
        assert!(
            refusal.message.contains(word) && !refusal.message.contains("Ann") && !refusal.message.contains("ann@"),
            "{}",
            refusal.message
        );
    }
}

fn view(columns: &[(&str, ColumnRule)], quasi: &[&str], min_k: u32) -> Command {
    let columns = columns.iter().map(|(column, rule)| ViewColumn { column: (*column).into(), rule: rule.clone() });
    let spec = ViewSpec {
        columns: columns.collect(),
        quasi: quasi.iter().map(|one| (*one).to_owned()).collect(),
        min_k,
        max_suppressed_permille: 0,
    };
    Command::DeclareView(ViewDeclared { dataset: "loans".into(), purpose: Purpose::Development, spec })
}

#[test]
fn given_a_view_when_declared_then_it_gives_only_fields_that_are_for_its_purpose() {
    let mut company = with_version(DataClass::Personal);
    let keep = [("age", ColumnRule::Band { width: 10 }), ("email", ColumnRule::Drop)];
    let refusal = company.refused("a_1", view(&keep, &["age"], 5));
    assert_eq!(
        (refusal.code, refusal.policies.as_slice()),
        (RefusalCode::Forbidden, &["field-purpose".to_owned()][..])
    );
    company.done("a_1", fields(vec![decision("age", DataClass::Personal, &[Purpose::Support])]));
    assert_eq!(company.refused("a_1", view(&keep, &["age"], 5)).code, RefusalCode::Forbidden, "for another purpose");
    company.done("a_1", fields(vec![decision("age", DataClass::Personal, &[Purpose::Development])]));
    assert_eq!(company.done("a_1", view(&keep, &["age"], 5)), ["dataset.view.declared"]);
    assert!(company.done("a_1", view(&keep, &["age"], 5)).is_empty());
    assert!(company.state.view("loans", Purpose::Development).is_some());
    let retire = || Command::RetireView(ViewRetired { dataset: "loans".into(), purpose: Purpose::Development });
    assert_eq!(company.done("a_1", retire()), ["dataset.view.retired"]);
    assert!(company.done("a_1", retire()).is_empty());
    assert!(company.state.view("loans", Purpose::Development).is_none());
}

#[test]
fn given_views_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = with_version(DataClass::Internal);
    let (keep, drop) = (("age", ColumnRule::Keep), ("email", ColumnRule::Drop));
    let (wide, scope) = (ColumnRule::Band { width: 0 }, ColumnRule::Tokenise { scope: "none".into() });
    let wrong = [
        ("no column of it goes out", view(std::slice::from_ref(&drop), &[], 1)),
        ("named twice", view(&[keep.clone(), keep.clone()], &[], 1)),
        ("does not go out", view(&[keep.clone(), drop], &["email"], 2)),
        ("at least 1", view(std::slice::from_ref(&keep), &["age"], 0)),
        ("could be told apart", view(std::slice::from_ref(&keep), &[], 2)),
        ("a band has a width", view(&[("age", wide)], &[], 1)),
        ("scope of tokens", view(&[("age", scope)], &[], 1)),
    ];
    for (word, command) in wrong {
        let refusal = company.refused("a_1", command);
        assert_eq!(refusal.code, RefusalCode::Invalid);
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }
    let Command::DeclareView(mut other) = view(std::slice::from_ref(&keep), &[], 1) else { unreachable!() };
    other.purpose = Purpose::Audit;
    assert!(company.refused("a_1", Command::DeclareView(other)).message.contains("may not be read for `audit`"));
}

#[test]
fn given_tokens_that_an_erasure_would_not_reach_when_a_view_of_people_makes_them_then_it_is_refused() {
    let mut company = with_version(DataClass::Personal);
    company.done("a_1", fields(vec![decision("email", DataClass::Personal, &[Purpose::Development])]));
    let mut scope = |scope: &str, method, kind, per_subject| {
        let spec = TokenScope { method, kind, class: "personal".into(), purposes: vec![], per_subject };
        company.done("a_1", Command::DeclareTokenScope(TokenScopeDeclared { scope: scope.into(), spec }));
    };
    scope("nobodys", TokenMethod::Vaulted, TokenKind::Text, false);
    scope("theirs", TokenMethod::Vaulted, TokenKind::Text, true);
    scope("cards", TokenMethod::Ff1, TokenKind::Card, false);
    let of = |scope: &str| view(&[("email", ColumnRule::Tokenise { scope: scope.into() })], &[], 1);
    assert!(company.refused("a_1", of("nobodys")).message.contains("no erasure would reach them"));
    for good in ["theirs", "cards"] {
        assert_eq!(company.done("a_1", of(good)), ["dataset.view.declared"], "{good}");
    }
}
