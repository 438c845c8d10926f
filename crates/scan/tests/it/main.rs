//! Tests of the detectors as others use them.

mod corpus;
mod custom;
mod kinds;
mod measure;
mod properties;
