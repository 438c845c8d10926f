//! How long things are kept, what keeps them longer, and that what goes was due, held by nobody, and agreed to.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::keys::{Company, DAY};
use super::{approvals, datasets};
use crate::data::{Form, SubjectColumn};
use crate::infrastructure::Node;
use crate::keys::holds::{HoldPlaced, HoldReleased, blocking};
use crate::keys::retention::{
    BeginDisposal, DisposalConfirmed, INFERENCE_CORES, Item, Kind, Method, RetentionDisposed, RetentionKept,
    RetentionScheduled, RetentionUnscheduled, SegmentGone, SegmentsDisposed, day_start,
};
use crate::models::{Enclosed, ModelFacts};
use crate::serving::{Route, SegmentFile, ServiceDeclared, ServiceSpec, Target};
use crate::{Command, RefusalCode, State};

const SUBJECT: &str = "0123456789abcdef0123456789abcdef";

fn schedule(rule: &str, class: &str, days: u32) -> Command {
    let (rule, class, basis) = (rule.into(), class.into(), "POL-7".into());
    Command::ScheduleRetention(RetentionScheduled { rule, kind: Kind::InferencePayload, class, days, basis })
}

fn keep(class: &str, day: &str) -> Command {
    let (class, day) = (class.into(), day.into());
    Command::KeepPayloads(RetentionKept { kind: Kind::InferencePayload, class, day })
}

fn item(class: &str, day: &str) -> Item {
    Item { kind: Kind::InferencePayload, class: class.into(), day: Some(day.into()), object: None }
}

fn begin(disposal: &str, item: Item, clear_of: &[&str]) -> Command {
    let clear_of = clear_of.iter().map(|hold| (*hold).to_owned()).collect();
    Command::BeginDisposal(BeginDisposal { disposal: disposal.into(), item, clear_of })
}

fn hold(hold: &str, on: &str) -> Command {
    let (hold, on, reference) = (hold.into(), on.into(), "CASE-3".into());
    Command::PlaceHold(HoldPlaced { hold, on, reference, review_due: i64::MAX })
}

fn credit() -> Command {
    Command::DeclareService(ServiceDeclared { service: "credit".into(), spec: approvals::spec() })
}

fn release(hold: &str) -> Command {
    Command::ReleaseHold(HoldReleased { hold: hold.into(), reference: "CASE-3".into() })
}

fn done_with(disposal: &str, item: Item, due: i64, copies_confirmed: u64) -> Command {
    let disposal = disposal.into();
    let method = Method::KeyDestroyed;
    Command::ReportDisposal(RetentionDisposed { disposal, item, method, due, copies: 3, copies_confirmed })
}

/// Days of 1970 and classes of which something is due, as `class day`.
fn due(state: &State, now: i64) -> Vec<String> {
    let named = |item: Item| format!("{} {}", item.class, item.day.unwrap_or_default());
    state.due(now).into_iter().map(|one| named(one.item)).collect()
}

#[test]
fn given_days_when_read_then_they_begin_where_the_calendar_says() {
    for (day, at) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2000-03-01", 11_017), ("2026-11-28", 20_785)] {
        assert_eq!(day_start(day), Some(at * DAY), "{day}");
    }
    for bad in ["", "2026-13-01", "2026-1-01", "2026-01-32", "2026-01-01-01", "yyyy-mm-dd"] {
        assert_eq!(day_start(bad), None, "{bad}");
    }
}

#[test]
fn given_rules_when_a_class_has_its_own_then_that_one_counts() {
    let mut company = Company::new();
    company.done("a_admin", schedule("all", "*", 10));
    company.done("a_admin", schedule("internal", "internal", 2));
    assert!(company.done("a_admin", schedule("internal", "internal", 2)).is_empty(), "it is so already");
    company.done("a_system", keep("internal", "1970-01-02"));
    company.done("a_system", keep("public", "1970-01-02"));
    assert!(company.done("a_system", keep("public", "1970-01-02")).is_empty());
    let whole = |days: i64| (2 + days) * DAY;
    assert_eq!(due(&company.state, whole(2) - 1), [""; 0]);
    assert_eq!(due(&company.state, whole(2)), ["internal 1970-01-02"]);
    assert_eq!(due(&company.state, whole(10)), ["internal 1970-01-02", "public 1970-01-02"]);
    let refusal = company.refused("a_admin", schedule("other", "internal", 9));
    assert!(refusal.message.contains("rule `internal`"), "{}", refusal.message);
}

#[test]
fn given_wrong_rules_when_made_then_they_are_refused() {
    let mut company = Company::new();
    let scheduled = |kind, class: &str, days, basis: &str| {
        let (class, basis) = (class.to_owned(), basis.to_owned());
        Command::ScheduleRetention(RetentionScheduled { rule: "r".into(), kind, class, days, basis })
    };
    for (command, word) in [
        (scheduled(Kind::InferencePayload, "internal", 0, "POL-7"), "1 to 36500 days"),
        (scheduled(Kind::InferencePayload, "Ada Lovelace", 3, "POL-7"), "not a name for a class"),
        (scheduled(Kind::InferencePayload, "nosuch", 3, "POL-7"), "name one of confidential, internal"),
        (scheduled(Kind::InferencePayload, "internal", 3, "because Ada said so"), "a reference is needed"),
        (scheduled(Kind::InferenceCore, "internal", 3, "POL-7"), "goes as a whole"),
        (Command::UnscheduleRetention(RetentionUnscheduled { rule: "r".into() }), "no such rule"),
    ] {
        let refusal = company.refused("a_admin", command);
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
}

#[test]
fn given_something_kept_when_a_rule_would_end_it_sooner_then_somebody_else_must_agree() {
    let mut company = Company::new();
    company.done("a_1", schedule("all", "*", 30));
    company.done("a_system", keep("internal", "1970-01-02"));
    company.done("a_1", schedule("all", "*", 60));
    for shorter in [schedule("all", "*", 59), schedule("own", "internal", 1)] {
        assert_eq!(company.refused("a_1", shorter).policies, ["approval-required"]);
    }
    company.done("a_1", schedule("own", "internal", 90));
    let bare = Command::UnscheduleRetention(RetentionUnscheduled { rule: "own".into() });
    assert_eq!(company.refused("a_1", bare).policies, ["approval-required"], "the wider rule is shorter");
    let all = Command::UnscheduleRetention(RetentionUnscheduled { rule: "all".into() });
    assert_eq!(company.done("a_1", all), ["retention.unscheduled"], "what no rule ends is kept");
    assert_eq!(company.refused("a_1", schedule("all", "internal", 90)).code, RefusalCode::Exists);
    company.done("a_system", keep("public", "1970-01-02"));
    assert_eq!(company.refused("a_1", schedule("all", "*", 900)).policies, ["approval-required"], "`public` had none");
}

#[test]
fn given_a_hold_when_released_then_it_is_by_another_person_than_who_placed_it() {
    let mut company = Company::new();
    for (on, word) in [
        ("subject/7", "32 hexadecimal digits"),
        ("class/", "not a name"),
        ("class/nosuch", "name one of confidential, internal"),
        ("dataset/nosuch", "there is no data set `nosuch`"),
        ("service/nosuch", "there is no service `nosuch`"),
        ("Ada", "a hold is on"),
    ] {
        let refusal = company.refused("a_1", hold("h_1", on));
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }
    company.done("a_1", hold("h_1", "class/internal"));
    assert_eq!(blocking(&company.state, "class/internal").as_deref(), Some("h_1"));
    assert_eq!(blocking(&company.state, "class/public"), None);
    assert_eq!(company.refused("a_1", release("h_1")).policies, ["place-not-release"]);
    company.done("a_admin", release("h_1"));
    assert_eq!(blocking(&company.state, "class/internal"), None);
    assert_eq!(company.refused("a_admin", release("h_1")).code, RefusalCode::Conflict);
    assert_eq!(company.refused("a_admin", release("h_2")).code, RefusalCode::NotFound);
}

#[test]
fn given_something_due_when_disposed_of_then_it_is_once_and_another_person_confirms_it() {
    let mut company = Company::new();
    company.done("a_1", schedule("all", "*", 1));
    company.done("a_system", keep("internal", "1970-01-01"));
    let old = item("internal", "1970-01-01");
    assert_eq!(company.refused("a_system", begin("x_1", old.clone(), &[])).message, "this is not due yet");
    company.given.now = 2 * DAY;
    company.done("a_1", hold("h_1", &format!("subject/{SUBJECT}")));
    let refusal = company.refused("a_system", begin("x_1", old.clone(), &[]));
    assert!(refusal.message.contains("look whether"), "{}", refusal.message);
    assert_eq!(company.done("a_system", begin("x_1", old.clone(), &["h_1"])), ["retention.disposing"]);
    assert!(company.state.due(2 * DAY).is_empty(), "it is under way");
    assert_eq!(company.refused("a_system", begin("x_2", old.clone(), &["h_1"])).code, RefusalCode::Conflict);
    let confirm = || {
        let (disposal, reference) = ("x_1".to_owned(), "CHECK-1".to_owned());
        Command::ConfirmDisposal(DisposalConfirmed { disposal, reference })
    };
    assert!(company.refused("a_admin", confirm()).message.contains("under way"));
    let other = item("public", "1970-01-01");
    assert_eq!(company.refused("a_system", done_with("x_1", other, 2 * DAY, 3)).code, RefusalCode::Conflict);
    assert_eq!(company.done("a_system", done_with("x_1", old.clone(), 2 * DAY, 3)), ["retention.disposed"]);
    assert!(company.done("a_system", done_with("x_1", old.clone(), 2 * DAY, 3)).is_empty(), "reported once");
    assert!(company.done("a_system", keep("internal", "1970-01-01")).is_empty(), "a day does not come back");
    assert_eq!(company.refused("a_1", confirm()).policies, ["rule-not-confirm"]);
    company.done("a_admin", confirm());
    assert_eq!(company.refused("a_admin", confirm()).code, RefusalCode::Conflict);
}

#[test]
fn given_days_of_records_when_due_then_they_go_while_nothing_is_held_and_their_segments_are_named_meanwhile() {
    let mut company = Company::new();
    let core = |day: &str| {
        let (class, day) = (INFERENCE_CORES.to_owned(), Some(day.to_owned()));
        Item { kind: Kind::InferenceCore, class, day, object: None }
    };
    let rule = Command::ScheduleRetention(RetentionScheduled {
        rule: "records".into(),
        kind: Kind::InferenceCore,
        class: "*".into(),
        days: 1,
        basis: "POL-7".into(),
    });
    company.done("a_1", rule);
    let wrong = RetentionKept { kind: Kind::InferencePayload, class: INFERENCE_CORES.into(), day: "1970-01-01".into() };
    assert_eq!(company.refused("a_system", Command::KeepPayloads(wrong.clone())).code, RefusalCode::Invalid);
    let kept = Command::KeepPayloads(RetentionKept { kind: Kind::InferenceCore, ..wrong });
    company.done("a_system", kept.clone());
    company.given.now = 2 * DAY;
    company.done("a_1", hold("h_1", "class/internal"));
    let refusal = company.refused("a_system", begin("x_1", core("1970-01-01"), &[]));
    assert!(refusal.message.contains("look whether"), "of which classes they are, only the records tell: {refusal}");
    let gone = |disposal: &str| {
        let (kind, disposal) = (Kind::InferenceCore, disposal.to_owned());
        let core = SegmentFile { path: "inferences/a.core.parquet".into(), sha256: "a".repeat(64), len: 3 };
        let segment = SegmentGone { node: "n1".into(), incarnation: 1, number: 0, n: 1, root: "b".repeat(64), core };
        Command::DisposeSegments(SegmentsDisposed { disposal, kind, segments: vec![segment] })
    };
    assert_eq!(company.refused("a_system", gone("x_1")).code, RefusalCode::NotFound, "it has not begun");
    company.done("a_system", begin("x_1", core("1970-01-01"), &["h_1"]));
    let disposing = company.state.disposals["x_1"].disposing.clone();
    assert_eq!(company.state.kept_since(&disposing), None);
    company.done("a_1", hold("h_2", "class/public"));
    assert_eq!(company.state.kept_since(&disposing).as_deref(), Some("h_2"), "placed since, and nobody looked");
    company.done("a_admin", release("h_2"));
    assert_eq!(company.done("a_system", gone("x_1")), ["segments.disposed"]);
    let due = disposing.due;
    company.done("a_system", done_with("x_1", core("1970-01-01"), due, 3));
    assert_eq!(company.refused("a_system", gone("x_1")).code, RefusalCode::Conflict, "it is over");
    company.state.nodes.insert("n1".into(), Node { incarnation: 2, ..Node::default() });
    let sooner = Command::ScheduleRetention(RetentionScheduled {
        rule: "accesses".into(),
        kind: Kind::AccessCore,
        class: "*".into(),
        days: 1,
        basis: "POL-7".into(),
    });
    assert_eq!(company.refused("a_1", sooner).policies, ["approval-required"], "there may be some of an earlier start");
    assert_eq!(company.done("a_system", kept), ["retention.kept"], "one that was sealed late goes by another disposal");
}

fn schedule_of(kind: Kind) -> Command {
    let (rule, class, basis) = (kind.as_str().into(), "internal".into(), "POL-7".into());
    Command::ScheduleRetention(RetentionScheduled { rule, kind, class, days: 2, basis })
}

/// What is due at a time, as an item each.
fn items(company: &Company) -> Vec<Item> {
    company.state.due(company.given.now).into_iter().map(|one| one.item).collect()
}

#[test]
fn given_a_version_of_a_data_set_when_due_then_its_disposal_ends_it_as_destroying_it_does() {
    let mut company = Company::new();
    company.done("a_1", schedule_of(Kind::Dataset));
    company.done("a_1", datasets::declare("loans", "a_1"));
    company.given.object = Some(datasets::stored("0a", "internal"));
    company.done("a_1", datasets::store("1", "0a"));
    assert_eq!(items(&company), [], "not yet");
    company.given.now += 2 * DAY;
    let item = items(&company).pop().expect("due");
    assert_eq!((item.kind, item.object.as_deref()), (Kind::Dataset, Some("0a")));
    assert_eq!(company.state.object_source("0a").as_deref(), Some("dataset/loans/1"));
    company.done("a_1", hold("h_1", "dataset/loans"));
    assert!(company.refused("a_system", begin("x_1", item.clone(), &[])).message.contains("`h_1` keeps this"));
    company.done("a_admin", release("h_1"));
    // Nobody is in it, as far as it says, so a hold on a person does not keep it.
    company.done("a_1", hold("h_2", &format!("subject/{SUBJECT}")));
    let began = company.done("a_system", begin("x_1", item.clone(), &[]));
    assert_eq!(began, ["retention.disposing", "dataset.version.ended"]);
    assert!(company.state.dataset_version("loans", "1").is_none());
    assert_eq!(company.refused("a_1", datasets::destroy("1")).code, RefusalCode::NotFound);
    assert_eq!(company.refused("a_1", datasets::store("1", "0a")).code, RefusalCode::Exists, "its name is used up");
    assert_eq!(company.refused("a_system", begin("x_2", item.clone(), &[])).code, RefusalCode::Conflict);
    assert_eq!(company.done("a_system", datasets::gone("0a")), ["object.destroyed"]);
    let due = 1_000 + 2 * DAY;
    assert_eq!(company.done("a_system", done_with("x_1", item.clone(), due, 3)), ["retention.disposed"]);
    assert!(company.done("a_system", done_with("x_1", item, due, 3)).is_empty(), "reported once");
}

#[test]
fn given_rows_about_people_when_a_version_is_due_then_a_hold_on_one_is_looked_at_first() {
    let mut company = Company::new();
    company.done("a_1", schedule_of(Kind::Dataset));
    company.done("a_1", datasets::declare("loans", "a_1"));
    company.given.object = Some(datasets::stored("0a", "internal"));
    let Command::StoreVersion(mut named) = datasets::store("1", "0a") else { unreachable!() };
    named.subjects = Some(SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() });
    company.done("a_1", Command::StoreVersion(named));
    company.given.now += 2 * DAY;
    company.done("a_1", hold("h_1", &format!("subject/{SUBJECT}")));
    company.done("a_admin", credit());
    company.done("a_1", hold("h_2", "service/credit"));
    let item = items(&company).pop().expect("due, as far as the ledger tells");
    assert!(company.refused("a_system", begin("x_1", item.clone(), &[])).message.contains("look whether"));
    company.done("a_system", begin("x_1", item, &["h_1"]));
}

#[test]
fn given_an_artifact_when_due_then_it_goes_only_while_no_service_answers_with_it_and_none_does_again() {
    let mut company = Company::new();
    company.done("a_1", schedule_of(Kind::Artifact));
    let facts = ModelFacts { bytes: 9, operators: vec![], inputs: vec![], outputs: vec![] };
    company.given.model = Some(Ok(facts));
    let (object, class, key) = ("0a".into(), "internal".into(), "object/internal/0a".into());
    company.given.enclosed = Some(Enclosed { object, class, key });
    company.done("a_1", approvals::register_model("1"));
    let serve = |models: &[&str]| {
        let target = |version: &&str| Target::Model { model: "m".into(), version: (*version).into() };
        let routes =
            models.iter().map(|version| Route { name: "r".into(), target: target(version), guard: None }).collect();
        Command::DeclareService(ServiceDeclared {
            service: "trial".into(),
            spec: ServiceSpec { routes, ..approvals::spec() },
        })
    };
    company.done("a_admin", serve(&["1"]));
    company.given.now += 2 * DAY;
    assert_eq!(items(&company), [], "it is served");
    assert_eq!(company.state.expiring()[0].held_by.as_deref(), Some("service/trial"));
    company.done("a_admin", serve(&[]));
    let item = items(&company).pop().expect("due");
    assert_eq!((item.kind, item.object.as_deref()), (Kind::Artifact, Some("0a")));
    assert_eq!(company.state.object_source("0a").as_deref(), Some("model/m/1"));
    assert_eq!(company.done("a_system", begin("x_1", item.clone(), &[])), ["retention.disposing"]);
    assert!(company.refused("a_admin", serve(&["1"])).message.contains("disposed of"));
    assert_eq!(company.refused("a_1", approvals::register_model("2")).code, RefusalCode::Conflict);
    company.done("a_system", done_with("x_1", item, 1_000 + 2 * DAY, 3));
    assert!(company.state.artifacts.is_empty());
    assert!(company.refused("a_admin", serve(&["1"])).message.contains("disposed of"));
}

#[test]
fn given_a_word_that_stands_in_the_place_of_a_class_when_a_service_is_declared_of_it_then_that_is_refused() {
    let mut company = Company::new();
    for word in ["queries", "inference_core", "access_core", "lineage-events"] {
        let spec = ServiceSpec { classification: word.into(), ..approvals::spec() };
        let declared = Command::DeclareService(ServiceDeclared { service: "credit".into(), spec });
        assert_eq!(company.refused("a_admin", declared).code, RefusalCode::Invalid, "{word}");
    }
}

/// What happens to an organisation's data, one after the other.
#[derive(Clone, Debug)]
enum What {
    Schedule(usize, u32),
    Unschedule(usize),
    Keep(usize, i64),
    Hold(usize),
    Release(usize),
    Pass(i64),
    Dispose,
}

const CLASSES: [&str; 3] = ["*", "internal", "public"];
const HOLDS: [&str; 4] =
    ["class/internal", "class/public", "service/credit", "subject/0123456789abcdef0123456789abcdef"];

fn anything() -> impl Strategy<Value = What> {
    prop_oneof![
        (0..3_usize, 1..20_u32).prop_map(|(class, days)| What::Schedule(class, days)),
        (0..3_usize).prop_map(What::Unschedule),
        (1..3_usize, 1..20_i64).prop_map(|(class, day)| What::Keep(class, day)),
        (0..4_usize).prop_map(What::Hold),
        (0..4_usize).prop_map(What::Release),
        (1..9_i64).prop_map(What::Pass),
        Just(What::Dispose),
    ]
}

fn try_it(company: &mut Company, by: &str, command: Command) -> bool {
    company.given.by = by.to_owned();
    let allowed = crate::decide(&company.state, &company.given, &command).is_ok();
    if allowed {
        company.done(by, command);
    }
    allowed
}

proptest! {
    /// `a_1` is not asked for approvals and gets none, so whatever they bring about, nothing goes sooner by it.
    #[test]
    fn given_any_days_of_an_organisation_when_something_goes_then_it_was_due_all_along_and_not_held(
        story in prop::collection::vec(anything(), 1..60)
    ) {
        let mut company = Company::new();
        company.done("a_admin", credit());
        // When each day that is kept would go, at the soonest that it ever was to be.
        let mut gone: BTreeSet<Item> = BTreeSet::new();
        for (step, what) in story.into_iter().enumerate() {
            let before: Vec<_> = company.state.expiring();
            match what {
                What::Schedule(class, days) => {
                    try_it(&mut company, "a_1", schedule(&format!("r{class}"), CLASSES[class], days));
                }
                What::Unschedule(class) => {
                    let rule = format!("r{class}");
                    let unschedule = Command::UnscheduleRetention(RetentionUnscheduled { rule });
                    try_it(&mut company, "a_1", unschedule);
                }
                What::Keep(class, day) => {
                    company.done("a_system", keep(CLASSES[class], &format!("1970-01-{day:02}")));
                }
                What::Hold(on) => {
                    company.done("a_1", hold(&format!("h_{step}"), HOLDS[on]));
                }
                What::Release(on) => {
                    if let Some(live) = blocking(&company.state, HOLDS[on]) {
                        company.done("a_admin", release(&live));
                    }
                }
                What::Pass(days) => company.given.now += days * DAY,
                What::Dispose => {
                    for one in company.state.expiring() {
                        let held = blocking(&company.state, &format!("class/{}", one.item.class)).is_some();
                        let maybe = !one.unless_clear.is_empty();
                        let is_due = one.expires_at <= company.given.now;
                        let named = format!("x_{step}_{}_{}", one.item.class, one.expires_at);
                        let began = try_it(&mut company, "a_system", begin(&named, one.item.clone(), &[]));
                        prop_assert_eq!(began, is_due && !held && !maybe, "{:?}", one);
                        if began {
                            prop_assert!(gone.insert(one.item.clone()), "it went twice: {:?}", one.item);
                            company.done("a_system", done_with(&named, one.item, one.expires_at, 3));
                        }
                    }
                }
            }
            // Nobody agreed to anything: of what was to go before, nothing goes sooner, and what was to stay, stays.
            for one in company.state.expiring() {
                match before.iter().find(|known| known.item == one.item) {
                    Some(known) => prop_assert!(one.expires_at >= known.expires_at, "{:?}", one),
                    None => prop_assert!(!matches!(what, What::Schedule(..) | What::Unschedule(_)), "{:?}", one),
                }
            }
        }
    }
}
