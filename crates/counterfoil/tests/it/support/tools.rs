//! Stock clients and readers, found where `scripts/install-test-tools` put them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The value of a variable, or a word about the skipped test.
fn place(test: &str, variable: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable).map(PathBuf::from);
    if place.is_none() {
        eprintln!("skipped: {test}: {variable} is not set; run the tests with scripts/test");
    }
    place
}

/// A Python that can import `module`.
pub fn python(test: &str, module: &str) -> Option<PathBuf> {
    let python = place(test, "COUNTERFOIL_TEST_PYTHON")?;
    let found = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {test}: Python has no package `{module}`");
        return None;
    }
    Some(python)
}

/// The directory with Node's packages.
pub fn node(test: &str) -> Option<PathBuf> {
    place(test, "COUNTERFOIL_TEST_NODE_DIR")
}

/// A browser.
pub fn chromium(test: &str) -> Option<PathBuf> {
    place(test, "COUNTERFOIL_TEST_CHROMIUM")
}

/// The program of OpenBao.
pub fn bao(test: &str) -> Option<PathBuf> {
    place(test, "COUNTERFOIL_TEST_BAO")
}

/// The library of SoftHSM2.
pub fn soft_hsm(test: &str) -> Option<PathBuf> {
    place(test, "COUNTERFOIL_TEST_SOFTHSM")
}

/// Whether these programs are installed.
pub fn programs(test: &str, names: &[&str]) -> bool {
    let missing = names.iter().find(|name| Command::new(name).arg("version").output().is_err());
    if let Some(missing) = missing {
        eprintln!("skipped: {test}: {missing} is not installed");
    }
    missing.is_none()
}

/// A strace that may watch processes here.
pub fn strace(test: &str) -> Option<PathBuf> {
    let strace = place(test, "COUNTERFOIL_TEST_STRACE")?;
    let traced = Command::new(&strace).args(["-D", "-o", "/dev/null", "true"]).output();
    if !traced.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {test}: strace may not watch processes here");
        return None;
    }
    Some(strace)
}

/// A file of `tests/clients`.
pub fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Runs a script and panics with all it said when it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}\n{out}\n{err}", output.status);
    out
}

/// What the verifier that was written from the description of the formats alone says of a file: its exit code and its
/// words. None where it cannot run.
#[track_caller]
pub fn second_verifier(file: &str, key: &str) -> Option<(i32, String)> {
    let probe = Command::new("python3").args(["-c", "import cryptography"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: python3 with `cryptography` is not installed, so tests/verifier/verify.py did not run");
        return None;
    }
    let script = repository("tests/verifier/verify.py");
    let output = Command::new("python3").arg(script).args([file, "--key", key]).output().expect("python3 runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.code().unwrap_or(-1), said))
}

/// Whether this process is root, which mounting a small file system needs.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}
