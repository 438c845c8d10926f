//! Every bound this crate holds a model or a run to. Each is far above what tabular models need.

/// Size of a model file, in bytes.
pub const MODEL_BYTES: usize = 64 << 20;
/// Protobuf messages in a model: nodes, attributes, initializers, declared values and their parts.
pub const MODEL_MESSAGES: usize = 1 << 18;
/// Strings in a model: names, categories, tree node modes.
pub const MODEL_STRINGS: usize = 1 << 22;
/// How deep graphs may nest (the body of a `Scan` is one level).
pub const GRAPH_DEPTH: usize = 4;
/// Dimensions of a tensor.
pub const RANK: usize = 8;
/// Elements of one tensor, dimensions of zero counted as one.
pub const TENSOR_ELEMENTS: usize = 16 << 20;
/// Elements of all tensors alive at once during a run.
pub const RUN_ELEMENTS: usize = 64 << 20;
/// Elementary steps of a run: an element written, a multiplication, a tree node visited. A few seconds of one core.
pub const RUN_STEPS: u64 = 1 << 30;
