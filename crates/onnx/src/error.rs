//! The two ways to fail: a model refused when it is registered, and a run refused for its data.

use crate::tensor::{DataType, TensorError};

/// Why a model cannot be served. Decided by [`crate::Model::parse`], never later.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file, or something counted in it, is larger than [`crate::limits`] allows.
    #[error("the model has more than {limit} {what}; only smaller models are served in process")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The bound, of [`crate::limits`].
        limit: usize,
    },
    /// The bytes are not a protobuf message.
    #[error("the file is not an ONNX model")]
    NotProtobuf(#[source] prost::DecodeError),
    /// The bytes decode, but a required part is absent.
    #[error("the file is not an ONNX model: it has no {0}")]
    Missing(&'static str),
    /// The model imports an operator set that is not implemented.
    #[error("the model imports version {version} of operator set `{domain}`; supported: {supported}")]
    OperatorSet {
        /// `ai.onnx` for the default domain.
        domain: String,
        /// The imported version.
        version: i64,
        /// What could be imported instead.
        supported: String,
    },
    /// A node names an operator that is not implemented.
    #[error("operator `{name}` is not supported; supported: {supported}")]
    Operator {
        /// The operator, with its domain unless that is the default one.
        name: String,
        /// All operators that are.
        supported: String,
    },
    /// A feature of the format that tabular models do not use.
    #[error("{0} are not supported; export the model without them")]
    Feature(&'static str),
    /// A declared input, output or initializer has a type that is not implemented.
    #[error("`{value}` has type {actual}; supported: FP32, FP64, INT32, INT64, BOOL and BYTES tensors")]
    Type {
        /// The name of the value.
        value: String,
        /// Its type, in the words of the ONNX specification.
        actual: String,
    },
    /// The declared shape, data or name of a value contradicts itself.
    #[error("`{value}` is malformed: {problem}")]
    Value {
        /// The name of the value.
        value: String,
        /// What is wrong.
        problem: String,
    },
    /// A node's attributes or arity are not what its operator needs.
    #[error("node `{node}` ({operator}): {problem}")]
    Node {
        /// The node's name, or that of its first output.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        problem: String,
    },
}

/// Why a run gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An input the model needs was not given.
    #[error("input `{name}` is missing; the model takes {expected}")]
    MissingInput {
        /// The absent input.
        name: String,
        /// All inputs of the model.
        expected: String,
    },
    /// An input was given that the model does not take.
    #[error("input `{name}` is not one of the model's; it takes {expected}")]
    UnknownInput {
        /// The surplus input.
        name: String,
        /// All inputs of the model.
        expected: String,
    },
    /// An input was given twice.
    #[error("input `{0}` is given twice")]
    RepeatedInput(String),
    /// An input has another data type than the model declares.
    #[error("input `{name}` must be {expected}, got {actual}")]
    InputType {
        /// The input.
        name: String,
        /// The declared type.
        expected: DataType,
        /// The type that arrived.
        actual: DataType,
    },
    /// An input has another shape than the model declares.
    #[error("input `{name}` must have shape {expected} (-1: any size), got {actual}")]
    InputShape {
        /// The input.
        name: String,
        /// The declared shape.
        expected: String,
        /// The shape that arrived.
        actual: String,
    },
    /// A node could not compute with the values it got.
    #[error("node `{node}` ({operator}) cannot compute: {problem}")]
    Node {
        /// The node's name, or that of its first output.
        node: String,
        /// Its operator.
        operator: String,
        /// What was expected and what arrived.
        problem: String,
    },
    /// The model computed an output of another type than it declares.
    #[error("output `{name}` is declared {expected} but was computed as {actual}")]
    OutputType {
        /// The output.
        name: String,
        /// The declared type.
        expected: DataType,
        /// The computed type.
        actual: DataType,
    },
}

/// What is wrong at a node, in words; the plan adds which node.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Problem(pub String);

impl Problem {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl From<TensorError> for Problem {
    fn from(error: TensorError) -> Self {
        Self(error.to_string())
    }
}
