//! Reads the tree as text and manifests. What it demands is written in `ARCHITECTURE.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate with its floor and the crates that it may import, beside those of lower floors.
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("merkle", 0),
    ("onnx", 0),
    ("scan", 0),
    ("oidc", 0),
    ("scim", 0),
    ("webauthn", 0),
    ("vault", 1),
    ("ledger", 1),
    ("store", 1),
    ("engine", 2),
    ("query", 2),
    ("ingest", 3),
    ("verify", 3),
    ("assurance", 3),
    ("gateway", 4),
    ("web", 4),
    ("counterfoil", 5),
];

/// Imports inside one floor, each with its reason.
const BESIDE: &[(&str, &str)] = &[
    ("domain", "merkle"), // digests of the state and hexadecimal
    ("domain", "scan"),   // guards name the kinds that detectors find
    ("store", "ledger"),  // drivers know the ports they fill
    ("store", "vault"),
    ("assurance", "verify"), // packages are written and read in one format
];

/// Crates without I/O, clock, chance and threads.
const PURE: &[&str] = &["domain", "merkle", "oidc", "onnx", "scan", "scim", "webauthn"];

/// The longest file, in lines. Aim at 400.
const MAX_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .expect("crates/ is there")
        .map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "workspace-hack")
        .collect();
    names.sort();
    names
}

/// The workspace crates that a crate names in a section of its manifest.
fn imports(name: &str, section: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).expect("a manifest");
    let all = crates();
    let body = manifest.split(&format!("[{section}]")).nth(1).unwrap_or_default();
    let body = body.split("\n[").next().unwrap_or_default();
    let named = body.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    named.filter(|dep| all.iter().any(|c| c == dep)).map(str::to_owned).collect()
}

fn sources(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let made =
            matches!(name.as_str(), "target" | ".git" | "node_modules" | "corpus") || path.ends_with("fuzz/artifacts");
        if path.is_dir() && !made {
            sources(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn rust_files(under: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&root().join(under), "rs", &mut found);
    found
}

#[test]
fn crates_import_only_from_floors_below() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for name in crates() {
        let Some(floor) = floors.get(name.as_str()) else {
            panic!("crate `{name}` has no floor: give it one in xtask/src/tidy.rs and in ARCHITECTURE.md");
        };
        for import in imports(&name, "dependencies") {
            let below = floors[import.as_str()] < *floor;
            if !below && !BESIDE.contains(&(name.as_str(), import.as_str())) {
                wrong.push(format!("{name} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up or sideways: {wrong:?}");
}

#[test]
fn the_sql_engine_is_named_in_one_crate() {
    for name in crates() {
        let manifest = fs::read_to_string(root().join("crates").join(&name).join("Cargo.toml")).expect("a manifest");
        let named = manifest.lines().any(|line| line.starts_with("datafusion"));
        assert_eq!(named, name == "query", "crate `{name}` and DataFusion");
    }
}

#[test]
fn pure_crates_reach_for_nothing_outside() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::time::SystemTime",
        "Instant::now",
        "getrandom",
        "tokio",
        "std::env",
    ];
    for name in PURE {
        for path in rust_files(&format!("crates/{name}/src")) {
            if path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for word in forbidden {
                assert!(!code.contains(word), "{}: a pure crate names `{word}`", path.display());
            }
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    let mut wrong = Vec::new();
    for path in rust_files("crates").into_iter().chain(rust_files("xtask")) {
        let text = fs::read_to_string(&path).expect("readable");
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        let tests = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        if !tests && !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with what it holds", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_in_documents_exist() {
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    sources(&root().join("docs"), "md", &mut documents);
    let mut wrong = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("readable");
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.split(['#', ' ', '{', '<', '*']).next().unwrap_or_default();
            let ours =
                ["crates/", "controls/", "docs/", "examples/", "policies/", "scripts/", "fuzz/", "tests/", "xtask/"];
            let tracked = ours.iter().any(|start| path.starts_with(start)) && path == quoted;
            if tracked && !root().join(path).exists() {
                wrong.push(format!("{}: `{path}` does not exist", document.display()));
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            let base = document.parent().expect("a document lies somewhere");
            if local && !base.join(target).exists() {
                wrong.push(format!("{}: link to `{target}` leads nowhere", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn running_means_counterfoil() {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    let metadata = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let meant: Vec<&str> =
        metadata.split("\"default_run\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(meant, ["counterfoil"], "`cargo run` of the README needs one program that is meant");
}

#[test]
fn running_and_testing_share_one_set_of_dependencies() {
    let features = |arguments: &[&str]| -> Option<std::collections::BTreeSet<String>> {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root()).args(["tree", "--locked", "--prefix", "none", "-f", "{p} {f}"]).args(arguments);
        let output = command.output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let foreign = text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.contains("(/"));
        Some(foreign.map(str::to_owned).collect())
    };
    let tested = features(&["--workspace", "-e", "normal,build,dev"]);
    let run = features(&["-p", "counterfoil", "-e", "normal"]);
    let (Some(tested), Some(run)) = (tested, run) else {
        panic!("cargo tree does not work here, so it cannot be shown that one build serves both commands");
    };
    let differing: Vec<_> = run.difference(&tested).collect();
    assert!(
        differing.is_empty(),
        "`cargo run` builds these otherwise than the tests do: {differing:?}; name the features in workspace-hack"
    );
}
