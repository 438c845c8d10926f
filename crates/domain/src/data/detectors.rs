//! Detectors of the organisation's own, beside those that are built in: what they find is classified in data sets, and guarded
//! on routes, by the name that they have.
//!
//! A pattern and a list of words stand in the ledger for good and for everybody who may read it, and nobody can be forgotten
//! there. So what looks like data about a person is not let in: a detector says what such data looks like, and not whose it is.

use std::collections::BTreeMap;

use scan::Detectors;
use scan::detect::{BadDetector, Class, Finds, MASKED, MOST_CUSTOM, Own, SURE};
use serde::{Deserialize, Serialize};

use super::DataClass;
use super::fields::has_room;
use crate::decide::{name_is_valid, refuse};
use crate::{Event, Refusal, RefusalCode, State};

/// Most examples of what a detector finds, and most of what it does not.
const MAX_EXAMPLES: usize = 100;

/// A detector as it is declared: a pattern or words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// The class that what it finds has.
    pub class: DataClass,
    /// A regular expression, in the syntax that SQL has here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Words that are found wherever they stand alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Words that speak for it when they stand beside a match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// Names of columns that hold what it finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// How sure a match is by itself, in thousandths.
    #[serde(default = "sure")]
    pub score_permille: u16,
    /// Texts in which it must find something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Texts in which it must find nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<String>,
}

fn sure() -> u16 {
    SURE
}

/// A detector was declared, or its declaration changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorDeclared {
    /// Its name, which is that of the kind it finds.
    pub detector: String,
    /// What it is.
    pub spec: DetectorSpec,
}

/// A detector looks at nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorRetired {
    /// Its name.
    pub detector: String,
}

/// A detector as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDetector {
    /// What it is.
    pub spec: DetectorSpec,
    /// Who declared it so.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// When it was retired.
    pub retired_at: Option<i64>,
}

/// All detectors of the organisation's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDetectors {
    /// How often one was declared or retired: what was looked at before is to be looked at again.
    pub revision: u64,
    /// By name, retired ones too.
    pub known: BTreeMap<String, KnownDetector>,
}

impl DetectorSpec {
    /// What it is to those who look.
    ///
    /// # Errors
    /// What cannot be: a class that nothing is guarded as, both a pattern and words, or neither.
    fn own(&self, name: &str) -> Result<Own, String> {
        let class = match self.class {
            DataClass::Public => return Err("nothing is looked for that anybody may have: give another class".into()),
            DataClass::Internal => Class::Internal,
            DataClass::Confidential => Class::Confidential,
            DataClass::Personal => Class::Personal,
            DataClass::Sensitive => Class::Sensitive,
        };
        let finds = match (&self.pattern, self.words.is_empty()) {
            (Some(pattern), true) => Finds::Pattern(pattern.clone()),
            (None, false) => Finds::Words(self.words.clone()),
            _ => return Err("give a `pattern` or `words`, and not both".into()),
        };
        let (context, columns) = (self.context.clone(), self.columns.clone());
        Ok(Own { name: name.to_owned(), class, finds, context, columns, score_permille: self.score_permille })
    }

    /// Everything in it that stands in the ledger as it was written, with what it is called.
    fn texts(&self) -> impl Iterator<Item = (String, &String)> {
        let nth = |what: &'static str, all: &'static str| move |at: usize| format!("{what} {} of {all}", at + 1);
        fn numbered<'a>(
            all: &'a [String],
            called: impl Fn(usize) -> String + 'a,
        ) -> impl Iterator<Item = (String, &'a String)> {
            all.iter().enumerate().map(move |(at, text)| (called(at), text))
        }
        self.pattern
            .iter()
            .map(|text| ("`pattern`".to_owned(), text))
            .chain(numbered(&self.words, nth("word", "`words`")))
            .chain(numbered(&self.context, nth("word", "`context`")))
            .chain(numbered(&self.columns, nth("name", "`columns`")))
            .chain(numbered(&self.examples, nth("text", "`examples`")))
            .chain(numbered(&self.near_misses, nth("text", "`near_misses`")))
    }
}

impl OwnDetectors {
    /// Those that look, by name.
    pub fn live(&self) -> impl Iterator<Item = (&String, &KnownDetector)> {
        self.known.iter().filter(|(_, known)| known.retired_at.is_none())
    }

    /// Whether one of this name looks.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|known| known.retired_at.is_none())
    }

    /// Those that look beside the ones that are built in, ready to; and the names of those that cannot, which a newer
    /// Counterfoil no longer takes.
    #[must_use]
    pub fn ready(&self) -> (Detectors, Vec<String>) {
        let (mut ready, mut left_out) = (Detectors::standard(), Vec::new());
        for (name, known) in self.live() {
            let added = known.spec.own(name).ok().and_then(|own| ready.clone().with(&own).ok());
            match added {
                Some(more) => ready = more,
                None => left_out.push(name.clone()),
            }
        }
        (ready, left_out)
    }
}

impl State {
    pub(crate) fn declare_detector(&mut self, body: &DetectorDeclared, by: &str, at: i64) {
        let known = KnownDetector { spec: body.spec.clone(), by: by.to_owned(), at, retired_at: None };
        self.detectors.known.insert(body.detector.clone(), known);
        self.detectors.revision = self.detectors.revision.saturating_add(1);
    }

    pub(crate) fn retire_detector(&mut self, body: &DetectorRetired, at: i64) {
        if let Some(known) = self.detectors.known.get_mut(&body.detector) {
            known.retired_at = Some(at);
        }
        self.detectors.revision = self.detectors.revision.saturating_add(1);
    }
}

pub(crate) fn declare(state: &State, body: &DetectorDeclared) -> Result<Vec<Event>, Refusal> {
    let DetectorDeclared { detector, spec } = body;
    name_is_valid("detector", detector)?;
    let wrong = |why: String| refuse(RefusalCode::Invalid, format!("detector `{detector}`: {why}"));
    let refused = |why: BadDetector| wrong(why.to_string());
    let own = spec.own(detector).map_err(wrong)?;
    Detectors::standard().with(&own).map_err(refused)?;
    if spec.examples.len() > MAX_EXAMPLES || spec.near_misses.len() > MAX_EXAMPLES {
        return Err(wrong(format!("there are at most {MAX_EXAMPLES} examples and {MAX_EXAMPLES} near misses")));
    }
    has_room(body).map_err(|_| wrong("it is longer than one entry of the ledger: make several of it".into()))?;
    of_nobody(spec).map_err(wrong)?;
    own.proven(&spec.examples, &spec.near_misses).map_err(refused)?;
    let others = state.detectors.live().filter(|(name, _)| *name != detector).count();
    if others >= MOST_CUSTOM {
        return Err(wrong(format!("there are {MOST_CUSTOM} detectors of your own already: retire one")));
    }
    let same =
        state.detectors.has(detector) && state.detectors.known.get(detector).is_some_and(|known| known.spec == *spec);
    if same {
        return Ok(vec![]);
    }
    // Another declaration could find nothing more, and so end a guard that others answer for.
    if let Some((service, route)) = guarded(state, detector) {
        let message = format!(
            "the guard of route `{route}` of service `{service}` names `{detector}`, so it stays as it is declared: declare the \
             new one under another name, and let the guard name that"
        );
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(vec![Event::DetectorDeclared(body.clone())])
}

/// The service and the route whose guard names a detector.
fn guarded<'a>(state: &'a State, detector: &str) -> Option<(&'a str, &'a str)> {
    let mut routes = state.services.iter().flat_map(|(name, spec)| spec.routes.iter().map(move |route| (name, route)));
    let named =
        |guard: &crate::serving::Guard| guard.requests.contains_key(detector) || guard.answers.contains_key(detector);
    let (service, route) = routes.find(|(_, route)| route.guard.as_ref().is_some_and(named))?;
    Some((service.as_str(), route.name.as_str()))
}

/// Refuses what looks like data about a person or a secret. What it looks like is said, and not what it is.
fn of_nobody(spec: &DetectorSpec) -> Result<(), String> {
    let standard = Detectors::standard();
    let undone = spec.pattern.as_deref().map(undone);
    let undone = undone.as_deref().map(|text| ("`pattern`".to_owned(), text));
    for (place, text) in spec.texts().map(|(place, text)| (place, text.as_str())).chain(undone) {
        let found = standard.find(text);
        let told = found.iter().find(|one| one.score_permille >= MASKED && one.kind.class() != Class::Internal);
        if let Some(one) = told {
            return Err(format!(
                "{place} looks like data about a person or a secret (`{}`), and all of a detector stands in the ledger for \
                 good: say what such data looks like by a pattern, with examples that are nobody's",
                one.kind.as_str()
            ));
        }
    }
    Ok(())
}

/// A pattern as the text that it spells: escapes of characters are undone, white space is a space, what may be missing is
/// there, and anchors and groups are gone. Whatever else it lets through ends a line, so that nothing is read across it.
fn undone(pattern: &str) -> String {
    let mut text = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('s' | 't' | 'n') => text.push(' '),
                Some('b' | 'B' | 'A' | 'z') | None => {}
                Some(kind) if kind.is_alphanumeric() => text.push('\n'),
                Some(escaped) => text.push(escaped),
            },
            '[' => {
                let mut inside = Vec::new();
                while let Some(c) = chars.next().filter(|c| *c != ']') {
                    let escaped = if c == '\\' { chars.next() } else { None };
                    inside.push(match escaped {
                        Some('s') => ' ',
                        // Kinds of characters are many, as is all but some.
                        Some(kind) if kind.is_alphanumeric() => '^',
                        Some(escaped) => escaped,
                        None => c,
                    });
                }
                text.push(match inside.as_slice() {
                    [] => '\n',
                    all if all.contains(&'^') => '\n',
                    [one] => *one,
                    all if all.iter().any(|c| c.is_alphanumeric()) => '\n',
                    all if all.contains(&' ') => ' ',
                    [one, ..] => *one,
                });
            }
            '(' if chars.next_if_eq(&'?').is_some() => {
                // A name or flags.
                while chars.next().is_some_and(|c| !matches!(c, ':' | '>' | ')')) {}
            }
            '{' => while chars.next().is_some_and(|c| c != '}') {},
            '.' if matches!(chars.peek(), Some('*' | '+' | '{')) => text.push('\n'),
            '|' => text.push('\n'),
            '(' | ')' | '^' | '$' | '?' | '*' | '+' => {}
            c => text.push(c),
        }
    }
    text
}

pub(crate) fn retire(state: &State, body: &DetectorRetired) -> Result<Vec<Event>, Refusal> {
    let detector = &body.detector;
    let Some(known) = state.detectors.known.get(detector) else {
        return Err(refuse(RefusalCode::NotFound, format!("there is no detector `{detector}` of your own")));
    };
    if known.retired_at.is_some() {
        return Ok(vec![]);
    }
    if let Some((service, route)) = guarded(state, detector) {
        let message = format!(
            "the guard of route `{route}` of service `{service}` names `{detector}`: declare the service without it first"
        );
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(vec![Event::DetectorRetired(body.clone())])
}
