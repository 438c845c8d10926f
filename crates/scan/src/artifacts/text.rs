//! Texts and JSON: what of them a loader acts on, and secrets and personal data in them.

use std::collections::BTreeMap;
use std::io;

use super::kind::BOM;
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
        return any(scan, path, source);
    }
    let whole = bytes(source, 0, MAX_JSON as usize)?;
    let text = whole.strip_prefix(BOM).unwrap_or(&whole);
    match json::whole(text) {
        Ok(value) => {
            keras::judge(scan, path, 0, &value);
            if value.get("__loader__").is_some() {
                skops::judge(scan, path, &value);
            }
            value.objects(&mut |object| {
                templates(scan, path, object);
                for (name, value) in object.entries() {
                    if matches!(name.as_str(), "auto_map" | "_target_") && *value != json::Json::Plain {
                        scan.unread(path, format!("its `{name}` names code of somebody's own, which is not judged"));
                    }
                }
            });
        }
        // Other texts begin with a bracket, too.
        Err(bad) => {
            let named = ["class_name", "__loader__"];
            if matches!(ending(path).as_str(), "json" | "keras") || named.iter().any(|name| holds(text, name)) {
                let at = whole.len() - text.len() + bad.at;
                scan.unread(path, format!("it is no JSON from byte {at} on: {}", bad.why));
            }
        }
    }
    any(scan, path, source)
}

fn holds(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|part| part == word.as_bytes())
}

fn templates(scan: &mut Scan, path: &str, object: &json::Json) {
    for (name, value) in object.entries() {
        if name != "chat_template" {
            continue;
        }
        // One template, or several with names.
        let several = value.items().iter().filter_map(|one| one.get("template")?.text());
        for text in value.text().into_iter().chain(several) {
            match text.len() > MAX_ACTED_ON {
                true => scan.unread(path, format!("a template of it has more than {MAX_ACTED_ON} bytes")),
                false => template::judge(scan, path, None, text),
            }
        }
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit(['/', '!']).next().unwrap_or(path)
}

fn ending(path: &str) -> String {
    name_of(path).rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default()
}

/// A text that does not begin like JSON.
pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    if matches!(name_of(path).to_lowercase().as_str(), "config.json" | "schema.json") {
        scan.unread(path, "it is no JSON, and its name says that it is");
    }
    any(scan, path, source)
}

/// What is written for people and read by no loader.
fn prose(path: &str) -> bool {
    matches!(ending(path).as_str(), "md" | "txt" | "rst")
}

/// Any text.
fn any(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let head = bytes(source, 0, MAX_ACTED_ON)?;
    let text = String::from_utf8_lossy(&head);
    let (name, ending) = (name_of(path).to_lowercase(), ending(path));
    if matches!(ending.as_str(), "py" | "sh" | "bat" | "ps1" | "ipynb" | "js" | "r" | "jl") || text.starts_with("#!") {
        scan.unread(path, "it is a program: what it does is not judged");
    }
    let packages = name.contains("requirements")
        || matches!(name.as_str(), "conda.yaml" | "conda.yml" | "environment.yml" | "python_env.yaml");
    let template = matches!(ending.as_str(), "jinja" | "jinja2" | "j2");
    if packages {
        requirements(scan, path, &text);
    }
    if name == "mlmodel" {
        mlmodel(scan, path, &text);
    }
    if template {
        template::judge(scan, path, None, &text);
    }
    if (packages || template || name == "mlmodel") && source.size() > MAX_ACTED_ON as u64 {
        scan.unread(path, format!("what follows its first {MAX_ACTED_ON} bytes was not judged"));
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

/// MLflow's description of a model: the module that loads it, and code that is put on Python's path. YAML can say the same in
/// many ways: only the one that MLflow writes is taken for what it says.
fn mlmodel(scan: &mut Scan, path: &str, text: &str) {
    for line in text.lines() {
        let plain = line.trim().split_once(':').map(|(key, value)| (key, value.trim()));
        let honest = match plain {
            Some(("loader_module", value)) => {
                value.starts_with("mlflow.")
                    && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
            }
            Some(("code" | "model_code_path", value)) => matches!(value, "null" | "~"),
            _ => false,
        };
        if honest {
            continue;
        }
        // A column may be called `code`.
        let rest = line.replace(r#""name": "code""#, "");
        let named = [
            ("loader_module", "it is loaded by a module that is not judged"),
            ("model_code_path", "it loads code that is not judged"),
            ("code", "it loads code that is not judged"),
        ];
        if let Some((_, why)) = named.iter().find(|(word, _)| has_word(&rest, word)) {
            scan.unread(path, format!("{why}: `{}`", shown(line.trim())));
        }
    }
    if ["\\x", "\\u", "\\U"].iter().any(|escape| text.contains(escape)) {
        scan.unread(path, "it spells letters by their numbers, so that names in it are not seen");
    }
}

/// Whether a word stands in a line, and is not a part of another.
fn has_word(line: &str, word: &str) -> bool {
    let outside = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, behind) = (line.get(..at).unwrap_or_default(), line.get(at + word.len()..).unwrap_or_default());
        outside(before.chars().next_back()) && outside(behind.chars().next())
    })
}

/// Words by which configurations name what is imported: Hydra's and NeMo's, transformers', and YAML's own.
const NAMING: [&str; 3] = ["_target_", "auto_map", "!!python"];

/// Secrets and personal data, without saying what they are.
fn search(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let detectors = Detectors::standard();
    let mut personal: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    let (mut at, mut broken, mut named) = (0, false, prose(path));
    while at < source.size().min(MAX_TEXT) {
        let mut piece = bytes(source, at, PIECE)?;
        if piece.is_empty() {
            break;
        }
        // Cut at the end of a line, so that nothing is cut in two.
        if piece.len() == PIECE {
            let line = piece.iter().rposition(|byte| *byte == b'\n').map(|line| line + 1);
            // Without lines, at the end of a letter.
            let letter = || std::str::from_utf8(&piece).err().filter(|error| error.error_len().is_none());
            let end = line.or_else(|| letter().map(|error| error.valid_up_to())).unwrap_or(piece.len());
            piece.truncate(end);
        }
        if !broken && (piece.contains(&0) || std::str::from_utf8(&piece).is_err()) {
            broken = true;
            scan.unread(path, format!("it begins as a text, and what follows byte {at} is none"));
        }
        let text = String::from_utf8_lossy(&piece);
        if let Some(word) = NAMING.iter().find(|word| !named && text.contains(**word)) {
            named = true;
            scan.unread(path, format!("by `{word}` it names code, which is not judged"));
        }
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
