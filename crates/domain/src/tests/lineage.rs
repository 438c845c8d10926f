//! Lineage: events as pipelines send them, which data sets here they speak of, and what is held against what was written.

use serde_json::{Value, json};

use super::approvals::register_model;
use super::datasets::{declare, destroy, store, stored};
use super::duties::Company;
use crate::data::lineage::openlineage::{Parsed, parse};
use crate::data::lineage::{MAX_COLUMNS, MAX_PORTS, Written};
use crate::data::{
    Checksum, ChecksumOf, LineageAliased, LineageReported, Port, ReportLineage, Reported, RunStatus, SealedReport,
};
use crate::{Command, Event, RefusalCode};

const RUN: &str = "01a204ce-f484-7f71-af44-93561f30881c";

fn event(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "eventType": "COMPLETE", "eventTime": "2026-11-22T19:50:10.197678+00:00", "producer": "p",
        "run": {"runId": RUN}, "job": {"namespace": "ml", "name": "features"},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}],
        "outputs": [{"namespace": "s3://lake", "name": "features"}],
    });
    change(&mut event);
    event
}

#[track_caller]
fn read(event: &Value) -> Parsed {
    parse(event).expect("an event")
}

/// A report of a run as the engine hands it on.
fn report(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> LineageReported {
    let ports = |names: &[(&str, &str)]| names.iter().map(|(namespace, name)| port(namespace, name, None)).collect();
    LineageReported {
        kind: Reported::Run,
        happened_at: 1_000,
        run: Some(RUN.into()),
        parent: None,
        status: Some(RunStatus::Complete),
        job: None,
        inputs: ports(inputs),
        outputs: ports(outputs),
        columns: vec![],
        columns_left_out: 0,
        sealed: Some(SealedReport { day: "2026-11-22".into(), subject: "0b".repeat(16), commitment: "c".repeat(64) }),
    }
}

fn port(namespace: &str, name: &str, checksum: Option<(ChecksumOf, &str)>) -> Port {
    let checksum = checksum.map(|(of, digit)| Checksum { of, reference: digit.repeat(32) });
    Port { namespace: namespace.into(), name: name.into(), dataset: None, version: None, checksum }
}

fn send(report: LineageReported) -> Command {
    Command::ReportLineage(ReportLineage { reports: vec![report] })
}

/// A company with version 1 of the data set `loans`, where a report waits for its event.
fn with_loans() -> Company {
    let mut company = Company::with_a_lead();
    company.done("a_1", declare("loans", "a_1"));
    company.given.object = Some(stored("0a", "internal"));
    company.done("a_1", store("1", "0a"));
    company.given.lineage = ["c".repeat(64)].into();
    company
}

/// The ports of a report as it stands in the ledger: data set and version here.
fn resolved(company: &mut Company, report: LineageReported) -> Vec<(Option<String>, Option<String>)> {
    company.given.by = "a_1".into();
    let events = crate::decide(&company.state, &company.given, &send(report)).expect("taken");
    let [Event::LineageReported(report)] = &events[..] else { panic!("{events:?}") };
    report.inputs.iter().chain(&report.outputs).map(|port| (port.dataset.clone(), port.version.clone())).collect()
}

#[test]
fn given_times_as_clients_write_them_when_read_then_each_is_that_instant_and_what_is_none_is_refused() {
    let at = 1_795_377_010_197;
    for (text, expected) in [
        ("2026-11-22T19:50:10.197678+00:00", Some(at)),
        ("2026-11-22T19:50:10.197Z", Some(at)),
        ("2026-11-22T19:50:10.197678901Z", Some(at)),
        ("2026-11-22T19:50:10.197678901", Some(at)),
        ("2026-11-23T06:50:10.197+11:00", Some(at)),
        ("2026-11-22T14:20:10.197-0530", Some(at)),
        ("2026-11-22 19:50:10.197z", Some(at)),
        ("2026-11-22T19:50:10", Some(at - 197)),
        ("2026-11-22T19:50Z", Some(at - 10_197)),
        ("2026-11-22", None),
        ("2026-13-22T19:50:10Z", None),
        ("2026-11-22T25:50:10Z", None),
        ("2026-11-22T19:50:10.Z", None),
        ("2026-11-22T19:50:10 o'clock", None),
        ("2026-11-22T19:50:10+99:00", None),
        ("20\u{e9}6-11-22T19:50:10Z", None),
        ("", None),
    ] {
        let parsed = parse(&event(|event| event["eventTime"] = json!(text)));
        assert_eq!(parsed.ok().map(|parsed| parsed.report.happened_at), expected, "{text}");
    }
}

#[test]
fn given_each_kind_of_event_when_read_then_what_the_graph_needs_is_there_and_unknown_facets_do_no_harm() {
    let run = read(&event(|event| {
        event["run"]["facets"] = json!({
            "parent": {"run": {"runId": "01A204CE-F484-7F71-AF44-93561F30881D"}, "job": {"namespace": "x", "name": "y"}},
            "acme_unknown": {"_producer": "p", "deep": [[{"er": null}]]},
        });
    }));
    let LineageReported { kind, run: id, parent, status, .. } = &run.report;
    assert_eq!((*kind, id.as_deref(), *status), (Reported::Run, Some(RUN), Some(RunStatus::Complete)));
    assert_eq!(parent.as_deref(), Some("01a204ce-f484-7f71-af44-93561f30881d"));
    let without_type = read(&event(|event| drop(event.as_object_mut().expect("an object").remove("eventType"))));
    assert_eq!(without_type.report.status, Some(RunStatus::Other));

    let dataset =
        json!({"eventTime": "2026-11-22T19:50:10Z", "dataset": {"namespace": "n", "name": "d", "facets": {}}});
    let report = read(&dataset).report;
    assert_eq!((report.kind, report.outputs.len(), report.run), (Reported::Dataset, 1, None));
    let job = json!({"eventTime": "2026-11-22T19:50:10Z", "job": {"namespace": "n", "name": "j"}, "inputs": null});
    let report = read(&job).report;
    assert_eq!((report.kind, report.inputs.len()), (Reported::Job, 0));
}

#[test]
fn given_malformed_events_when_read_then_the_place_is_named() {
    type Change = fn(&mut Value);
    let wrong: [(Change, &str); 10] = [
        (|event| event["run"] = json!(null), "job"),
        (|event| event["run"]["runId"] = json!("7"), "run.runId"),
        (|event| event["eventType"] = json!("FINISHED"), "eventType"),
        (|event| event["job"] = json!({"namespace": "ml"}), "job.name"),
        (|event| event["inputs"] = json!({}), "inputs"),
        (|event| event["inputs"][0]["name"] = json!(7), "inputs[0].name"),
        (|event| event["outputs"][0]["namespace"] = json!(""), "outputs[0].namespace"),
        (|event| event["eventTime"] = json!(1_795_377_010), "eventTime"),
        (
            |event| event["outputs"][0]["facets"] = json!({"columnLineage": {"fields": {"a": {"inputFields": [{}]}}}}),
            "columnLineage",
        ),
        (|event| *event = json!([]), "object"),
    ];
    for (change, place) in wrong {
        let event = event(change);
        match parse(&event) {
            // Without a run it is a report of the job.
            Ok(parsed) => assert_eq!((parsed.report.kind, place), (Reported::Job, "job")),
            Err(error) => assert!(error.to_string().contains(place), "{error} names {place}"),
        }
    }
    let many: Vec<Value> = (0..=MAX_PORTS).map(|at| json!({"namespace": "n", "name": format!("d{at}")})).collect();
    assert!(parse(&event(|event| event["inputs"] = json!(many))).is_err());
}

#[test]
fn given_columns_and_versions_in_facets_when_read_then_edges_lead_from_inputs_that_only_they_name() {
    let parsed = read(&event(|event| {
        event["inputs"] = json!([{
            "namespace": "s3://lake", "name": "raw",
            "facets": {"version": {"datasetVersion": "snapshot-7"}, "acme_checksum": {"checksum": "sha256:aa"}},
        }]);
        event["outputs"][0]["facets"] = json!({"version": {"datasetVersion": "8"}, "columnLineage": {
            "fields": {"age2": {"inputFields": [
                {"namespace": "s3://lake", "name": "raw", "field": "age"},
                {"namespace": "s3://lake", "name": "other", "field": "age"},
            ]}},
            "dataset": [{"namespace": "s3://lake", "name": "filter", "field": "x"}],
        }});
    }));
    let names: Vec<&str> = parsed.report.inputs.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["raw", "other", "filter"]);
    let edges: Vec<(u32, &str, &str)> = parsed
        .report
        .columns
        .iter()
        .map(|edge| (edge.input, edge.input_column.as_str(), edge.output_column.as_str()))
        .collect();
    assert_eq!(edges, [(0, "age", "age2"), (1, "age", "age2")]);
    let content = Some((ChecksumOf::Content, "sha256:aa".to_owned()));
    assert_eq!(parsed.checksums, [content, None, None, Some((ChecksumOf::Version, "8".to_owned()))]);

    let fields: serde_json::Map<String, Value> = (0..2 * MAX_COLUMNS)
        .map(|at| (format!("c{at}"), json!({"inputFields": [{"namespace": "s3://lake", "name": "raw", "field": "a"}]})))
        .collect();
    let wide = read(&event(|event| event["outputs"][0]["facets"] = json!({"columnLineage": {"fields": fields}})));
    let kept = wide.report.columns.len();
    assert!(kept <= MAX_COLUMNS && kept > 100, "{kept}");
    assert_eq!(wide.report.columns_left_out, (2 * MAX_COLUMNS - kept) as u64);
}

#[test]
fn given_names_of_elsewhere_when_reported_then_data_sets_here_are_known_by_address_and_by_alias() {
    let mut company = with_loans();
    let loans = |version: Option<&str>| (Some("loans".to_owned()), version.map(str::to_owned));
    for (namespace, name, expected) in [
        ("counterfoil", "loans", loans(None)),
        ("counterfoil", "loans@1", loans(Some("1"))),
        ("counterfoil://loans", "1", loans(Some("1"))),
        ("counterfoil://loans/1", "/", loans(Some("1"))),
        ("counterfoilish", "loans", (None, None)),
        ("s3://lake", "raw", (None, None)),
    ] {
        assert_eq!(resolved(&mut company, report(&[(namespace, name)], &[])), [expected], "{namespace} {name}");
    }
    for (name, code) in
        [("cars", RefusalCode::NotFound), ("loans/9", RefusalCode::NotFound), ("a/b/c", RefusalCode::Invalid)]
    {
        assert_eq!(company.refused("a_1", send(report(&[("counterfoil", name)], &[]))).code, code, "{name}");
    }
    let alias = |name: &str, dataset: Option<&str>| {
        let (namespace, dataset) = ("s3://lake".into(), dataset.map(str::to_owned));
        Command::AliasLineage(LineageAliased { namespace, name: name.into(), dataset })
    };
    assert_eq!(company.refused("a_1", alias("raw", Some("cars"))).code, RefusalCode::NotFound);
    assert_eq!(company.refused("a_1", alias("raw", None)).code, RefusalCode::NotFound);
    assert_eq!(company.refused("a_1", alias("ann@example.com", Some("loans"))).code, RefusalCode::Invalid);
    assert_eq!(company.done("a_1", alias("raw", Some("loans"))), ["lineage.aliased"]);
    assert!(company.done("a_1", alias("raw", Some("loans"))).is_empty());
    assert_eq!(resolved(&mut company, report(&[("s3://lake", "raw")], &[])), [loans(None)]);
    assert_eq!(company.done("a_1", alias("raw", None)), ["lineage.aliased"]);
    assert!(company.state.lineage_aliases.is_empty());
    // A version that is no more was there all the same.
    company.done("a_1", destroy("1"));
    assert_eq!(resolved(&mut company, report(&[("counterfoil", "loans/1")], &[])), [loans(Some("1"))]);
}

#[test]
fn given_reports_that_were_not_sealed_here_or_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = with_loans();
    type Change = fn(&mut LineageReported);
    let wrong: [Change; 7] = [
        |report| report.sealed = None,
        |report| report.sealed.as_mut().expect("sealed").commitment = "d".repeat(64),
        |report| report.run = Some("a run".into()),
        |report| report.kind = Reported::Job,
        |report| report.inputs[0].name = "a\nb".into(),
        |report| report.inputs[0].checksum = Some(Checksum { of: ChecksumOf::Content, reference: "sha256".into() }),
        |report| report.inputs = vec![report.inputs[0].clone(); MAX_PORTS + 1],
    ];
    for (at, change) in wrong.into_iter().enumerate() {
        let mut report = report(&[("n", "d")], &[]);
        change(&mut report);
        assert_eq!(company.refused("a_1", send(report)).code, RefusalCode::Invalid, "{at}");
    }
    let none = Command::ReportLineage(ReportLineage { reports: vec![] });
    assert_eq!(company.refused("a_1", none).code, RefusalCode::Invalid);
    let read = LineageReported { kind: Reported::Read, sealed: None, ..report(&[("counterfoil", "loans/1")], &[]) };
    assert_eq!(company.done("a_1", send(read)), ["lineage.reported"]);
    assert_eq!(company.state.version("lineage/reported"), 1);
}

#[test]
fn given_the_largest_report_when_it_is_an_event_then_it_fits_an_entry() {
    let mut company = with_loans();
    let long = |at: usize| format!("{at:03}{}", "n".repeat(100));
    let names: Vec<String> = (0..MAX_PORTS).map(long).collect();
    let ports: Vec<(&str, &str)> = names.iter().map(|name| ("s3://lake", name.as_str())).collect();
    let largest = report(&ports, &[]);
    company.done("a_1", send(largest.clone()));
    let stream = "lineage/reported".into();
    let event = Event::LineageReported(largest);
    let entry = crate::Entry { v: 1, id: RUN.into(), ts: 1, actor: "a_1".into(), stream, sv: 1, event };
    assert!(entry.encode().is_ok());
}

#[test]
fn given_checksums_when_one_is_read_that_was_not_written_then_it_shows_and_a_run_that_writes_over_its_input_does_not() {
    let mut written = Written::default();
    let mut take = |run: &str, read: Option<(ChecksumOf, &str)>, wrote: Option<(ChecksumOf, &str)>, seq: u64| {
        let ports = |one: Option<(ChecksumOf, &str)>| one.map(|_| port("n", "d", one)).into_iter().collect();
        let report =
            LineageReported { run: Some(run.into()), inputs: ports(read), outputs: ports(wrote), ..report(&[], &[]) };
        let mut found = Vec::new();
        written.take(&report, seq, |at, wrote, same| found.push((at, wrote.seq, same)));
        found
    };
    let content = |digit| Some((ChecksumOf::Content, digit));
    assert!(take("a", content("1"), None, 0).is_empty(), "nothing was written yet");
    assert!(take("a", None, content("1"), 1).is_empty());
    assert_eq!(take("b", content("1"), None, 2), [(0, 1, true)]);
    assert_eq!(take("b", content("2"), None, 3), [(0, 1, false)]);
    assert!(take("b", Some((ChecksumOf::Version, "1")), None, 4).is_empty(), "another kind");
    assert_eq!(take("c", content("1"), content("3"), 5), [(0, 1, true)]);
    assert!(take("c", content("1"), content("3"), 6).is_empty(), "it wrote over what it read");
    assert_eq!(take("d", content("3"), None, 7), [(0, 6, true)]);
}

#[test]
fn given_a_model_when_registered_with_what_it_learned_from_then_that_must_be_here_and_stays_with_it() {
    let mut company = with_loans();
    company.given.model =
        Some(Ok(crate::models::ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] }));
    let learned = |versions: &[&str], run: Option<&str>| {
        let Command::RegisterModel(mut body) = register_model("1") else { unreachable!() };
        body.trained_on = versions.iter().map(|one| (*one).to_owned()).collect();
        body.run = run.map(str::to_owned);
        Command::RegisterModel(body)
    };
    for (versions, code) in [
        (&["loans"][..], RefusalCode::Invalid),
        (&["loans@1", "loans@1"], RefusalCode::Invalid),
        (&["Loans@1"], RefusalCode::Invalid),
        (&["loans@2"], RefusalCode::NotFound),
        (&["cars@1"], RefusalCode::NotFound),
    ] {
        assert_eq!(company.refused("a_1", learned(versions, None)).code, code, "{versions:?}");
    }
    assert_eq!(company.refused("a_1", learned(&[], Some("a run"))).code, RefusalCode::Invalid);
    assert_eq!(company.done("a_1", learned(&["loans@1"], Some(RUN))), ["model.registered"]);
    assert!(company.done("a_1", learned(&["loans@1"], Some(RUN))).is_empty());
    assert_eq!(
        company.refused("a_1", learned(&[], None)).code,
        RefusalCode::Exists,
        "what it learned from does not change"
    );
}
