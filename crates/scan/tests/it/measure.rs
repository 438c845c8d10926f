//! How well the detectors do on labelled texts: true and false findings by kind, as `docs/detectors.md` prints them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use scan::Detectors;
use scan::detect::{Finding, Kind};
use serde_json::Value;

/// A text with what stands in it.
pub struct Labelled {
    pub text: String,
    pub spans: Vec<(Kind, usize, usize)>,
}

/// What was counted for a kind.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub found: u32,
    pub missed: u32,
    pub wrong: u32,
}

impl Counts {
    pub fn precision(self) -> f64 {
        ratio(self.found, self.found + self.wrong)
    }

    pub fn recall(self) -> f64 {
        ratio(self.found, self.found + self.missed)
    }

    /// F2: what is missed counts more than what is wrong.
    pub fn f2(self) -> f64 {
        ratio(5 * self.found, 5 * self.found + 4 * self.missed + self.wrong)
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads JSON Lines of `text` and `spans`, each with `type`, `start` and `end` in characters.
pub fn read(path: &Path) -> Vec<Labelled> {
    let lines = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    lines.lines().map(|line| labelled(&serde_json::from_str(line).expect("JSON"))).collect()
}

fn labelled(line: &Value) -> Labelled {
    let text = line["text"].as_str().expect("a text").to_owned();
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |of: &Value| bytes[usize::try_from(of.as_u64().expect("a place")).expect("small")];
    let spans = line["spans"].as_array().expect("spans").iter();
    let spans = spans.map(|span| {
        let name = span["type"].as_str().expect("a type");
        (kind(name), place(&span["start"]), place(&span["end"]))
    });
    Labelled { spans: spans.collect(), text }
}

/// Our kind of a label: our own word, or the one that the Australian corpus uses.
fn kind(name: &str) -> Kind {
    let name = match name {
        "AU_TFN" => "tfn",
        "AU_ABN" => "abn",
        "AU_ACN" => "acn",
        "AU_MEDICARE" => "medicare",
        "AU_BSB" => "bsb",
        "AU_PASSPORT" => "passport",
        "CREDIT_CARD" => "card",
        "IBAN_CODE" => "iban",
        "PHONE_NUMBER" => "phone",
        "EMAIL_ADDRESS" => "email",
        "IP_ADDRESS" => "ip_address",
        "DATE_OF_BIRTH" => "birth_date",
        "LOCATION" => "address",
        "PERSON" => "person",
        "SECRET" => "secret",
        own => own,
    };
    Kind::find(name).unwrap_or_else(|| panic!("no kind `{name}`"))
}

/// Whether a finding is the labelled span: of its kind, and nine tenths of the characters of both are common.
fn is_it(finding: &Finding, span: &(Kind, usize, usize)) -> bool {
    let common = finding.end.min(span.2).saturating_sub(finding.start.max(span.1));
    let both = finding.end.max(span.2) - finding.start.min(span.1);
    finding.kind == span.0 && common * 10 >= both * 9
}

/// What was measured.
#[derive(Default)]
pub struct Measured {
    pub counts: BTreeMap<Kind, Counts>,
    /// By tenths of the score: how many findings were right, and how many there were.
    pub tenths: [(u32, u32); 10],
    /// What was wrong or missed, for whoever looks why.
    pub errors: Vec<String>,
}

/// Searches all texts.
pub fn measure(texts: &[Labelled]) -> Measured {
    let (detectors, mut measured) = (Detectors::standard(), Measured::default());
    for one in texts {
        let found = detectors.find(&one.text);
        for finding in &found {
            let right = one.spans.iter().any(|span| is_it(finding, span));
            let tenth = &mut measured.tenths[usize::from(finding.score_permille / 100)];
            *tenth = (tenth.0 + u32::from(right), tenth.1 + 1);
            let count = measured.counts.entry(finding.kind).or_default();
            if right {
                count.found += 1;
            } else {
                count.wrong += 1;
                let place = around(&one.text, finding.start, finding.end);
                measured.errors.push(format!("wrong {} {} {place}", finding.kind.as_str(), finding.score_permille));
            }
        }
        for span in one.spans.iter().filter(|span| !found.iter().any(|finding| is_it(finding, span))) {
            measured.counts.entry(span.0).or_default().missed += 1;
            measured.errors.push(format!("missed {} {}", span.0.as_str(), around(&one.text, span.1, span.2)));
        }
    }
    measured
}

fn around(text: &str, start: usize, end: usize) -> String {
    let before: String = text[..start].chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = text[end..].chars().take(20).collect();
    format!("{before}[{}]{after}", &text[start..end])
}
