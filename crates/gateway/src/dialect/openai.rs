//! The OpenAI HTTP API: the little of a request and of an answer that the gateway must read, and the edits it makes.
//!
//! Bodies are forwarded as they came. Two places of a request may be edited, each as a span of bytes: the name of the
//! model, when the provider calls it otherwise, and `stream_options.include_usage`, so that streams are accounted for.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::sse;

/// An operation of the API that is governed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `POST /chat/completions`.
    ChatCompletions,
    /// `POST /completions`.
    Completions,
    /// `POST /embeddings`.
    Embeddings,
    /// `POST /responses`.
    Responses,
}

impl Operation {
    /// The path below the base address.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
        }
    }

    /// Whether streams tell their usage only when `stream_options.include_usage` asks for it.
    #[must_use]
    fn must_ask_for_usage(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }
}

/// Longest identifier of a subject, in bytes.
pub const MAX_SUBJECT: usize = 1024;

/// Why a request cannot be routed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// The body is not UTF-8.
    #[error("the request body is not UTF-8 at byte {0}: send JSON")]
    Utf8(usize),
    /// The body is not a JSON object, or a field that is read has the wrong type.
    #[error("the request body is not the JSON object this operation takes: {0}")]
    Json(String),
    /// There is no `model`.
    #[error("the request names no model: set `model` to the name of a route")]
    NoModel,
    /// A field that must be text is not.
    #[error("`{0}` must be a string")]
    NotText(&'static str),
    /// The subject's identifier is too long.
    #[error("`{0}` is longer than 1024 bytes: send a shorter identifier")]
    SubjectTooLong(&'static str),
}

impl PeekError {
    /// The field that is wrong, for the error's `param`.
    #[must_use]
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Utf8(_) | Self::Json(_) => None,
            Self::NoModel => Some("model"),
            Self::NotText(field) | Self::SubjectTooLong(field) => Some(field),
        }
    }
}

/// What the gateway reads of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The model that was asked for.
    pub model: String,
    /// Whether the answer shall be streamed.
    pub stream: bool,
    /// Whom it concerns: `safety_identifier`, else `user`, unless empty.
    pub subject: Option<String>,
    /// Where the JSON string of the model's name is.
    model_span: Range<usize>,
    /// The edit that makes a stream tell its usage; `None` when the client asked for that itself.
    usage_edit: Option<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    span: Range<usize>,
    with: String,
}

#[derive(Deserialize)]
struct RequestFields<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, default)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    include_usage: Option<&'a RawValue>,
}

/// Reads a value that is there, even if it is `null`, so that its place is known.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads what is needed of a request body.
///
/// # Errors
/// [`PeekError`] when the body is not a JSON object with a model; a repeated field is an error too, because two
/// readers could take it differently.
pub fn peek_request(operation: Operation, body: &[u8]) -> Result<Peek, PeekError> {
    let text = std::str::from_utf8(body).map_err(|error| PeekError::Utf8(error.valid_up_to()))?;
    let object = text.find(|c: char| !c.is_ascii_whitespace()).filter(|at| text[*at..].starts_with('{'));
    let object = object.ok_or_else(|| PeekError::Json("expected an object".into()))?;
    let fields: RequestFields<'_> = serde_json::from_str(text).map_err(|error| PeekError::Json(error.to_string()))?;
    let model = fields.model.ok_or(PeekError::NoModel)?;
    let subject = match (fields.safety_identifier, fields.user) {
        (Some(id), _) => subject("safety_identifier", id)?,
        (None, Some(id)) => subject("user", id)?,
        (None, None) => None,
    };
    let stream = fields.stream.unwrap_or(false);
    let ask = stream && operation.must_ask_for_usage();
    Ok(Peek {
        model: serde_json::from_str(model.get()).map_err(|_| PeekError::NotText("model"))?,
        stream,
        subject,
        model_span: span(text, model),
        usage_edit: if ask { usage_edit(text, object, fields.stream_options) } else { None },
    })
}

fn subject(field: &'static str, value: &RawValue) -> Result<Option<String>, PeekError> {
    let id: String = serde_json::from_str(value.get()).map_err(|_| PeekError::NotText(field))?;
    if id.len() > MAX_SUBJECT {
        return Err(PeekError::SubjectTooLong(field));
    }
    Ok(Some(id).filter(|id| !id.is_empty()))
}

/// Where a borrowed value lies in the text it was borrowed from.
fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

fn usage_edit(text: &str, object: usize, options: Option<&RawValue>) -> Option<Edit> {
    let Some(options) = options else {
        let with = r#""stream_options":{"include_usage":true},"#.to_owned();
        return Some(Edit { span: object + 1..object + 1, with });
    };
    let place = span(text, options);
    if options.get() == "null" {
        return Some(Edit { span: place, with: r#"{"include_usage":true}"#.into() });
    }
    // Anything else than an object is for the provider to refuse.
    let inside = options.get().strip_prefix('{')?;
    let include: Option<&RawValue> = serde_json::from_str::<StreamOptions<'_>>(options.get()).ok()?.include_usage;
    match include.map(|value| (value.get(), span(text, value))) {
        Some(("true", _)) => None,
        Some((_, place)) => Some(Edit { span: place, with: "true".into() }),
        None => {
            let comma = if inside.trim_start().starts_with('}') { "" } else { "," };
            let after_brace = place.start + 1;
            Some(Edit { span: after_brace..after_brace, with: format!(r#""include_usage":true{comma}"#) })
        }
    }
}

impl Peek {
    /// Whether the provider is asked for the usage of a stream although the client did not ask.
    #[must_use]
    pub fn usage_is_ours(&self) -> bool {
        self.usage_edit.is_some()
    }

    /// The body for the provider: `body`, which this was read from, with `model` as the model's name there.
    #[must_use]
    pub fn rewrite(&self, body: &Bytes, model: &str) -> Bytes {
        let name = (model != self.model)
            .then(|| Edit { span: self.model_span.clone(), with: serde_json::Value::from(model).to_string() });
        let mut edits: Vec<&Edit> = name.iter().chain(&self.usage_edit).collect();
        if edits.is_empty() {
            return body.clone();
        }
        edits.sort_unstable_by_key(|edit| edit.span.start);
        let mut out = Vec::with_capacity(body.len() + 128);
        let mut from = 0;
        for edit in edits {
            out.extend_from_slice(body.get(from..edit.span.start).unwrap_or_default());
            out.extend_from_slice(edit.with.as_bytes());
            from = edit.span.end;
        }
        out.extend_from_slice(body.get(from..).unwrap_or_default());
        out.into()
    }
}

/// Tokens as the provider counted them; absent when it did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the request.
    pub input: Option<i64>,
    /// Of the answer.
    pub output: Option<i64>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
}

impl Tokens {
    fn of(usage: Option<&RawValue>) -> Option<Self> {
        let usage: Usage = serde_json::from_str::<Option<Usage>>(usage?.get()).ok()??;
        Some(Self {
            input: usage.prompt_tokens.or(usage.input_tokens),
            output: usage.completion_tokens.or(usage.output_tokens),
        })
    }
}

#[derive(Deserialize)]
struct AnswerFields<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// Reads a whole answer: its usage, or `None` when it is not a JSON object at all.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Tokens> {
    let text = std::str::from_utf8(body).ok()?;
    text.trim_start().strip_prefix('{')?;
    let answer: AnswerFields<'_> = serde_json::from_str(text).ok()?;
    Some(Tokens::of(answer.usage).unwrap_or_default())
}

/// What to do with a frame of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Forward,
    /// Leave it out: it is there only because we asked for the usage.
    Strip,
    /// It ends the stream: pass it on when the record is durable.
    Last,
}

/// Watches a stream go by.
#[derive(Debug)]
pub struct Watch {
    operation: Operation,
    usage_is_ours: bool,
    /// Tokens, once the stream has told them.
    pub tokens: Tokens,
    /// Whether the provider said in the stream that it failed.
    pub failed: bool,
    /// Whether the provider said that the stream is at its end. A connection that merely closes says nothing.
    pub ended: bool,
}

#[derive(Deserialize)]
struct ChunkFields<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EventFields<'a> {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    response: Option<AnswerFields<'a>>,
}

impl Watch {
    /// For the answer to a request of `operation`; `usage_is_ours` as [`Peek::usage_is_ours`].
    #[must_use]
    pub fn new(operation: Operation, usage_is_ours: bool) -> Self {
        Self { operation, usage_is_ours, tokens: Tokens::default(), failed: false, ended: false }
    }

    /// Looks at the next frame.
    pub fn look(&mut self, frame: &[u8]) -> Verdict {
        let event = sse::event(frame);
        let data = event.data.as_ref();
        self.failed |= event.name == b"error";
        let verdict = match self.operation {
            Operation::Responses => self.look_at_event(data),
            _ if data == b"[DONE]" => Verdict::Last,
            _ => self.look_at_chunk(data),
        };
        self.ended |= verdict == Verdict::Last;
        verdict
    }

    /// Whether a client can read a frame: its data is JSON, the end of a stream, or nothing.
    #[must_use]
    pub fn is_readable(frame: &[u8]) -> bool {
        let data = sse::event(frame).data;
        let data = data.as_ref();
        data.is_empty() || data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
    }

    fn look_at_chunk(&mut self, data: &[u8]) -> Verdict {
        // Most chunks are deltas: only those that could tell an error or the usage are parsed.
        if !tells(data, br#""error""#) && !tells(data, br#""usage""#) {
            return Verdict::Forward;
        }
        let Ok(chunk) = serde_json::from_slice::<ChunkFields<'_>>(data) else { return Verdict::Forward };
        self.failed |= chunk.error.is_some();
        let Some(tokens) = Tokens::of(chunk.usage) else { return Verdict::Forward };
        self.tokens = tokens;
        let empty =
            chunk.choices.is_some_and(|choices| choices.get().bytes().filter(|b| !b.is_ascii_whitespace()).eq(*b"[]"));
        if self.usage_is_ours && empty { Verdict::Strip } else { Verdict::Forward }
    }

    fn look_at_event(&mut self, data: &[u8]) -> Verdict {
        // Most events are deltas: only those that could end the stream are parsed.
        let ends = [&b"\"response.completed\""[..], b"\"response.failed\"", b"\"response.incomplete\"", b"\"error\""];
        if !ends.iter().any(|end| memchr::memmem::find(data, end).is_some()) {
            return Verdict::Forward;
        }
        let Ok(event) = serde_json::from_slice::<EventFields<'_>>(data) else { return Verdict::Forward };
        self.failed |= matches!(event.kind.as_str(), "response.failed" | "error");
        if !matches!(event.kind.as_str(), "response.completed" | "response.failed" | "response.incomplete") {
            return Verdict::Forward;
        }
        self.tokens = event.response.and_then(|response| Tokens::of(response.usage)).unwrap_or_default();
        Verdict::Last
    }
}

/// Whether a chunk has a field `key`, given in its quotes, that is not `null`, at any depth. Inside a JSON string the
/// quotes would be escaped, so that text which happens to say "usage" does not match.
fn tells(data: &[u8], key: &[u8]) -> bool {
    memchr::memmem::find_iter(data, key).any(|at| {
        let mut after = data[at + key.len()..].iter().filter(|byte| !byte.is_ascii_whitespace());
        after.next() == Some(&b':') && after.next() != Some(&b'n')
    })
}

#[cfg(test)]
mod tests;
