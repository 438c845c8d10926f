//! The public face of a model: what it takes, what it gives, and running it.

use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::error::{Refusal, RunError};
use crate::ops::{self, ML};
use crate::plan::{Context, Plan};
use crate::proto::{
    self, AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, TypeProto, ValueInfoProto, type_name,
};
use crate::tensor::{DataType, Tensor};

/// Newest versions of the operator sets accepted. The tests run exports of 18 and 22; up to 25 the specification
/// only adds element types to the operators implemented here.
const NEWEST: [(&str, i64); 2] = [("", 25), (ML, 5)];

/// A named input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The name that calls use.
    pub name: String,
    /// The element type.
    pub datatype: DataType,
    /// The size of each dimension; `None` where any size goes, usually the rows. An output whose shape the model
    /// does not declare has an empty list here.
    pub shape: Vec<Option<u64>>,
    /// For the scores of a classifier: the class of each column, as text, in column order. Otherwise empty.
    ///
    /// Models exported with a `ZipMap` declare such an output as a list of maps from class to probability. It is
    /// given here as the tensor `[rows, classes]` that the maps are made from, under the same name, because the Open
    /// Inference Protocol has tensors only.
    pub class_labels: Vec<String>,
}

/// A model that can be run.
pub struct Model {
    plan: Plan,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl Model {
    /// Reads an ONNX file and prepares it for running.
    ///
    /// # Errors
    /// A [`Refusal`] if the bytes are no ONNX model, exceed [`crate::limits`], or need an operator, operator set
    /// version, attribute or type that is not implemented.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let model = proto::decode(bytes)?;
        if !model.functions.is_empty() {
            return Err(Refusal::Feature("model-local functions"));
        }
        let graph = model.graph.ok_or(Refusal::Missing("graph"))?;
        let context = Context::new(operator_sets(&model.opset_import)?);
        let labels = class_labels(&graph.node);
        let initialized: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let free = graph.input.iter().filter(|input| !initialized.contains(&input.name.as_str()));
        let inputs = free.map(input_info).collect::<Result<_, _>>()?;
        let outputs = outputs(&graph, &labels)?;
        Ok(Self { plan: Plan::compile(graph, &context)?, inputs, outputs })
    }

    /// The inputs every call must give, in the model's order.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// The outputs every call gets, in the model's order.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// The operators the model uses, each once, sorted; outside the default domain as `domain::name`.
    pub fn operators(&self) -> &[String] {
        self.plan.operators()
    }

    /// Computes all outputs. Inputs may come in any order; outputs come in that of [`Model::outputs`].
    ///
    /// # Errors
    /// A [`RunError`] that names the input (or the node) and says what was expected and what arrived.
    pub fn run(&self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, RunError> {
        let mut given: BTreeMap<&str, &Tensor> = BTreeMap::new();
        for (name, tensor) in inputs {
            if !self.inputs.iter().any(|info| info.name == *name) {
                return Err(RunError::UnknownInput { name: name.clone(), expected: self.input_names() });
            }
            if given.insert(name, tensor).is_some() {
                return Err(RunError::RepeatedInput(name.clone()));
            }
        }
        let mut ordered = Vec::with_capacity(self.inputs.len());
        for info in &self.inputs {
            let Some(tensor) = given.get(info.name.as_str()).copied() else {
                return Err(RunError::MissingInput { name: info.name.clone(), expected: self.input_names() });
            };
            info.check(tensor)?;
            ordered.push(tensor);
        }
        let results = self.plan.run(&ordered, &Budget::new())?;
        self.outputs.iter().zip(results).map(|(info, tensor)| info.label(tensor)).collect()
    }

    fn input_names(&self) -> String {
        self.inputs.iter().map(|info| format!("`{}`", info.name)).collect::<Vec<_>>().join(", ")
    }
}

impl TensorInfo {
    /// Checks an input against its declaration.
    fn check(&self, tensor: &Tensor) -> Result<(), RunError> {
        if tensor.datatype() != self.datatype {
            return Err(RunError::InputType {
                name: self.name.clone(),
                expected: self.datatype,
                actual: tensor.datatype(),
            });
        }
        let fits = tensor.shape().len() == self.shape.len()
            && self
                .shape
                .iter()
                .zip(tensor.shape())
                .all(|(declared, &size)| declared.is_none_or(|declared| declared == size as u64));
        if fits {
            return Ok(());
        }
        let declared = self.shape.iter().map(|size| size.map_or_else(|| "-1".to_owned(), |size| size.to_string()));
        Err(RunError::InputShape {
            name: self.name.clone(),
            expected: format!("[{}]", declared.collect::<Vec<_>>().join(", ")),
            actual: format!("{:?}", tensor.shape()),
        })
    }

    /// Names a result, if it has the declared type.
    fn label(&self, tensor: Tensor) -> Result<(String, Tensor), RunError> {
        if tensor.datatype() == self.datatype {
            return Ok((self.name.clone(), tensor));
        }
        Err(RunError::OutputType { name: self.name.clone(), expected: self.datatype, actual: tensor.datatype() })
    }
}

/// The version of each imported operator set, if all those known here are new enough.
fn operator_sets(imports: &[OperatorSetIdProto]) -> Result<BTreeMap<String, i64>, Refusal> {
    let mut versions = BTreeMap::new();
    for import in imports {
        let domain = if import.domain == "ai.onnx" { "" } else { &import.domain };
        let newest = NEWEST.iter().find(|(known, _)| *known == domain).map(|(_, newest)| *newest);
        if let Some(newest) = newest.filter(|newest| !(1..=*newest).contains(&import.version)) {
            let shown = if domain.is_empty() { "ai.onnx" } else { domain };
            return Err(Refusal::OperatorSet {
                domain: shown.to_owned(),
                version: import.version,
                supported: format!("1 to {newest}"),
            });
        }
        // Converters repeat an import; the newest counts. Sets not known here matter only if a node uses one.
        let version = versions.entry(domain.to_owned()).or_insert(import.version);
        *version = import.version.max(*version);
    }
    Ok(versions)
}

/// The size of each dimension, `None` for any.
type Shape = Vec<Option<u64>>;

/// The declared type and shape of a tensor. Sizes of zero and less are how older exporters write "any".
fn tensor_type(value: &ValueInfoProto) -> Result<(DataType, Option<Shape>), Refusal> {
    let unsupported = |actual: String| Refusal::Type { value: value.name.clone(), actual };
    let declared = value.r#type.as_ref().and_then(|declared| declared.tensor_type.as_ref());
    let declared = declared.ok_or_else(|| unsupported("other than a tensor".to_owned()))?;
    let datatype =
        DataType::from_proto(declared.elem_type).ok_or_else(|| unsupported(type_name(declared.elem_type)))?;
    let size = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).filter(|&size| size > 0);
    let shape = declared.shape.as_ref().map(|shape| shape.dim.iter().map(|dim| size(dim.dim_value)).collect());
    Ok((datatype, shape))
}

fn input_info(value: &ValueInfoProto) -> Result<TensorInfo, Refusal> {
    let (datatype, shape) = tensor_type(value)?;
    let shape = shape.ok_or_else(|| Refusal::Value {
        value: value.name.clone(),
        problem: "it is an input without a declared shape".to_owned(),
    })?;
    Ok(TensorInfo { name: value.name.clone(), datatype, shape, class_labels: Vec::new() })
}

fn outputs(graph: &GraphProto, labels: &BTreeMap<String, Vec<String>>) -> Result<Vec<TensorInfo>, Refusal> {
    let info = |value: &ValueInfoProto| {
        let class_labels = labels.get(&value.name).cloned().unwrap_or_default();
        let maps = value.r#type.as_ref().is_some_and(is_list_of_maps);
        let (datatype, shape) = match maps {
            true => (DataType::F32, vec![None, Some(class_labels.len() as u64)]),
            false => tensor_type(value).map(|(datatype, shape)| (datatype, shape.unwrap_or_default()))?,
        };
        Ok(TensorInfo { name: value.name.clone(), datatype, shape, class_labels })
    };
    graph.output.iter().map(info).collect()
}

/// Whether a type is what `ZipMap` declares: a sequence of maps.
fn is_list_of_maps(declared: &TypeProto) -> bool {
    let element = declared.sequence_type.as_ref().and_then(|sequence| sequence.elem_type.as_ref());
    element.is_some_and(|element| element.map_type.is_some())
}

/// The class of each column, for every value that holds a classifier's scores.
fn class_labels(nodes: &[NodeProto]) -> BTreeMap<String, Vec<String>> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in nodes {
        let (scores, found) = match ops::qualified(&node.domain, &node.op_type).as_str() {
            "ai.onnx.ml::LinearClassifier" | "ai.onnx.ml::TreeEnsembleClassifier" | "ai.onnx.ml::SVMClassifier" => {
                (node.output.get(1), own_labels(&node.attribute))
            }
            "ai.onnx.ml::ZipMap" => (node.output.first(), own_labels(&node.attribute)),
            // These change the scores, not which class a column is for.
            "ai.onnx.ml::Normalizer" | "Identity" | "Cast" => (
                node.output.first(),
                node.input.first().and_then(|input| labels.get(input)).cloned().unwrap_or_default(),
            ),
            _ => continue,
        };
        if let Some(scores) = scores.filter(|_| !found.is_empty()) {
            labels.insert(scores.clone(), found);
        }
    }
    labels
}

fn own_labels(attributes: &[AttributeProto]) -> Vec<String> {
    let list = attributes.iter().filter(|attribute| attribute.name.starts_with("classlabels_"));
    list.flat_map(|attribute| {
        let integers = attribute.ints.iter().map(i64::to_string);
        integers.chain(attribute.strings.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    })
    .collect()
}
