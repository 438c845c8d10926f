//! The guard over a streamed answer. A value or a placeholder may come in pieces, so the end of each text is held back until
//! it is certain: a placeholder that was begun, and where answers are looked through, the last [`WINDOW`] bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::serving::Guard;
use serde_json::{Value, json};

use super::{LONGEST, Places, Tally, edited, found, json as document, mask};
use crate::dialect::openai::Operation;
use crate::dialect::sse;
use crate::problem::Problem;

/// How much of a text is held back where answers are looked through: longer than what has a form, with the words around it.
const WINDOW: usize = 128;

/// How much of what was given already is looked at again, for its words around what comes.
const BEFORE: usize = 64;

/// A word longer than this is given in pieces.
const LONGEST_WORD: usize = 1024;

/// Where a choice may have a piece of a text.
const TEXTS: [&str; 4] = ["/text", "/delta/content", "/delta/refusal", "/delta/reasoning_content"];

/// Where a call of a tool has one.
const ARGUMENTS: &str = "/function/arguments";

/// The guard over one stream.
pub(crate) struct StreamGuard {
    guard: Arc<Guard>,
    operation: Operation,
    places: Places,
    texts: BTreeMap<String, Held>,
    tally: Tally,
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
    /// The value of the frame's `event` field.
    event: Option<String>,
}

impl StreamGuard {
    pub(crate) fn new(guard: Arc<Guard>, operation: Operation, places: Places) -> Self {
        Self { guard, operation, places, texts: BTreeMap::new(), tally: Tally::default() }
    }

    /// What was found so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the client may have after this frame came: no frame, one or several.
    ///
    /// # Errors
    /// [`Problem::AnswerBlocked`] when the answer has what the route refuses.
    pub(crate) fn frame(&mut self, frame: Bytes) -> Result<Bytes, Problem> {
        let event = sse::event(&frame);
        let Ok(mut data) = serde_json::from_slice::<Value>(&event.data) else {
            // The end, or a comment.
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

    /// A chunk of chat completions or completions: pieces of texts by choice. Says whether it was changed.
    fn chunk(&mut self, chunk: &mut Value, before: &mut Vec<u8>) -> Result<bool, Problem> {
        let Some(mut choices) = chunk.get_mut("choices").filter(|choices| choices.is_array()).map(Value::take) else {
            return Ok(false);
        };
        let mut changed = false;
        for choice in choices.as_array_mut().into_iter().flatten() {
            changed |= self.choice(chunk, choice, before)?;
        }
        chunk["choices"] = choices;
        Ok(changed)
    }

    fn choice(&mut self, chunk: &Value, choice: &mut Value, before: &mut Vec<u8>) -> Result<bool, Problem> {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let ends = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
        let mut places: Vec<String> = TEXTS.map(str::to_owned).into();
        let calls = choice.pointer("/delta/tool_calls").and_then(Value::as_array).map_or(0, Vec::len);
        places.extend((0..calls).map(|call| format!("/delta/tool_calls/{call}{ARGUMENTS}")));
        let (mut changed, mut seen) = (false, Vec::new());
        for place in places {
            let Some(piece) = choice.pointer(&place).and_then(Value::as_str).map(str::to_owned) else { continue };
            // Which of several calls of tools it is, the call says, and not its place in the chunk.
            let call = place.strip_suffix(ARGUMENTS).map(|call| choice.pointer(&format!("{call}/index")).cloned());
            let key = match &call {
                Some(call) => format!("{index} call {}", call.clone().unwrap_or_default()),
                None => format!("{index} {place}"),
            };
            if !self.texts.contains_key(&key) {
                let (bare, place) = bare(index, &place, call.flatten());
                let mut frame = chunk.clone();
                frame["choices"] = json!([bare]);
                if let Some(frame) = frame.as_object_mut() {
                    frame.remove("usage");
                }
                self.texts.insert(key.clone(), Held { frame, place: format!("/choices/0{place}"), ..Held::default() });
            }
            let mut given = self.push(&key, &piece)?;
            if ends {
                let end = self.texts.get(&key).map_or(0, |held| held.text.len());
                given += &self.give(&key, end)?;
            }
            if given != piece
                && let Some(text) = choice.pointer_mut(&place)
            {
                (*text, changed) = (Value::from(given), true);
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
        let piece = data.get("delta").and_then(Value::as_str).map(str::to_owned);
        if let Some(piece) = piece.filter(|_| kind.ends_with(".delta") && !kind.contains("audio")) {
            let part = |name: &str| data.get(name).map(Value::to_string).unwrap_or_default();
            let key = format!("{kind} {} {} {}", part("item_id"), part("output_index"), part("content_index"));
            if !self.texts.contains_key(&key) {
                let held = Held { frame: data.clone(), place: "/delta".into(), event: name.clone(), ..Held::default() };
                self.texts.insert(key.clone(), held);
            }
            let given = self.push(&key, &piece)?;
            if given == piece {
                return Ok(frame);
            }
            data["delta"] = Value::from(given);
            return Ok(written(&data, name.as_deref()).into());
        }
        let held = self.rest()?;
        let (guard, places, tally) = (&self.guard, &self.places, &mut Tally::default());
        // What repeats texts that went by was counted then.
        let whole = data.to_string();
        let edit = |text: &str| {
            let masked = edited(text, 0, |kind| guard.in_answer(kind), tally, |kind, _, _| mask(kind));
            Ok::<_, Problem>(places.restored(masked.as_deref().unwrap_or(text)).or(masked))
        };
        let changed = document::edit_texts(&whole, edit)?;
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
        let changes = self.guard.changes_answers();
        let Some(held) = self.texts.get_mut(key) else { return Ok(piece.to_owned()) };
        held.text.push_str(piece);
        let cut = certain(&held.text, held.from, if changes { WINDOW } else { 0 });
        self.give(key, cut)
    }

    /// Gives a text up to `cut`, and keeps a little of it for the words around what comes.
    fn give(&mut self, key: &str, cut: usize) -> Result<String, Problem> {
        let Some(held) = self.texts.get_mut(key) else { return Ok(String::new()) };
        let text = held.text.get(..cut).unwrap_or_default();
        let guard = &self.guard;
        let masked = edited(text, held.from, |kind| guard.in_answer(kind), &mut self.tally, |kind, _, _| mask(kind));
        let given = masked.as_deref().unwrap_or(text.get(held.from..).unwrap_or_default());
        let given = self.places.restored(given).unwrap_or_else(|| given.to_owned());
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

/// A choice that has nothing but a piece of one text, and where in it that is.
fn bare(index: u64, place: &str, call: Option<Value>) -> (Value, String) {
    let mut bare = json!({ "index": index, "finish_reason": null });
    let place = match place.strip_prefix("/delta/") {
        None => {
            bare["text"] = json!("");
            place.to_owned()
        }
        Some(_) if place.ends_with(ARGUMENTS) => {
            bare["delta"] = json!({ "tool_calls": [{ "index": call, "function": { "arguments": "" } }] });
            format!("/delta/tool_calls/0{ARGUMENTS}")
        }
        Some(member) => {
            bare["delta"] = json!({ member: "" });
            place.to_owned()
        }
    };
    (bare, place)
}

/// Up to where a text is certain: before the last `window` bytes, before what was found across that, before a word that
/// has not ended, and before a placeholder that was begun.
fn certain(text: &str, from: usize, window: usize) -> usize {
    let mut cut = floor(text, text.len().saturating_sub(window)).max(from);
    if window > 0 {
        for finding in found(text) {
            if finding.start < cut && finding.end > cut {
                cut = finding.start.max(from);
            }
        }
        let given = text.get(from..cut).unwrap_or_default();
        let word = given.rfind(char::is_whitespace).map_or(from, |space| from + space + 1);
        if cut - word < LONGEST_WORD {
            cut = word.min(cut);
        }
    }
    let tail = floor(text, cut.saturating_sub(LONGEST)).max(from);
    match text.get(tail..cut).and_then(|tail| tail.rfind('[')) {
        Some(at) if !text.get(tail + at..cut).is_some_and(|begun| begun.contains(']')) => tail + at,
        _ => cut,
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
