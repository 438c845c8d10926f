//! Tests of the detectors as others use them.

mod artifacts;
mod corpus;
mod custom;
mod kinds;
mod measure;
mod properties;
