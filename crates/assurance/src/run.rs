//! Testing controls: two queries each, over one ledger state, with a result that anybody can compute again.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::Command;
use domain::assurance::{ControlRan, Outcome, RunParams};
use engine::{Engine, Principal};
use merkle::Hash;
use query::{At, Database, Filled, Params, QueryError, Session};
use serde_json::{Map, Value};

use crate::items::{Gathering, Items};
use crate::{AssuranceError, Control, catalogue};

/// How far ahead of this clock a caller's may be, in milliseconds.
const CLOCK_SKEW_MS: i64 = 60_000;

/// What to test.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Controls to test; all in scope when `None`.
    pub controls: Option<Vec<String>>,
    /// The observation window and the instant of evaluation.
    pub params: RunParams,
    /// The ledger state to test over.
    pub at: At,
}

/// One control's result.
#[derive(Clone, Debug)]
pub struct Finished {
    /// As recorded in the ledger.
    pub run: ControlRan,
    /// The violations as compact JSON rows with sorted keys, in the order of their bytes.
    pub violations: Items,
    /// The population's items in the order of their bytes, each once.
    pub population: Items,
}

impl Finished {
    /// The first `n` violations as rows.
    pub fn violating(&self, n: usize) -> Vec<Map<String, Value>> {
        self.violations.iter().take(n).filter_map(|row| serde_json::from_str(row).ok()).collect()
    }
}

/// Results of several controls over the same state.
#[derive(Clone, Debug)]
pub struct Report {
    /// The ledger size.
    pub at_size: u64,
    /// The root at that size.
    pub at_root: Hash,
    /// One result a control.
    pub finished: Vec<Finished>,
}

/// Tests controls and records each result.
///
/// # Errors
/// When a control is unknown, the window makes no sense, or a result cannot be recorded. A control whose query fails is
/// recorded as not tested.
pub async fn run_controls(
    engine: &Arc<Engine>,
    database: &Database,
    who: &Principal,
    request: &RunRequest,
) -> Result<Report, AssuranceError> {
    let RunParams { start, end, now } = request.params;
    if start >= end || end > now || now > Engine::now_ms().saturating_add(CLOCK_SKEW_MS) {
        return Err(AssuranceError::Window);
    }
    let controls = chosen(engine, request.controls.as_deref())?;
    let session = database.at(request.at).await?;
    let mut finished = Vec::with_capacity(controls.len());
    for control in controls {
        let one = match test(&session, control, request.params).await {
            Ok(finished) => finished,
            // A test that cannot be carried out is a result too: the control is not tested, whatever it was before.
            Err(error) => untested(&session, control, request.params, &error),
        };
        let run = ControlRan { requested_by: who.actor.clone(), ..one.run };
        let one = Finished { run, ..one };
        engine.execute(engine.system(), Command::RunControl(one.run.clone())).await?;
        finished.push(one);
    }
    Ok(Report { at_size: session.size(), at_root: session.root(), finished })
}

fn chosen(engine: &Engine, names: Option<&[String]>) -> Result<Vec<&'static Control>, AssuranceError> {
    let names: Vec<String> = match names {
        Some(names) => names.to_vec(),
        None => engine.read(|state| state.controls.keys().cloned().collect()),
    };
    let find = |name: String| catalogue().control(&name).ok_or(AssuranceError::NoControl(name));
    names.into_iter().map(find).collect()
}

/// Tests one control in a session. Records nothing.
///
/// # Errors
/// When a query fails, returns other columns than it must, or finds a violation outside its population.
pub async fn test(session: &Session, control: &Control, params: RunParams) -> Result<Finished, AssuranceError> {
    let reason = unfilled(control).or_else(|| gone(session, control, params));
    let (population, violations) = match &reason {
        Some(_) => (Items::default(), Items::default()),
        None => {
            let population = ask(session, control, &control.population, &["item"], params).await?;
            let violations = ask(session, control, &control.query, &["item", "detail", "at"], params).await?;
            within(control, &population, &violations)?;
            (population, violations)
        }
    };
    let nothing = || population.is_empty().then(|| "there was nothing to test in the window".to_owned());
    let reason = reason.or_else(nothing);
    Ok(finished(session, control, params, population, violations, reason))
}

fn finished(
    session: &Session,
    control: &Control,
    params: RunParams,
    population: Items,
    violations: Items,
    reason: Option<String>,
) -> Finished {
    let outcome = match (&reason, violations.len()) {
        (Some(_), _) => Outcome::NotTested,
        (None, 0) => Outcome::Pass,
        (None, _) => Outcome::Fail,
    };
    let run = ControlRan {
        requested_by: String::new(),
        run: uuid::Uuid::now_v7().to_string(),
        control: control.id.clone(),
        due_at: Engine::now_ms(),
        logic_sha256: control.logic_sha256(),
        params,
        at_size: session.size(),
        at_root: merkle::hex(&session.root()),
        population: population.len() as u64,
        population_root: population.root(),
        violations: violations.len() as u64,
        violations_root: violations.root(),
        outcome,
        reason,
        engine: query::engine(),
    };
    Finished { run, violations, population }
}

/// The result of a test that failed to run.
fn untested(session: &Session, control: &Control, params: RunParams, error: &AssuranceError) -> Finished {
    let reason = Some(error.to_string().chars().take(300).collect());
    finished(session, control, params, Items::default(), Items::default(), reason)
}

/// Why a control cannot be tested by this build: a table that it reads is not filled yet.
fn unfilled(control: &Control) -> Option<String> {
    let mut needed: BTreeSet<String> = query::needed_tables(&control.query).into_iter().collect();
    needed.extend(query::needed_tables(&control.population));
    let area = |name: &String| {
        let table = query::tables().iter().find(|table| table.name == *name)?;
        match table.filled {
            Filled::Yes => None,
            Filled::NotYet { area } => {
                Some(format!("table `{name}` is not filled yet: it comes with the area `{area}`"))
            }
        }
    };
    needed.iter().find_map(area)
}

/// Why a control cannot be tested over a past state: records of its window went since by a rule of retention.
fn gone(session: &Session, control: &Control, params: RunParams) -> Option<String> {
    let mut needed: BTreeSet<String> = query::needed_tables(&control.query).into_iter().collect();
    needed.extend(query::needed_tables(&control.population));
    let under: Vec<String> = needed.iter().flat_map(|name| query::tables_under(name)).collect();
    let reads = |table: &str| needed.contains(table) || under.iter().any(|name| name == table);
    let lost = session.gone_since().iter().find(|gone| gone.newest >= params.start && reads(gone.table));
    lost.map(ToString::to_string)
}

/// Asks one of a control's queries: items as text when `columns` is one column, else rows as compact JSON.
async fn ask(
    session: &Session,
    control: &Control,
    query: &str,
    columns: &[&str],
    params: RunParams,
) -> Result<Items, AssuranceError> {
    let params = Params { start: params.start, end: params.end, now: params.now };
    let mut gathered = Gathering::default();
    let mut wrong = None;
    let mut take = |part: query::Answer| {
        if part.columns() != columns {
            wrong = Some(format!("its query must return the columns {columns:?}, not {:?}", part.columns()));
            return Err(QueryError::Internal("wrong columns".into()));
        }
        match columns.len() {
            1 => part.each_text(0, &mut |item| gathered.add(item.unwrap_or_default()))?,
            _ => {
                for row in part.rows()? {
                    let bytes = domain::canonical::to_vec(&row).map_err(|e| QueryError::Internal(e.to_string()))?;
                    gathered.add(std::str::from_utf8(&bytes).map_err(|e| QueryError::Internal(e.to_string()))?);
                }
            }
        }
        Ok(())
    };
    let answered = session.each(query, Some(params), &mut take).await;
    if let Some(why) = wrong {
        return Err(AssuranceError::Logic { control: control.id.clone(), why });
    }
    answered.map_err(|source| AssuranceError::Query { control: control.id.clone(), source })?;
    let items = gathered.sorted();
    Ok(if columns.len() == 1 { items.once_each() } else { items })
}

/// Every violating item must be in the population.
fn within(control: &Control, population: &Items, violations: &Items) -> Result<(), AssuranceError> {
    for row in violations.iter() {
        let row: Map<String, Value> = serde_json::from_str(row).unwrap_or_default();
        let item = row.get("item").and_then(Value::as_str).unwrap_or_default();
        if !population.contains(item) {
            let why = format!("its query finds `{item}` violating, which is not in its population");
            return Err(AssuranceError::Logic { control: control.id.clone(), why });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// The window that the catalogue's rows are written for: 2026-07-01 to 2026-12-31.
    const WINDOW: RunParams = RunParams { start: 1_782_864_000_000, end: 1_798_675_200_000, now: 1_798_675_200_000 };

    #[derive(Deserialize)]
    struct Line {
        table: String,
        row: Map<String, Value>,
    }

    fn rows(text: &str) -> Vec<(String, Map<String, Value>)> {
        let read = |line: &str| serde_json::from_str::<Line>(line).map(|line| (line.table, line.row));
        text.lines().map(|line| read(line).expect("a line is {\"table\", \"row\"}")).collect()
    }

    async fn answers(control: &Control, texts: &[&str]) -> (Items, Items) {
        let session = query::sample(texts.iter().flat_map(|text| rows(text))).expect("rows fit their tables");
        let population = ask(&session, control, &control.population, &["item"], WINDOW).await.expect("a population");
        let columns = ["item", "detail", "at"];
        let violations = ask(&session, control, &control.query, &columns, WINDOW).await.expect("violations");
        within(control, &population, &violations).expect("every violation is in the population");
        (population, violations)
    }

    #[tokio::test]
    async fn given_each_control_when_run_on_its_own_rows_then_it_passes_and_its_seeded_defect_is_found() {
        for control in &catalogue().controls {
            let (population, violations) = answers(control, &[control.pass_rows]).await;
            assert!(!population.is_empty(), "{}: nothing to test in pass.jsonl", control.id);
            let violating: Vec<&str> = violations.iter().collect();
            assert_eq!(violating, Vec::<&str>::new(), "{}: pass.jsonl violates", control.id);
            let (_, violations) = answers(control, &[control.pass_rows, control.fail_rows]).await;
            assert!(!violations.is_empty(), "{}: fail.jsonl is not found", control.id);
        }
    }

    #[tokio::test]
    async fn given_a_role_in_an_environment_and_one_kept_apart_in_a_service_when_tested_then_duties_are_not_separate() {
        let control = catalogue().control("AI-AC-01").expect("in the catalogue");
        let of_frank: Vec<&str> = control.fail_rows.lines().filter(|line| line.contains("frank")).collect();
        let (_, violations) = answers(control, &[control.pass_rows, &of_frank.join("\n")]).await;
        let found: Vec<&str> = violations.iter().collect();
        assert!(matches!(found[..], [row] if row.contains(r#""item":"frank""#)), "{found:?}");
    }

    #[tokio::test]
    async fn given_owners_and_roles_of_then_when_tested_later_then_what_was_held_then_is_found_and_not_what_is_now() {
        for (id, names, item) in [
            ("AI-AC-01", &["bot", "grace"][..], "bot"),
            ("AI-AC-01", &["judy"][..], "judy"),
            ("AI-AC-04", &["kim"][..], "s-kim"),
        ] {
            let control = catalogue().control(id).expect("in the catalogue");
            let seeded = |row: &&str| names.iter().any(|name| row.contains(&format!("\"{name}\"")));
            let seeded: Vec<&str> = control.fail_rows.lines().filter(seeded).collect();
            let (_, violations) = answers(control, &[control.pass_rows, &seeded.join("\n")]).await;
            let found: Vec<&str> = violations.iter().collect();
            assert!(matches!(found[..], [row] if row.contains(&format!("\"item\":\"{item}\""))), "{id}: {found:?}");
        }
    }

    #[tokio::test]
    async fn given_controls_with_a_defect_a_line_when_each_is_seeded_alone_then_each_is_found() {
        for id in [
            "AI-CR-01", "AI-CR-02", "AI-CR-03", "AI-CR-04", "AI-DG-01", "AI-DG-04", "AI-DG-05", "AI-DG-06", "AI-DG-07",
            "AI-LG-01", "AI-RS-01", "AI-RS-02",
        ] {
            let control = catalogue().control(id).expect("in the catalogue");
            for defect in control.fail_rows.lines() {
                let (_, violations) = answers(control, &[control.pass_rows, defect]).await;
                assert_eq!(violations.iter().count(), 1, "{id}: {defect}");
            }
        }
    }

    #[tokio::test]
    async fn given_role_holders_when_there_is_no_policy_then_each_is_found_however_well_trained() {
        let control = catalogue().control("AI-GV-02").expect("in the catalogue");
        let without: Vec<&str> = control.pass_rows.lines().filter(|line| !line.contains("\"documents\"")).collect();
        let (population, violations) = answers(control, &[&without.join("\n")]).await;
        let found: Vec<&str> = violations.iter().collect();
        assert_eq!((population.iter().count(), found.len()), (1, 1), "{found:?}");
    }

    #[tokio::test]
    async fn given_reads_to_train_when_no_check_under_the_contract_then_in_force_passed_then_each_read_is_found() {
        let control = catalogue().control("AI-DG-03").expect("in the catalogue");
        let (_, violations) = answers(control, &[control.pass_rows, control.fail_rows]).await;
        let found: Vec<&str> = violations.iter().collect();
        for (_, row) in rows(control.fail_rows).iter().filter(|(table, _)| table == "access_events") {
            let item = format!("\"item\":{}", row["event_id"]);
            assert!(found.iter().any(|row| row.contains(&item)), "{item} in {found:?}");
        }
    }

    #[tokio::test]
    async fn given_traffic_when_its_service_was_not_registered_then_it_is_found_whatever_it_is_by_now() {
        let control = catalogue().control("AI-GV-01").expect("in the catalogue");
        for service in ["\"gone\"", "\"late\""] {
            let seeded: Vec<&str> = control.fail_rows.lines().filter(|line| line.contains(service)).collect();
            let (_, violations) = answers(control, &[control.pass_rows, &seeded.join("\n")]).await;
            assert_eq!(violations.iter().count(), 1, "{service}");
        }
    }

    #[tokio::test]
    async fn given_privileged_roles_when_nobody_reviews_them_for_a_quarter_then_each_is_found_and_a_young_one_is_not() {
        let control = catalogue().control("AI-AC-03").expect("in the catalogue");
        let rows: Vec<&str> = control.pass_rows.lines().chain(control.fail_rows.lines()).collect();
        let of = |names: &[&str]| {
            let named = |row: &&&str| names.iter().any(|name| row.contains(&format!("\"{name}\"")));
            rows.iter().filter(named).copied().collect::<Vec<_>>().join("\n")
        };
        let (population, violations) = answers(control, &[&of(&["g-never", "g-young", "g-plain"])]).await;
        let found: Vec<&str> = violations.iter().collect();
        assert!(matches!(found[..], [row] if row.contains(r#""item":"g-never""#)), "{found:?}");
        assert_eq!(population.iter().collect::<Vec<_>>(), ["g-never"]);
        // A finished review counts from when it was finished, and one that nobody finishes as long as it is open.
        let (population, violations) = answers(control, &[&of(&["rev-early", "rev-open"])]).await;
        assert_eq!(population.iter().collect::<Vec<_>>(), ["rev-early", "rev-open"]);
        let found: Vec<&str> = violations.iter().collect();
        assert!(matches!(found[..], [row] if row.contains(r#""item":"rev-open""#)), "{found:?}");
    }

    #[tokio::test]
    async fn given_each_control_when_there_are_no_rows_then_it_is_not_tested_and_never_passes() {
        let session = query::sample([]).expect("empty tables");
        for control in &catalogue().controls {
            let finished = test(&session, control, WINDOW).await.expect("a result");
            let required = finished.run.population > 0;
            assert!(finished.run.outcome != Outcome::Pass, "{} passes over nothing", control.id);
            assert_eq!(finished.run.outcome == Outcome::NotTested, !required, "{}", control.id);
            assert_eq!(finished.run.reason.is_some(), !required, "{}", control.id);
        }
    }

    #[test]
    fn given_a_control_that_needs_an_unfilled_table_when_asked_then_the_reason_names_table_and_area() {
        let control = catalogue().control("AI-IN-05").expect("in the catalogue");
        let reason = unfilled(control).expect("decisions are not recorded yet");
        assert!(reason.contains("`decisions`") || reason.contains("`explanations`"), "{reason}");
    }
}
