//! Legal holds: what must not be disposed of while they last.

use crate::State;

/// The identifier of a live hold on `subject/HEX`, `dataset/NAME`, `class/NAME` or `service/NAME`.
#[must_use]
pub fn blocking(_: &State, _: &str) -> Option<String> {
    None
}
