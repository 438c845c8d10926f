//! Texts and JSON: what of them a loader acts on, and secrets and personal data in them.

use std::collections::BTreeMap;
use std::io;

use super::source::{Source, bytes};
use super::{Scan, json, keras, rules, shown, skops, template};
use crate::detect::{BLOCKED, Detectors, Kind, MASKED};

/// How much of a text is searched for secrets and personal data.
const MAX_TEXT: u64 = 64 << 20;

/// The pieces in which it is searched.
const PIECE: usize = 256 << 10;

/// Longest JSON that is read.
const MAX_JSON: u64 = 64 << 20;

/// Longest text that is read as something a loader acts on: packages, a description of a model, a template.
const MAX_ACTED_ON: usize = 1 << 20;

/// A file that begins like JSON.
pub(crate) fn json(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    if source.size() > MAX_JSON {
        scan.unread(path, format!("it is JSON of more than {MAX_JSON} bytes"));
        return look(scan, path, source);
    }
    match json::whole(&bytes(source, 0, MAX_JSON as usize)?) {
        Ok(value) => {
            keras::judge(scan, path, 0, &value);
            if value.get("__loader__").is_some() {
                skops::judge(scan, path, &value);
            }
            value.objects(&mut |object| templates(scan, path, object));
        }
        // Other texts begin with a bracket, too.
        Err(bad) if ending(path) == "json" || ending(path) == "keras" => {
            scan.unread(path, format!("it is no JSON from byte {} on: {}", bad.at, bad.why));
        }
        Err(_) => {}
    }
    look(scan, path, source)
}

fn templates(scan: &mut Scan, path: &str, object: &json::Json) {
    for (name, value) in object.entries() {
        if name != "chat_template" {
            continue;
        }
        // One template, or several with names.
        let several = value.items().iter().filter_map(|one| one.get("template")?.text());
        value.text().into_iter().chain(several).for_each(|text| template::judge(scan, path, None, text));
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit(['/', '!']).next().unwrap_or(path)
}

fn ending(path: &str) -> String {
    name_of(path).rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default()
}

/// Any text.
pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let head = bytes(source, 0, MAX_ACTED_ON)?;
    let text = String::from_utf8_lossy(&head);
    let (name, ending) = (name_of(path).to_lowercase(), ending(path));
    if matches!(ending.as_str(), "py" | "sh" | "bat" | "ps1" | "ipynb" | "js" | "r" | "jl") || text.starts_with("#!") {
        scan.unread(path, "it is a program: what it does is not judged");
    }
    if name.contains("requirements")
        || matches!(name.as_str(), "conda.yaml" | "conda.yml" | "environment.yml" | "python_env.yaml")
    {
        requirements(scan, path, &text);
    }
    if name == "mlmodel" {
        mlmodel(scan, path, &text);
    }
    if matches!(ending.as_str(), "jinja" | "jinja2" | "j2") {
        template::judge(scan, path, None, &text);
    }
    search(scan, path, source)
}

/// Packages that come from elsewhere than the usual index.
fn requirements(scan: &mut Scan, path: &str, text: &str) {
    let mut at = 0_u64;
    for line in text.split_inclusive('\n') {
        let said = line.trim().trim_start_matches("- ").trim();
        let elsewhere = [
            "--index-url",
            "--extra-index-url",
            "-i ",
            "--find-links",
            "-f ",
            "--trusted-host",
            "git+",
            "hg+",
            "svn+",
            "bzr+",
        ];
        let address = said.contains("://") && !said.starts_with('#');
        if address || elsewhere.iter().any(|begin| said.starts_with(begin)) {
            scan.found(&rules::REQUIREMENT, path, at, format!("`{}`", shown(said)));
        }
        at += line.len() as u64;
    }
}

/// MLflow's description of a model: the module that loads it, and code that is put on Python's path.
fn mlmodel(scan: &mut Scan, path: &str, text: &str) {
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match key.trim() {
            "loader_module" if !value.starts_with("mlflow.") => {
                scan.unread(path, format!("it is loaded by `{}`, which is not judged", shown(value)));
            }
            "code" | "model_code_path" if !matches!(value, "" | "null" | "~") => {
                scan.unread(path, format!("it loads code from `{}`, which is not judged", shown(value)));
            }
            _ => {}
        }
    }
}

/// Secrets and personal data, without saying what they are.
fn search(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let detectors = Detectors::standard();
    let mut personal: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    let mut at = 0;
    while at < source.size().min(MAX_TEXT) {
        let mut piece = bytes(source, at, PIECE)?;
        if piece.is_empty() {
            break;
        }
        // Cut at the end of a line, so that nothing is cut in two.
        if piece.len() == PIECE {
            let line = piece.iter().rposition(|byte| *byte == b'\n').map_or(piece.len(), |line| line + 1);
            piece.truncate(line);
        }
        let text = String::from_utf8_lossy(&piece);
        for finding in detectors.find(&text) {
            let place = at + finding.start as u64;
            if finding.kind == Kind::Secret && finding.score_permille >= MASKED {
                scan.found(&rules::SECRET, path, place, "it holds a key, a token or a password");
            } else if finding.kind != Kind::Secret && finding.score_permille >= BLOCKED {
                personal.entry(finding.kind).or_insert((place, 0)).1 += 1;
            }
        }
        at += piece.len() as u64;
    }
    for (kind, (place, count)) in personal {
        scan.found(&rules::PERSONAL, path, place, format!("{count} of kind `{}`", kind.as_str()));
    }
    if source.size() > MAX_TEXT {
        scan.unread(path, format!("what follows the first {MAX_TEXT} bytes of the text was not searched for secrets"));
    }
    Ok(())
}
