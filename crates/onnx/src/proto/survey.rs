//! A walk over the wire bytes, before anything is decoded, that counts what decoding would allocate. Two bytes of
//! protobuf can become a message of two hundred; without these counts a small file could ask for gigabytes.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::error::Refusal;
use crate::limits::{MODEL_MESSAGES, MODEL_STRINGS};

/// Prost itself stops at 100 levels; real models need ten.
const DEPTH: usize = 40;

#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    NestedType,
    Shape,
    Flat,
}

enum Field {
    Message(Kind),
    Text,
    Other,
}

/// What the field `tag` of a message holds, for the messages of [`super`].
fn field(kind: Kind, tag: u32) -> Field {
    match (kind, tag) {
        (Kind::Model, 7) | (Kind::Attribute, 6) => Field::Message(Kind::Graph),
        (Kind::Model, 8 | 25) | (Kind::Graph, 15) | (Kind::Tensor, 13) => Field::Message(Kind::Flat),
        (Kind::Graph, 1) => Field::Message(Kind::Node),
        (Kind::Graph, 5) | (Kind::Attribute, 5) => Field::Message(Kind::Tensor),
        (Kind::Graph, 11 | 12) => Field::Message(Kind::Value),
        (Kind::Node, 5) => Field::Message(Kind::Attribute),
        (Kind::Value, 2) => Field::Message(Kind::Type),
        (Kind::Type, 1) => Field::Message(Kind::TensorType),
        (Kind::Type, 4 | 5) => Field::Message(Kind::NestedType),
        (Kind::NestedType, 1 | 2) => Field::Message(Kind::Type),
        (Kind::TensorType, 2) => Field::Message(Kind::Shape),
        (Kind::Shape, 1) => Field::Message(Kind::Flat),
        (Kind::Node, 1 | 2) | (Kind::Attribute, 9) | (Kind::Tensor, 6) => Field::Text,
        _ => Field::Other,
    }
}

/// Refuses bytes that hold more messages or strings than [`crate::limits`] allows.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    Survey { messages: 0, strings: 0 }.walk(bytes, Kind::Model, 0)
}

struct Survey {
    messages: usize,
    strings: usize,
}

impl Survey {
    fn walk(&mut self, mut bytes: &[u8], kind: Kind, depth: usize) -> Result<(), Refusal> {
        if depth > DEPTH {
            return Err(Refusal::TooLarge { what: "levels of nested messages", limit: DEPTH });
        }
        while !bytes.is_empty() {
            // Malformed bytes end the walk: the decoder stops at the same place, and says what is wrong.
            let Ok((tag, wire)) = decode_key(&mut bytes) else { return Ok(()) };
            let found = if wire == WireType::LengthDelimited { field(kind, tag) } else { Field::Other };
            if let Field::Other = found {
                let Ok(()) = skip_field(wire, tag, &mut bytes, DecodeContext::default()) else { return Ok(()) };
                continue;
            }
            let Some(body) = take(&mut bytes) else { return Ok(()) };
            match found {
                Field::Message(inner) => {
                    count(&mut self.messages, "protobuf messages", MODEL_MESSAGES)?;
                    self.walk(body, inner, depth + 1)?;
                }
                Field::Text => count(&mut self.strings, "strings", MODEL_STRINGS)?,
                Field::Other => {}
            }
        }
        Ok(())
    }
}

fn count(counter: &mut usize, what: &'static str, limit: usize) -> Result<(), Refusal> {
    *counter = counter.saturating_add(1);
    if *counter > limit { Err(Refusal::TooLarge { what, limit }) } else { Ok(()) }
}

/// The body of a length-delimited field, split off `bytes`.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (body, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(body)
}
