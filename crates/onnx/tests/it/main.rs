//! The evaluator against onnxruntime: every exported model must give the recorded answers.

mod corpus;
mod credit_risk;
mod hostile;
mod refusals;
