//! The guard over a streamed answer. A value or a placeholder may come in pieces, so the end of each text is held back until
//! it is certain: a placeholder that was begun, and where answers are looked through, the last [`WINDOW`] bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::serving::GuardAction;
use scan::detect::Kind;
use serde_json::{Value, json};

use super::{ARGUMENTS, BEGIN, END, Guard, LONGEST, Places, Tally, answered};
use crate::dialect::openai::Operation;
use crate::dialect::sse;
use crate::problem::Problem;

/// How much of a text is held back where answers are looked through: longer than what has a form, with the words around it.
/// What the organisation's own detectors find may be longer.
const WINDOW: usize = 128;

/// How much of the words behind a value is read.
const BEHIND: usize = 32;

/// How much of what was given already is looked at again, for its words around what comes.
const BEFORE: usize = 64;

/// A word longer than this is given in pieces, unless it could be a secret.
const LONGEST_WORD: usize = 1024;

/// Most that is held back of a private key, or of a word that could be a token. A stream with a longer one ends.
const LONGEST_SECRET: usize = 16 << 10;

/// Where a choice may have a piece of a text.
const TEXTS: [&str; 7] = [
    "/text",
    "/delta/content",
    "/delta/refusal",
    "/delta/reasoning_content",
    "/delta/reasoning",
    "/delta/function_call/arguments",
    "/delta/audio/transcript",
];

/// Where a call of a tool has one.
const OF_CALL: &str = "/function/arguments";

/// The guard over one stream.
pub(crate) struct StreamGuard {
    guard: Arc<Guard>,
    operation: Operation,
    places: Places,
    texts: BTreeMap<String, Held>,
    /// Of what went by in pieces.
    tally: Tally,
    /// Of events that repeat texts as a whole: the most of any of them.
    whole: Tally,
}

/// One of the texts of a stream.
#[derive(Default)]
struct Held {
    /// The end of what was given, and what is held back.
    text: String,
    /// Where in it what is held back begins.
    from: usize,
    /// A frame that gives a piece of this text, and where in it the piece is.
    frame: Value,
    place: String,
    /// Whether the text is JSON itself.
    is_json: bool,
    /// The value of the frame's `event` field.
    event: Option<String>,
}

impl StreamGuard {
    pub(crate) fn new(guard: Arc<Guard>, operation: Operation, places: Places) -> Self {
        let (tally, whole) = (guard.tally(), guard.tally());
        Self { guard, operation, places, texts: BTreeMap::new(), tally, whole }
    }

    /// What was found so far. What went by in pieces and is repeated counts once.
    pub(crate) fn tally(&self) -> Tally {
        let mut all = self.tally.clone();
        all.or_more(&self.whole);
        all
    }

    /// What the client may have after this frame came: no frame, one or several.
    ///
    /// # Errors
    /// [`Problem::AnswerBlocked`] when the answer has what the route refuses.
    pub(crate) fn frame(&mut self, frame: Bytes) -> Result<Bytes, Problem> {
        let event = sse::event(&frame);
        let Ok(mut data) = serde_json::from_slice::<Value>(&event.data) else {
            // The end, or a comment; what else is no JSON does not come here, but JSON with half a character does.
            let is_silent = event.data.is_empty() || event.data.as_ref() == b"[DONE]";
            if !is_silent && (self.guard.changes_answers() || !self.places.values.is_empty()) {
                return Err(Problem::AnswerBlocked("half of a surrogate pair".into()));
            }
            let held = if event.data.is_empty() { Vec::new() } else { self.rest()? };
            return Ok(joined(held, frame));
        };
        let name = String::from_utf8(event.name.to_vec()).ok().filter(|name| !name.is_empty());
        match self.operation {
            Operation::Responses => self.event(data, name, frame.clone()),
            _ => {
                let mut before = Vec::new();
                let changed = self.chunk(&mut data, &mut before)?;
                Ok(joined(before, if changed { written(&data, name.as_deref()).into() } else { frame.clone() }))
            }
        }
    }

    /// What was held back, when the stream is at its end.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, Problem> {
        let keys: Vec<String> = self.texts.keys().cloned().collect();
        let mut out = Vec::new();
        for key in keys {
            self.release(&key, &mut out)?;
        }
        Ok(out)
    }

    /// A chunk of chat completions or completions: pieces of texts by choice, and what else it says. Says whether it was
    /// changed.
    fn chunk(&mut self, chunk: &mut Value, before: &mut Vec<u8>) -> Result<bool, Problem> {
        let choices = chunk.get_mut("choices").and_then(Value::as_array_mut);
        let pieces: Vec<_> = choices.into_iter().flatten().map(pieces_of).collect();
        let mut changed = self.others(chunk)?;
        let Some(mut choices) = chunk.get_mut("choices").filter(|choices| choices.is_array()).map(Value::take) else {
            return Ok(changed);
        };
        for (choice, pieces) in choices.as_array_mut().into_iter().flatten().zip(pieces) {
            changed |= self.choice(chunk, choice, pieces, before)?;
        }
        chunk["choices"] = choices;
        Ok(changed)
    }

    /// The texts of a frame out of which pieces were taken. Says whether one was changed.
    fn others(&mut self, data: &mut Value) -> Result<bool, Problem> {
        let changed = answered(&self.guard, &self.places, &data.to_string(), &mut self.tally)?;
        if let Some(kinds) = self.tally.blocked() {
            return Err(Problem::AnswerBlocked(kinds));
        }
        let Some(changed) = changed else { return Ok(false) };
        *data = serde_json::from_str(&changed).map_err(|_| Problem::Internal)?;
        Ok(true)
    }

    fn choice(
        &mut self,
        chunk: &Value,
        choice: &mut Value,
        pieces: Vec<(String, String)>,
        before: &mut Vec<u8>,
    ) -> Result<bool, Problem> {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let ends = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
        let (mut changed, mut seen) = (false, Vec::new());
        for (place, piece) in pieces {
            // Which of several calls of tools it is, the call says, and not its place in the chunk.
            let call = place.strip_suffix(OF_CALL).map(|call| choice.pointer(&format!("{call}/index")).cloned());
            let key = match &call {
                Some(call) => format!("{index} call {}", call.clone().unwrap_or_default()),
                None => format!("{index} {place}"),
            };
            if !self.texts.contains_key(&key) {
                let is_json = place.ends_with(ARGUMENTS);
                let (bare, place) = bare(index, &place, call.flatten());
                let mut frame = chunk.clone();
                frame["choices"] = json!([bare]);
                if let Some(frame) = frame.as_object_mut() {
                    frame.remove("usage");
                }
                self.texts.insert(
                    key.clone(),
                    Held { frame, place: format!("/choices/0{place}"), is_json, ..Held::default() },
                );
            }
            let mut given = self.push(&key, &piece)?;
            if ends {
                let end = self.texts.get(&key).map_or(0, |held| held.text.len());
                given += &self.give(&key, end)?;
            }
            changed |= given != piece;
            if let Some(text) = choice.pointer_mut(&place) {
                *text = Value::from(given);
            }
            seen.push(key);
        }
        if ends {
            let of_choice = format!("{index} ");
            let keys: Vec<String> = self.texts.keys().filter(|key| key.starts_with(&of_choice)).cloned().collect();
            for key in keys {
                match seen.contains(&key) {
                    true => drop(self.texts.remove(&key)),
                    false => self.release(&key, before)?,
                }
            }
        }
        Ok(changed)
    }

    /// An event of the Responses API: a piece of a text, or something that repeats texts as a whole.
    fn event(&mut self, mut data: Value, name: Option<String>, frame: Bytes) -> Result<Bytes, Problem> {
        let kind = data.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Sound has no text in it; what is said in it has.
        let is_piece = kind.ends_with(".delta") && (!kind.contains("audio") || kind.contains("transcript"));
        if is_piece && let Some(Value::String(piece)) = data.get_mut("delta") {
            let piece = std::mem::take(piece);
            let changed = self.others(&mut data)?;
            let part = |name: &str| data.get(name).map(Value::to_string).unwrap_or_default();
            let parts = ["item_id", "output_index", "content_index", "summary_index"].map(part);
            let key = format!("{kind} {}", parts.join(" "));
            if !self.texts.contains_key(&key) {
                let (frame, event, is_json) = (data.clone(), name.clone(), kind.contains(ARGUMENTS));
                let held = Held { frame, place: "/delta".into(), event, is_json, ..Held::default() };
                self.texts.insert(key.clone(), held);
            }
            let given = self.push(&key, &piece)?;
            if given == piece && !changed {
                return Ok(frame);
            }
            data["delta"] = Value::from(given);
            return Ok(written(&data, name.as_deref()).into());
        }
        let ends = ["done", "completed", "failed", "incomplete", "error"].iter().any(|end| kind.ends_with(end));
        let held = if ends { self.rest()? } else { Vec::new() };
        let mut tally = self.guard.tally();
        let changed = answered(&self.guard, &self.places, &data.to_string(), &mut tally)?;
        self.whole.or_more(&tally);
        if let Some(kinds) = tally.blocked() {
            return Err(Problem::AnswerBlocked(kinds));
        }
        let frame = match changed.and_then(|changed| serde_json::from_str::<Value>(&changed).ok()) {
            Some(changed) => written(&changed, name.as_deref()).into(),
            None => frame,
        };
        Ok(joined(held, frame))
    }

    /// Takes a piece of a text, and gives what is certain.
    fn push(&mut self, key: &str, piece: &str) -> Result<String, Problem> {
        let longest = WINDOW.max(self.guard.detectors.longest_own() + BEHIND);
        let window = if self.guard.changes_answers() { longest } else { 0 };
        let secrets = self.guard.in_answer(Kind::Secret) != GuardAction::Allow;
        let Some(held) = self.texts.get_mut(key) else { return Ok(piece.to_owned()) };
        held.text.push_str(piece);
        let cut = certain(&self.guard, &held.text, held.from, window, secrets);
        if secrets && held.text.len() - cut > LONGEST_SECRET {
            self.tally.note(Kind::Secret, GuardAction::Block);
            return Err(Problem::AnswerBlocked(format!("{} of more than 16 KiB", Kind::Secret.as_str())));
        }
        self.give(key, cut)
    }

    /// Gives a text up to `cut`, and keeps a little of it for the words around what comes.
    fn give(&mut self, key: &str, cut: usize) -> Result<String, Problem> {
        let Some(held) = self.texts.get_mut(key) else { return Ok(String::new()) };
        let text = held.text.get(..cut).unwrap_or_default();
        let guard = &self.guard;
        let rule = |kind| guard.in_answer(kind);
        let masked = guard.edited(text, held.from, rule, &mut self.tally, |kind, _, _| guard.mask(kind));
        let given = masked.as_deref().unwrap_or(text.get(held.from..).unwrap_or_default());
        let given = self.places.restored(given, held.is_json).unwrap_or_else(|| given.to_owned());
        let keep = floor(&held.text, cut.saturating_sub(BEFORE));
        held.text.drain(..keep);
        held.from = cut - keep;
        match self.tally.blocked() {
            Some(kinds) => Err(Problem::AnswerBlocked(kinds)),
            None => Ok(given),
        }
    }

    /// What was held back of a text, as a frame of its own.
    fn release(&mut self, key: &str, out: &mut Vec<u8>) -> Result<(), Problem> {
        let end = self.texts.get(key).map_or(0, |held| held.text.len());
        let given = self.give(key, end)?;
        let Some(held) = self.texts.remove(key) else { return Ok(()) };
        let (mut frame, place) = (held.frame, held.place);
        if !given.is_empty()
            && let Some(text) = frame.pointer_mut(&place)
        {
            *text = Value::from(given);
            out.extend(written(&frame, held.event.as_deref()));
        }
        Ok(())
    }
}

/// The pieces of texts in a choice, with where they were: they are taken out of it.
fn pieces_of(choice: &mut Value) -> Vec<(String, String)> {
    let calls = choice.pointer("/delta/tool_calls").and_then(Value::as_array).map_or(0, Vec::len);
    let of_calls = (0..calls).map(|call| format!("/delta/tool_calls/{call}{OF_CALL}"));
    let mut pieces = Vec::new();
    for place in TEXTS.iter().map(|place| (*place).to_owned()).chain(of_calls) {
        if let Some(Value::String(piece)) = choice.pointer_mut(&place) {
            let piece = std::mem::take(piece);
            pieces.push((place, piece));
        }
    }
    pieces
}

/// A choice that has nothing but a piece of one text, and where in it that is.
fn bare(index: u64, place: &str, call: Option<Value>) -> (Value, String) {
    let mut bare = json!({ "index": index, "finish_reason": null });
    if place.ends_with(OF_CALL) {
        bare["delta"] = json!({ "tool_calls": [{ "index": call, "function": { "arguments": "" } }] });
        return (bare, format!("/delta/tool_calls/0{OF_CALL}"));
    }
    let mut into = &mut bare;
    for member in place.split('/').skip(1) {
        into = &mut into[member];
    }
    *into = json!("");
    (bare, place.to_owned())
}

/// Up to where a text is certain: before the last `window` bytes, before a word that has not ended, before a private key or
/// a token that has not, if `secrets` are looked for, before what was found across that, and before a placeholder that was
/// begun.
fn certain(guard: &Guard, text: &str, from: usize, window: usize, secrets: bool) -> usize {
    let mut cut = floor(text, text.len().saturating_sub(window)).max(from);
    if window > 0 {
        let given = text.get(from..cut).unwrap_or_default();
        let space = given.char_indices().rfind(|(_, c)| c.is_whitespace());
        let word = space.map_or(from, |(at, space)| from + at + space.len_utf8());
        if cut - word < LONGEST_WORD {
            cut = word;
        }
        if secrets {
            let given = text.get(from..cut).unwrap_or_default();
            let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/=~".contains(byte);
            cut -= given.bytes().rev().take_while(of_token).count();
            cut = open_key(text, from).map_or(cut, |key| cut.min(key));
        }
        for finding in guard.found(text) {
            if finding.start < cut && finding.end > cut {
                cut = finding.start.max(from);
            }
        }
    }
    let tail = floor(text, cut.saturating_sub(LONGEST)).max(from);
    match text.get(tail..cut).and_then(|tail| tail.rfind('[')) {
        Some(at) if !text.get(tail + at..cut).is_some_and(|begun| begun.contains(']')) => tail + at,
        _ => cut,
    }
}

/// Where a private key begins that has no last line yet.
fn open_key(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let begin = at + text.get(at..)?.find(BEGIN)?;
        let after = begin + BEGIN.len();
        let head = text.as_bytes().get(after..).unwrap_or_default();
        let is_key = memchr::memmem::find(head.get(..64).unwrap_or(head), b"PRIVATE KEY-----").is_some();
        if is_key {
            let Some(end) = text.get(after..)?.find(END) else { return Some(begin) };
            at = after + end + END.len();
            // The rest of the last line.
            let foot = text.as_bytes().get(at..).unwrap_or_default();
            if foot.len() < 64 && memchr::memmem::find(foot, b"-----").is_none() {
                return Some(begin);
            }
        } else {
            at = after;
        }
    }
}

/// The start of the character that a byte is in.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn written(data: &Value, event: Option<&str>) -> Vec<u8> {
    let event = event.map(|event| format!("event: {event}\n")).unwrap_or_default();
    format!("{event}data: {data}\n\n").into_bytes()
}

fn joined(mut before: Vec<u8>, frame: impl AsRef<[u8]> + Into<Bytes>) -> Bytes {
    if before.is_empty() {
        return frame.into();
    }
    before.extend_from_slice(frame.as_ref());
    before.into()
}
