//! What was made from what, as the table shows it.

use domain::Event;
use domain::data::{
    Checksum, ChecksumOf, LineageReported, Named, Port, Reported, RunStatus, StoredObject, VersionStored,
};
use domain::models::{ModelFacts, ModelRegistered};

use super::world::{HOUR, T0, World};
use super::{ask, run};

const FIRST: &str = "01a204ce-f484-7f71-af44-93561f308801";
const SECOND: &str = "01a204ce-f484-7f71-af44-93561f308802";

fn port(name: &str, checksum: Option<&str>) -> Port {
    let checksum = checksum.map(|digit| Checksum { of: ChecksumOf::Content, reference: digit.repeat(32) });
    Port { namespace: "n".into(), name: name.into(), dataset: None, version: None, checksum }
}

fn report(run: &str, status: RunStatus, inputs: Vec<Port>, outputs: Vec<Port>) -> Event {
    Event::LineageReported(LineageReported {
        kind: Reported::Run,
        happened_at: T0,
        run: Some(run.into()),
        parent: None,
        status: Some(status),
        job: Some(Named { namespace: "ml".into(), name: "j".into() }),
        inputs,
        outputs,
        columns: vec![],
        columns_left_out: 0,
        sealed: None,
    })
}

#[test]
fn a_run_is_one_step_however_it_is_reported_and_versions_here_are_their_objects() {
    run(async {
        let world = World::filled();
        let stored = StoredObject {
            object: "0a".into(),
            class: "internal".into(),
            key: "object/internal/0a".into(),
            sha256: "aa".into(),
            stored_bytes: 200,
            bytes: 90,
            chunks: 1,
            commitment: "bb".into(),
        };
        let (dataset, version) = ("loans".to_owned(), "1".to_owned());
        world.add(T0, Event::VersionStored(VersionStored { dataset, version, stored, subjects: None }));
        let here = Port { dataset: Some("loans".into()), version: Some("1".into()), ..port("x", None) };
        world.add(T0, report(FIRST, RunStatus::Start, vec![here], vec![]));
        world.add(T0 + HOUR, report(FIRST, RunStatus::Complete, vec![], vec![port("mid", Some("1"))]));
        world.add(T0 + HOUR, report(SECOND, RunStatus::Start, vec![port("mid", Some("2"))], vec![port("out", None)]));
        world.add(T0 + HOUR, report(SECOND, RunStatus::Complete, vec![port("mid", Some("1"))], vec![]));
        let registered = ModelRegistered {
            model: "risk".into(),
            version: "1".into(),
            artifact_sha256: "aa".into(),
            facts: ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] },
            enclosed: None,
            trained_on: vec!["loans@1".into()],
            run: Some(SECOND.into()),
        };
        world.add(T0 + HOUR, Event::ModelRegistered(registered));
        let sql = "SELECT kind, input_id, output_id, checksum_matches FROM lineage_edges \
                   WHERE kind <> 'deployment' ORDER BY 1, 2, 3";
        assert_eq!(
            ask(&world.session().await, sql).await,
            [
                "run|0a|dataset:n:mid|-",
                "run|dataset:n:mid|dataset:n:out|false",
                "run|dataset:n:mid|model:risk:1|false",
                "training|0a|model:risk:1|-",
            ]
        );
        let sql = "SELECT substr(input_checksum, 1, 1), substr(written_checksum, 1, 1), job_id, input_node FROM lineage_edges \
                   WHERE output_id = 'dataset:n:out'";
        assert_eq!(ask(&world.session().await, sql).await, ["2|1|job:ml:j|dataset:n:mid"]);
        let unique = "SELECT count(*) = count(DISTINCT edge_id) FROM lineage_edges";
        assert_eq!(ask(&world.session().await, unique).await, ["true"]);
    });
}
