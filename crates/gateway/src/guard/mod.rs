//! The guard of a route: personal data and secrets in requests and answers are found, and let through, masked, replaced by
//! placeholders that the answer gives back, or refused, as the route declares.
//!
//! What the client sent is sealed with the record as it came; the provider gets what the guard leaves. Answers are recorded as
//! the client got them. Detection happens in this process: there is nothing that could be down, and what cannot be read is
//! refused.

mod json;
mod stream;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use domain::serving::{Guard as Rules, GuardAction};
use scan::detect::{BLOCKED, Detectors, Finding, Kind, MASKED};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::record::HEAVY;
pub(crate) use stream::StreamGuard;

/// The longest placeholder, in bytes.
const LONGEST: usize = 64;

/// Most that is changed in one request: it bounds what is kept for the answer.
const MOST_CHANGES: u64 = 10_000;

/// How the first line of a private key begins, and the last.
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Where a text is JSON itself, so that what is put into it must not end a string there.
const ARGUMENTS: &str = "arguments";

/// The guard of a route: what it does, and the detectors there were when the route was looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    rules: Rules,
    detectors: Arc<Detectors>,
}

impl Guard {
    pub(crate) fn new(rules: Rules, detectors: Arc<Detectors>) -> Self {
        Self { rules, detectors }
    }

    fn in_request(&self, kind: Kind) -> GuardAction {
        self.rules.in_request(&self.detectors, kind)
    }

    fn in_answer(&self, kind: Kind) -> GuardAction {
        self.rules.in_answer(&self.detectors, kind)
    }

    fn changes_answers(&self) -> bool {
        self.rules.changes_answers()
    }

    /// What is put in the place of what is masked.
    fn mask(&self, kind: Kind) -> String {
        format!("[{}]", self.detectors.name(kind).to_ascii_uppercase())
    }

    fn tally(&self) -> Tally {
        Tally { detectors: Arc::clone(&self.detectors), counts: BTreeMap::new() }
    }
}

/// What was found on one side of a call, and what was done with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    detectors: Arc<Detectors>,
    /// How often, by kind and by what was done.
    counts: BTreeMap<(Kind, GuardAction), u64>,
}

impl Tally {
    fn note(&mut self, kind: Kind, action: GuardAction) {
        let count = self.counts.entry((kind, action)).or_default();
        *count = count.saturating_add(1);
    }

    /// How often something other than letting it through was done.
    fn changes(&self) -> u64 {
        let changes = self.counts.iter().filter(|((_, action), _)| *action != GuardAction::Allow);
        changes.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The larger of both counts, for what may have been counted twice.
    fn or_more(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            let own = self.counts.entry(*key).or_default();
            *own = (*own).max(*count);
        }
    }

    /// Whether anything was found, for the record's core.
    pub(crate) fn found(&self) -> i64 {
        i64::from(!self.counts.is_empty())
    }

    /// The same, unless that would say of what nobody could look through to its end that nothing is in it.
    pub(crate) fn if_looked(self, to_the_end: bool) -> Option<Self> {
        (to_the_end || !self.counts.is_empty()).then_some(self)
    }

    /// The least that was done with any of it.
    pub(crate) fn least(&self) -> Option<String> {
        let least = self.counts.keys().map(|(_, action)| *action).min();
        least.map(|action| action.done().to_owned())
    }

    /// How often each kind was found and what was done, for the sealed part of the record.
    pub(crate) fn by_kind(&self) -> Value {
        let mut all = serde_json::Map::new();
        for ((kind, action), count) in &self.counts {
            let of_kind = all.entry(self.detectors.name(*kind)).or_insert_with(|| json!({}));
            of_kind[action.done()] = json!(count);
        }
        Value::Object(all)
    }

    fn blocked(&self) -> Option<String> {
        let blocked = self.counts.keys().filter(|(_, action)| *action == GuardAction::Block);
        let kinds: BTreeSet<&str> = blocked.map(|(kind, _)| self.detectors.name(*kind)).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        (!kinds.is_empty()).then(|| kinds.join(", "))
    }
}

/// The placeholders of one call, and what they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    values: HashMap<String, String>,
    names: HashMap<(Kind, String), String>,
    numbers: HashMap<Kind, u64>,
}

impl Places {
    /// The placeholder for a value: the same wherever it stands in one call, and none of those that the client wrote itself.
    fn name(&mut self, (kind, named): (Kind, &str), value: &str, taken: &HashSet<&str>) -> String {
        if let Some(name) = self.names.get(&(kind, value.to_owned())) {
            return name.clone();
        }
        let number = self.numbers.entry(kind).or_default();
        let name = loop {
            *number = number.saturating_add(1);
            let name = format!("[{}_{number}]", named.to_ascii_uppercase());
            if !taken.contains(name.as_str()) {
                break name;
            }
        };
        self.names.insert((kind, value.to_owned()), name.clone());
        self.values.insert(name.clone(), value.to_owned());
        name
    }

    /// The text with values where placeholders were; `None` when there were none. In a text that is JSON itself, values are
    /// written as what a string may hold there.
    fn restored(&self, text: &str, is_json: bool) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        let (mut out, mut from) = (String::new(), 0);
        for (start, _) in text.match_indices('[') {
            let name = placeholder(text.get(start..).unwrap_or_default());
            let Some((name, value)) = name.and_then(|name| self.values.get_key_value(name)) else { continue };
            out.push_str(text.get(from..start).unwrap_or_default());
            if is_json {
                let quoted = Value::from(value.as_str()).to_string();
                out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
            } else {
                out.push_str(value);
            }
            from = start + name.len();
        }
        if from == 0 {
            return None;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }
}

/// The bracketed name at the start of a text.
fn placeholder(text: &str) -> Option<&str> {
    let of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let end = text.bytes().take(LONGEST).skip(1).position(|byte| !of_name(byte))? + 1;
    text.get(..=end).filter(|name| name.ends_with(']'))
}

/// Everything in a document that could be a placeholder.
fn placeholders(document: &str) -> HashSet<&str> {
    let begun = document.match_indices('[').filter_map(|(at, _)| placeholder(document.get(at..).unwrap_or_default()));
    begun.collect()
}

/// A request as the provider may have it.
pub(crate) struct Guarded {
    /// The body for the provider, or why it gets none.
    pub(crate) body: Result<Bytes, Problem>,
    pub(crate) tally: Tally,
    pub(crate) places: Places,
}

/// Looks through a request's body, which was read as JSON already.
pub(crate) fn request(guard: &Guard, body: &Bytes) -> Guarded {
    let (mut tally, mut places) = (guard.tally(), Places::default());
    let Ok(document) = std::str::from_utf8(body) else {
        return Guarded { body: Err(Problem::Internal), tally, places };
    };
    let taken = placeholders(document);
    let edited = json::edit_texts(document, |_, text| {
        let half = "a text of the request has half of a surrogate pair, so it cannot be looked through for personal data: \
                    send whole characters";
        let text = text.ok_or_else(|| Problem::Input(half.into()))?;
        let put = |kind, action, value: &str| match action {
            GuardAction::Tokenise => places.name((kind, guard.detectors.name(kind)), value, &taken),
            _ => guard.mask(kind),
        };
        let edited = guard.edited(text, 0, |kind| guard.in_request(kind), &mut tally, put);
        if tally.changes() > MOST_CHANGES {
            let message = format!("the request holds personal data more than {MOST_CHANGES} times: send less at once");
            return Err(Problem::Input(message));
        }
        Ok(edited)
    });
    let body = match (tally.blocked(), edited) {
        (Some(kinds), _) => Err(Problem::PersonalDataBlocked(kinds)),
        (None, edited) => edited.map(|edited| edited.map_or_else(|| body.clone(), Bytes::from)),
    };
    let body = body.and_then(|body| tells_no_tokens(guard, &body).map(|()| body));
    Guarded { body, tally, places }
}

/// Refuses a request for the answer's single tokens where answers are looked through: they would repeat what is masked.
fn tells_no_tokens(guard: &Guard, body: &Bytes) -> Result<(), Problem> {
    #[derive(serde::Deserialize)]
    struct Asked {
        #[serde(default)]
        logprobs: Value,
        #[serde(default)]
        top_logprobs: Value,
        #[serde(default)]
        include: Value,
    }
    if !guard.changes_answers() {
        return Ok(());
    }
    // A field that is there twice is one that two readers could take differently.
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| Problem::Input(format!("the request cannot be checked for `logprobs`: {error}")))?;
    let asks = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    let included =
        asked.include.as_array().is_some_and(|all| all.iter().any(|one| one == "message.output_text.logprobs"));
    if asks(&asked.logprobs) || (asks(&asked.top_logprobs) && asked.top_logprobs != json!(0)) || included {
        let message = "answers of this route are looked through for personal data, so the probabilities of their single tokens \
                       are not given: leave out `logprobs`";
        return Err(Problem::Input(message.into()));
    }
    Ok(())
}

/// Looks through a whole answer: what the client may have of it, or why it gets none; and what was found, if anybody could
/// look.
pub(crate) fn answer(guard: &Guard, places: &Places, body: &Bytes) -> (Result<Bytes, Problem>, Option<Tally>) {
    let mut tally = guard.tally();
    let Ok(document) = std::str::from_utf8(body) else {
        let matters = guard.changes_answers() || !places.values.is_empty();
        let given =
            if matters { Err(Problem::AnswerBlocked("bytes that are no text".into())) } else { Ok(body.clone()) };
        return (given, None);
    };
    let edited = match serde_json::from_str::<serde::de::IgnoredAny>(document) {
        Ok(_) => answered(guard, places, document, &mut tally),
        // The page of a server in between, say: all of it is text.
        Err(_) => Ok(changed(guard, places, "", document, &mut tally)),
    };
    let body = match (tally.blocked(), edited) {
        (Some(kinds), _) => Err(Problem::AnswerBlocked(kinds)),
        (None, edited) => edited.map(|edited| edited.map_or_else(|| body.clone(), Bytes::from)),
    };
    let tally = tally.if_looked(body.is_ok());
    (body, tally)
}

/// A JSON document of an answer with its texts changed; `None` when none was.
fn answered(guard: &Guard, places: &Places, document: &str, tally: &mut Tally) -> Result<Option<String>, Problem> {
    json::edit_texts(document, |member, text| match text {
        Some(text) => Ok(changed(guard, places, member, text, tally)),
        None if guard.changes_answers() => Err(Problem::AnswerBlocked("half of a surrogate pair".into())),
        None => Ok(None),
    })
}

/// A text of an answer without what is masked, and with values where placeholders were.
fn changed(guard: &Guard, places: &Places, member: &str, text: &str, tally: &mut Tally) -> Option<String> {
    let masked = guard.edited(text, 0, |kind| guard.in_answer(kind), tally, |kind, _, _| guard.mask(kind));
    places.restored(masked.as_deref().unwrap_or(text), member == ARGUMENTS).or(masked)
}

/// Looks through a body of this size: a large one on a thread of its own, since it takes long.
pub(crate) async fn apart<T: Send + 'static>(
    size: usize,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if size < HEAVY {
        return Ok(look());
    }
    tokio::task::spawn_blocking(look).await.map_err(|error| {
        tracing::error!(%error, "a body could not be looked through");
        Problem::Internal
    })
}

impl Guard {
    /// What was found in `text`, from [`MASKED`] on.
    fn found(&self, text: &str) -> Vec<Finding> {
        let mut found = self.detectors.find(text);
        found.retain(|finding| finding.score_permille >= MASKED);
        let mut covered = 0;
        found.retain_mut(|finding| {
            if finding.start < covered {
                return false;
            }
            finding.end = end_of_key(text, finding);
            covered = finding.end;
            true
        });
        found
    }

    /// `text` from a byte on with what the rules say in the place of what is found; `None` when nothing changes. What is
    /// before that byte is there for its words around.
    fn edited(
        &self,
        text: &str,
        from: usize,
        rule: impl Fn(Kind) -> GuardAction,
        tally: &mut Tally,
        mut put: impl FnMut(Kind, GuardAction, &str) -> String,
    ) -> Option<String> {
        let (mut out, mut kept) = (String::new(), from);
        for finding in self.found(text).iter().filter(|finding| finding.start >= from) {
            let action = action_on(finding, rule(finding.kind));
            tally.note(finding.kind, action);
            if action == GuardAction::Allow {
                continue;
            }
            out.push_str(text.get(kept..finding.start).unwrap_or_default());
            out.push_str(&put(finding.kind, action, text.get(finding.start..finding.end).unwrap_or_default()));
            kept = finding.end;
        }
        if kept == from {
            return None;
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        Some(out)
    }
}

/// Where a finding ends. Of a private key without its last line the detector finds the first line only: what may be the key
/// after it belongs to it.
fn end_of_key(text: &str, finding: &Finding) -> usize {
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    if finding.kind != Kind::Secret || !value.starts_with(BEGIN) || value.contains(END) {
        return finding.end;
    }
    let rest = text.get(finding.end..).unwrap_or_default();
    let of_key = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=\\:,-".contains(c);
    let key = rest.find(|c: char| !of_key(c)).map_or(rest, |end| rest.get(..end).unwrap_or_default());
    finding.end + key.trim_end().len()
}

/// What is done with a finding: what is not certain enough to refuse a call for is masked.
fn action_on(finding: &Finding, action: GuardAction) -> GuardAction {
    match action {
        GuardAction::Block if finding.score_permille < BLOCKED => GuardAction::Mask,
        action => action,
    }
}

#[cfg(test)]
mod tests;
