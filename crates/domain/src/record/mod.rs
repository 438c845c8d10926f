//! Records: observations at traffic rate, each a row of fields whose byte form is the preimage of its leaf.
//!
//! There are two kinds, inferences ([`crate::serving::InferenceCore`]) and accesses ([`crate::people::AccessCore`]). Each is
//! one list of fields, and the list makes everything: the struct, its byte form, the columns of its Parquet files and
//! those of its table. All kinds share the fields in [`common`], so that logs, segments and verifiers need to know no
//! more of a kind than its list.

mod tlv;

pub use tlv::{Field, Kind, Slot, TlvError, Value, read as read_tlv, write as write_tlv};

/// Numbers of the fields that every kind of record has.
pub mod common {
    /// Identifier of the record, the first field.
    pub const ID: u16 = 1;
    /// When it began.
    pub const TS_START: u16 = 2;
    /// When it ended, by which segments are kept.
    pub const TS_END: u16 = 3;
    /// Node that wrote it.
    pub const NODE: u16 = 60;
    /// The node's incarnation.
    pub const INCARNATION: u16 = 61;
    /// Number of the record in the incarnation, the last field.
    pub const NODE_SEQ: u16 = 62;
}

/// A kind of record.
pub trait Record: Clone + core::fmt::Debug + Default + PartialEq + Send + Sync + 'static {
    /// Number of the kind in proofs.
    const SCHEMA: u32;

    /// What one of them is a record of.
    const NOUN: &'static str;

    /// Name of the table that its segments make.
    const TABLE: &'static str;

    /// Name of the table of its sealed contents, when it has such.
    const PAYLOADS: Option<&'static str>;

    /// The fields in the order of the byte form. The same list makes the columns of the Parquet files.
    const FIELDS: &'static [Field];

    /// The value of a field; `None` when it is absent or not a field.
    fn get(&self, id: u16) -> Option<Value<'_>>;

    /// The place of a field, to be filled; `None` when `id` is not a field.
    fn slot(&mut self, id: u16) -> Option<Slot<'_>>;

    /// SHA-256 of its sealed contents; empty when it has none.
    fn sealed_sha256(&self) -> &[u8] {
        &[]
    }

    /// Whether it was made for something that a stop cut off.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// Makes the record of something that a stop cut off out of its beginning. `now_us` is when that was found.
    fn interrupt(&mut self, now_us: i64) {
        let _ = now_us;
    }

    /// Its identifier.
    fn id(&self) -> &str {
        self.text(common::ID)
    }

    /// When it ended, microseconds since the epoch.
    fn ended_us(&self) -> i64 {
        self.int(common::TS_END)
    }

    /// The node that wrote it.
    fn node_name(&self) -> &str {
        self.text(common::NODE)
    }

    /// Its incarnation and its number in it.
    fn place(&self) -> (i64, i64) {
        (self.int(common::INCARNATION), self.int(common::NODE_SEQ))
    }

    /// Says which node writes it, in which incarnation.
    fn written_by(&mut self, node: &str, incarnation: i64) {
        for (field, value) in [(common::NODE, Value::Text(node)), (common::INCARNATION, Value::Int(incarnation))] {
            let put = self.slot(field).is_some_and(|slot| slot.put(value));
            debug_assert!(put, "every kind has field {field}");
        }
    }

    #[doc(hidden)]
    fn text(&self, id: u16) -> &str {
        match self.get(id) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    #[doc(hidden)]
    fn int(&self, id: u16) -> i64 {
        match self.get(id) {
            Some(Value::Int(int)) => int,
            _ => 0,
        }
    }

    /// Appends the byte form without the last field, `node_seq`, which the log's writer appends when it knows it.
    fn encode_unnumbered(&self, out: &mut Vec<u8>) {
        for field in Self::FIELDS.iter().filter(|field| field.id != common::NODE_SEQ) {
            if let Some(value) = self.get(field.id) {
                tlv::write(field.id, value, out);
            }
        }
    }

    /// The whole byte form: the preimage of the leaf.
    #[must_use]
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.encode_unnumbered(&mut out);
        tlv::write(common::NODE_SEQ, Value::Int(self.int(common::NODE_SEQ)), &mut out);
        out
    }

    /// Reads the byte form. Every field must be known, in order and of its kind, and required ones present.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut core = Self::default();
        let mut fields = Self::FIELDS.iter();
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

/// Appends `node_seq` to what [`Record::encode_unnumbered`] wrote.
pub fn append_node_seq(unnumbered: &mut Vec<u8>, node_seq: u64) {
    let number = i64::try_from(node_seq).unwrap_or(i64::MAX);
    tlv::write(common::NODE_SEQ, Value::Int(number), unnumbered);
}

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
        Some($crate::record::Value::Text(&$place))
    };
    ($place:expr, Int required) => {
        Some($crate::record::Value::Int($place))
    };
    ($place:expr, Time required) => {
        Some($crate::record::Value::Int($place))
    };
    ($place:expr, Bytes required) => {
        Some($crate::record::Value::Bytes(&$place))
    };
    ($place:expr, Text optional) => {
        $place.as_deref().map($crate::record::Value::Text)
    };
    ($place:expr, Int optional) => {
        $place.map($crate::record::Value::Int)
    };
    ($place:expr, Time optional) => {
        $place.map($crate::record::Value::Int)
    };
    ($place:expr, Bytes optional) => {
        $place.as_deref().map($crate::record::Value::Bytes)
    };
}

macro_rules! slot {
    ($place:expr, Text required) => {
        $crate::record::Slot::Text(&mut $place)
    };
    ($place:expr, Int required) => {
        $crate::record::Slot::Int(&mut $place)
    };
    ($place:expr, Time required) => {
        $crate::record::Slot::Int(&mut $place)
    };
    ($place:expr, Bytes required) => {
        $crate::record::Slot::Bytes(&mut $place)
    };
    ($place:expr, Text optional) => {
        $crate::record::Slot::OptText(&mut $place)
    };
    ($place:expr, Int optional) => {
        $crate::record::Slot::OptInt(&mut $place)
    };
    ($place:expr, Time optional) => {
        $crate::record::Slot::OptInt(&mut $place)
    };
    ($place:expr, Bytes optional) => {
        $crate::record::Slot::OptBytes(&mut $place)
    };
}

macro_rules! record {
    (
        $(#[$doc:meta])* $record:ident, schema $schema:literal, noun $noun:literal, table $table:literal, payloads $payloads:expr;
        $( $id:literal $name:ident $kind:ident $need:ident $text:literal; )*
        { $($hooks:tt)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $record { $( #[doc = $text] pub $name: $crate::record::slot_type!($kind $need), )* }

        impl $crate::record::Record for $record {
            const SCHEMA: u32 = $schema;
            const NOUN: &'static str = $noun;
            const TABLE: &'static str = $table;
            const PAYLOADS: Option<&'static str> = $payloads;
            const FIELDS: &'static [$crate::record::Field] = &[$( $crate::record::Field {
                id: $id, name: stringify!($name), kind: $crate::record::Kind::$kind,
                optional: matches!(stringify!($need).as_bytes(), b"optional"), doc: $text,
            } ),*];

            fn get(&self, id: u16) -> Option<$crate::record::Value<'_>> {
                match id { $( $id => $crate::record::get!(self.$name, $kind $need), )* _ => None }
            }

            fn slot(&mut self, id: u16) -> Option<$crate::record::Slot<'_>> {
                match id { $( $id => Some($crate::record::slot!(self.$name, $kind $need)), )* _ => None }
            }

            $($hooks)*
        }
    };
}

pub(crate) use {get, record, slot, slot_type};
