//! Settings: what is wrong is named with its place, and every setting is also an environment variable.

use crate::support::World;

#[test]
fn given_wrong_settings_when_checked_then_each_is_named_with_line_and_reason() {
    let world = World::empty(&[]);
    for (text, place, reason) in [
        ("[server]\nlisten = 5\n", ":2:", "text in quotes"),
        ("[server]\ndata = \"d\"\nlisten_on = \"x\"\n", ":3:", "listen_on"),
        ("[server\n", ":1:", ""),
        ("[records]\nroll_records = -1\n", ":2:", "-1"),
        ("[server]\nlisten = \"nowhere\"\n", ":2:10", "`server.listen`: `nowhere`"),
        ("[telemetry]\n\nformat = \"xml\"\n", ":3:10", "`telemetry.format`: `xml`"),
    ] {
        let file = world.file("counterfoil.toml", text);
        let run = world.cli(&["--json", "config", "check", "--config", &file]);
        assert_eq!(run.error(), (64, "usage".to_owned()), "{text}");
        assert!(run.err.contains(place) && run.err.contains(reason), "{text}: {}", run.err);
    }
    let run = world.cli(&["--json", "config", "check", "--config", "absent.toml"]);
    assert!(run.code == 64 && run.err.contains("absent.toml"), "{run:?}");
}

#[test]
fn given_the_sample_when_checked_then_it_is_good_and_variables_override_it() {
    let mut world = World::empty(&[]);
    let sample = world.cli(&["config", "sample"]).out;
    let file = world.file("sample.toml", &sample);
    assert_eq!(world.json(&["config", "check", "--config", &file])["ok"], true);
    world.set("COUNTERFOIL_RECORDS_ROLL_SECONDS", "7");
    let shown = world.json(&["config", "show", "--config", &file]);
    assert_eq!(shown["records"]["roll_seconds"], 7);
    assert_eq!(shown["server"]["listen"], "127.0.0.1:8600");
    world.set("COUNTERFOIL_RECORDS_ROLL_SECONDS", "soon");
    let run = world.cli(&["--json", "config", "show"]);
    assert!(run.code == 64 && run.err.contains("COUNTERFOIL_RECORDS_ROLL_SECONDS"), "{run:?}");
}

#[test]
fn given_a_misspelt_variable_when_started_then_it_is_refused_with_what_was_meant() {
    let mut world = World::empty(&[("COUNTERFOIL_RECORD_ROLL_SECONDS", "7")]);
    let run = world.try_start().expect_err("it must not start");
    assert_eq!(run.error(), (64, "usage".to_owned()), "{run:?}");
    assert!(run.err.contains("did you mean `COUNTERFOIL_RECORDS_ROLL_SECONDS`?"), "{run:?}");
}
