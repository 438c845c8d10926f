//! The whole pipeline against a scripted provider on the loopback, with a real engine in a temporary directory.

mod answers;
mod failures;
mod kept;
mod oip;
mod refusals;
mod residency;
mod rig;
mod stalls;
