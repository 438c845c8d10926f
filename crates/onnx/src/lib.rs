//! A small evaluator for tabular models in ONNX form: what scikit-learn pipelines export to.
//!
//! [`Model::parse`] reads the bytes once, refuses whatever it could not run later, and turns every node into a
//! closure with its attributes already unpacked (trees flattened, categories indexed). [`Model::run`] then only
//! computes. A model that parses has no unknown operator; what can still fail is data: a wrong type or shape.
//!
//! Invariants, mostly of absence: no I/O, no clock, no randomness, no threads, no `unsafe`. The same model and
//! inputs give the same bits on every run of the same build. Hostile models and inputs get an error, within the
//! bounds of [`limits`].
//!
//! Sources: the ONNX IR and operator specifications (github.com/onnx/onnx, `docs/IR.md`, `docs/Operators.md`,
//! `docs/Operators-ml.md`). Where they are vague, onnxruntime's answer is the reference, and the tests hold its
//! outputs.
//!
//! | module | idea |
//! |---|---|
//! | `proto` | the protobuf messages, and the survey that bounds what decoding them may allocate |
//! | `tensor` | a shape and its values |
//! | `attributes` | a node's attributes, taken one by one so that none is overlooked |
//! | `plan` | a graph compiled to steps over numbered slots |
//! | `budget` | what one run may spend |
//! | `ops` | the operators: one table, one file per family |
//! | `model` | the public face: inputs, outputs, class labels, run |

mod attributes;
mod budget;
mod error;
pub mod limits;
mod model;
mod ops;
mod plan;
mod proto;
mod tensor;

pub use error::{Refusal, RunError};
pub use model::{Model, TensorInfo};
pub use tensor::{DataType, Tensor, TensorData, TensorError};
