//! The core of an inference record: what is known of one call without its contents.
//!
//! The core holds no personal data and is kept for the whole retention term; the contents are sealed apart and can be
//! forgotten. Its byte form is the preimage of the record's leaf.

use super::tlv::{self, Field, Kind, Slot, TlvError, Value};

macro_rules! slot_type {
    (Text required) => { String };
    (Int required) => { i64 };
    (Time required) => { i64 };
    (Bytes required) => { Vec<u8> };
    (Text optional) => { Option<String> };
    (Int optional) => { Option<i64> };
    (Time optional) => { Option<i64> };
    (Bytes optional) => { Option<Vec<u8>> };
}

macro_rules! get {
    ($place:expr, Text required) => {
        Some(Value::Text(&$place))
    };
    ($place:expr, Int required) => {
        Some(Value::Int($place))
    };
    ($place:expr, Time required) => {
        Some(Value::Int($place))
    };
    ($place:expr, Bytes required) => {
        Some(Value::Bytes(&$place))
    };
    ($place:expr, Text optional) => {
        $place.as_deref().map(Value::Text)
    };
    ($place:expr, Int optional) => {
        $place.map(Value::Int)
    };
    ($place:expr, Time optional) => {
        $place.map(Value::Int)
    };
    ($place:expr, Bytes optional) => {
        $place.as_deref().map(Value::Bytes)
    };
}

macro_rules! slot {
    ($place:expr, Text required) => {
        Slot::Text(&mut $place)
    };
    ($place:expr, Int required) => {
        Slot::Int(&mut $place)
    };
    ($place:expr, Time required) => {
        Slot::Int(&mut $place)
    };
    ($place:expr, Bytes required) => {
        Slot::Bytes(&mut $place)
    };
    ($place:expr, Text optional) => {
        Slot::OptText(&mut $place)
    };
    ($place:expr, Int optional) => {
        Slot::OptInt(&mut $place)
    };
    ($place:expr, Time optional) => {
        Slot::OptInt(&mut $place)
    };
    ($place:expr, Bytes optional) => {
        Slot::OptBytes(&mut $place)
    };
}

macro_rules! record {
    ($(#[$doc:meta])* $record:ident; $( $id:literal $name:ident $kind:ident $need:ident $text:literal; )*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $record { $( #[doc = $text] pub $name: slot_type!($kind $need), )* }

        /// The fields in the order of the byte form. The same list makes the columns of the Parquet files.
        pub const FIELDS: &[Field] = &[$( Field {
            id: $id, name: stringify!($name), kind: Kind::$kind,
            optional: matches!(stringify!($need).as_bytes(), b"optional"), doc: $text,
        } ),*];

        impl $record {
            /// The value of a field; `None` when it is absent or not a field.
            #[must_use]
            pub fn get(&self, id: u16) -> Option<Value<'_>> {
                match id { $( $id => get!(self.$name, $kind $need), )* _ => None }
            }

            /// The place of a field, to be filled; `None` when `id` is not a field.
            pub fn slot(&mut self, id: u16) -> Option<Slot<'_>> {
                match id { $( $id => Some(slot!(self.$name, $kind $need)), )* _ => None }
            }
        }
    };
}

record! {
    /// One inference, without its contents.
    InferenceCore;
    1 inference_id Text required "UUIDv7 of the inference, also in the response header `x-counterfoil-inference`";
    2 ts_start Time required "when the request had arrived";
    3 ts_end Time required "when the last byte of the answer was ready, or the attempt ended";
    4 door Text required "protocol and operation, such as `openai.chat.completions` or `oip.infer`";
    5 service Text optional "the service whose key was used";
    6 key Text optional "public identifier of the key";
    7 route Text optional "name of the route that answered; absent when none matched";
    8 model Text optional "model that answered: `provider/model`, or a registered model's name";
    9 version Text optional "its version; `as-served` for an outside provider";
    10 deployment Text optional "the deployment that answered";
    11 provider Text optional "outside provider, when there was one";
    12 region Text optional "where the inference was processed, as declared";
    13 purpose Text optional "declared purpose of the service";
    14 classification Text required "classification of the payload, which chose its keys";
    15 subject_tag Bytes optional "16 bytes that link one subject's records of one day; absent when the request named no subject";
    16 status Text required "`ok`, `error`, `refused`, `cancelled` or `interrupted`";
    17 http_status Int optional "HTTP status that was answered";
    18 error_code Text optional "our code for what went wrong; absent when nothing did";
    19 stream Int required "1 when the answer was streamed, else 0";
    20 tokens_in Int optional "input tokens as the provider counted them";
    21 tokens_out Int optional "output tokens as the provider counted them";
    22 request_bytes Int required "bytes of the request body";
    23 response_bytes Int required "bytes of the response body as sent";
    24 upstream_us Int optional "microseconds from calling the provider or the model until its last byte";
    25 first_byte_us Int optional "microseconds from calling the provider until its first body byte";
    26 policies Text optional "identifiers of the Cedar policies that decided, separated by commas";
    27 config_size Int required "ledger size of the state under which the call was governed";
    40 day Text required "day of the payload's period key, `yyyy-mm-dd` in UTC";
    41 r Bytes required "24 random bytes from which the record's keys are derived";
    42 ct_sha256 Bytes required "SHA-256 of the sealed payload";
    43 c_root Bytes required "commitment to the payload's fields";
    60 node Text required "node that wrote the record";
    61 incarnation Int required "the node's incarnation";
    62 node_seq Int required "number of the record in the incarnation, from 0 and without gaps";
}

/// How an inference ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Answered.
    Ok,
    /// The provider or the model failed.
    Error,
    /// We refused: no key, no route, no permission, bad input.
    Refused,
    /// The client went away before the end.
    Cancelled,
    /// We stopped before the end; the record was made at the next start.
    Interrupted,
}

impl Status {
    /// The word used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

impl InferenceCore {
    /// The byte form without the last field, `node_seq`, which the log's writer appends when it knows it.
    #[must_use]
    pub fn encode_unnumbered(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        for field in FIELDS.iter().filter(|field| field.id != Self::NODE_SEQ) {
            if let Some(value) = self.get(field.id) {
                tlv::write(field.id, value, &mut out);
            }
        }
        out
    }

    /// The number of the field `node_seq`, the last.
    pub const NODE_SEQ: u16 = 62;

    /// Appends `node_seq` to what [`Self::encode_unnumbered`] returned.
    pub fn append_node_seq(unnumbered: &mut Vec<u8>, node_seq: u64) {
        let number = i64::try_from(node_seq).unwrap_or(i64::MAX);
        tlv::write(Self::NODE_SEQ, Value::Int(number), unnumbered);
    }

    /// The whole byte form: the preimage of the leaf.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_unnumbered();
        tlv::write(Self::NODE_SEQ, Value::Int(self.node_seq), &mut out);
        out
    }

    /// Reads the byte form. Every field must be known, in order and of its kind, and required ones present.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut core = Self::default();
        let mut fields = FIELDS.iter();
        tlv::read(bytes, |id, value| {
            let field = loop {
                let field = fields.next().ok_or(TlvError::Unknown(id))?;
                if field.id == id {
                    break field;
                }
                if field.id > id {
                    return Err(TlvError::Unknown(id));
                }
                if !field.optional {
                    return Err(TlvError::Missing(field.name));
                }
            };
            let put = core.slot(id).is_some_and(|slot| tlv::value(field, value).is_ok_and(|value| slot.put(value)));
            if put { Ok(()) } else { Err(TlvError::Malformed(id)) }
        })?;
        match fields.find(|field| !field.optional) {
            Some(missing) => Err(TlvError::Missing(missing.name)),
            None => Ok(core),
        }
    }
}
