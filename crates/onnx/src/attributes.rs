//! The attributes of one node, each taken by name when its operator is built. What is left untaken at the end is an
//! attribute nobody understood, and refuses the model: ignoring it could change answers silently.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Problem, Refusal};
use crate::plan::{Context, Plan};
use crate::proto::{AttributeProto, NodeProto, text};
use crate::tensor::Tensor;

/// `AttributeProto.AttributeType` of `onnx.proto3`.
mod kind {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const TENSOR: i32 = 4;
    pub const GRAPH: i32 = 5;
    pub const FLOATS: i32 = 6;
    pub const INTS: i32 = 7;
    pub const STRINGS: i32 = 8;
}

pub(crate) struct Attributes<'a> {
    left: BTreeMap<String, AttributeProto>,
    context: &'a Context,
    /// The version of the node's own operator set.
    pub opset: i64,
    /// How many inputs and outputs the node lists.
    pub inputs: usize,
    pub outputs: usize,
}

impl<'a> Attributes<'a> {
    pub fn new(node: &mut NodeProto, context: &'a Context, opset: i64) -> Result<Self, Problem> {
        let mut left = BTreeMap::new();
        for attribute in std::mem::take(&mut node.attribute) {
            let name = attribute.name.clone();
            if !attribute.ref_attr_name.is_empty() {
                return Err(Problem::new(format!(
                    "attribute `{name}` refers to a function's, and functions are not supported"
                )));
            }
            if left.insert(name.clone(), attribute).is_some() {
                return Err(Problem::new(format!("attribute `{name}` is given twice")));
            }
        }
        Ok(Self { left, context, opset, inputs: node.input.len(), outputs: node.output.len() })
    }

    /// The attribute `name` if present. Its declared kind must be `kind`; exports older than IR version 3 declare none.
    fn take(&mut self, name: &str, kind: i32) -> Result<Option<AttributeProto>, Problem> {
        match self.left.remove(name) {
            Some(attribute) if attribute.kind != kind && attribute.kind != 0 => {
                Err(Problem::new(format!("attribute `{name}` has the wrong kind of value")))
            }
            found => Ok(found),
        }
    }

    pub fn int(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        Ok(self.take(name, kind::INT)?.map(|attribute| attribute.i))
    }

    /// A truth value, as ONNX writes them: an integer.
    pub fn flag(&mut self, name: &str, default: bool) -> Result<bool, Problem> {
        Ok(self.int(name)?.map_or(default, |value| value != 0))
    }

    pub fn float(&mut self, name: &str, default: f32) -> Result<f32, Problem> {
        Ok(self.take(name, kind::FLOAT)?.map_or(default, |attribute| attribute.f))
    }

    pub fn text(&mut self, name: &str) -> Result<Option<Arc<str>>, Problem> {
        self.take(name, kind::STRING)?.map(|attribute| text(&attribute.s).map_err(Problem)).transpose()
    }

    /// The value that `table` gives to the attribute's text, or to `default` when it is absent.
    pub fn choice<T: Copy>(&mut self, name: &str, default: &str, table: &[(&str, T)]) -> Result<T, Problem> {
        let given = self.text(name)?;
        choose(name, given.as_deref().unwrap_or(default), table)
    }

    pub fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, Problem> {
        Ok(self.take(name, kind::INTS)?.map(|attribute| attribute.ints))
    }

    pub fn floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, Problem> {
        Ok(self.take(name, kind::FLOATS)?.map(|attribute| attribute.floats))
    }

    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<Arc<str>>>, Problem> {
        let Some(attribute) = self.take(name, kind::STRINGS)? else { return Ok(None) };
        attribute.strings.iter().map(|bytes| text(bytes)).collect::<Result<_, _>>().map(Some).map_err(Problem)
    }

    pub fn tensor(&mut self, name: &str) -> Result<Option<Tensor>, Problem> {
        let Some(attribute) = self.take(name, kind::TENSOR)? else { return Ok(None) };
        let Some(proto) = attribute.t else {
            return Err(Problem::new(format!("attribute `{name}` holds no tensor")));
        };
        proto.to_tensor().map(Some).map_err(|refusal| Problem::new(format!("attribute `{name}`: {refusal}")))
    }

    /// A nested graph, compiled.
    pub fn plan(&mut self, name: &str) -> Result<Plan, Problem> {
        let graph = self.take(name, kind::GRAPH)?.and_then(|attribute| attribute.g);
        let Some(graph) = graph else {
            return Err(Problem::new(format!("attribute `{name}` is missing")));
        };
        let nested = self.context.nested()?;
        Plan::compile(*graph, &nested).map_err(|refusal: Refusal| Problem::new(format!("in `{name}`: {refusal}")))
    }

    /// Takes attributes that are understood but change no answer.
    pub fn disregard(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    /// Ends the taking: an error if an attribute is left.
    pub fn finish(self) -> Result<(), Problem> {
        match self.left.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::new(format!("attribute `{name}` is not supported"))),
        }
    }
}

/// The value that `table` gives to `given`.
pub(crate) fn choose<T: Copy>(name: &str, given: &str, table: &[(&str, T)]) -> Result<T, Problem> {
    let found = table.iter().find(|(text, _)| *text == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(text, _)| *text).collect();
        Problem::new(format!("attribute `{name}` is `{given}`; supported: {}", known.join(", ")))
    })
}

/// The value of an attribute that has no default.
pub(crate) fn required<T>(name: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::new(format!("attribute `{name}` is missing")))
}
