//! Holds: what must be kept, whatever else would end it.

use crate::State;

/// The live hold on a thing (`subject/HEX`, `dataset/NAME`, `class/NAME` or `service/NAME`), if there is one.
#[must_use]
pub fn blocking(_state: &State, _on: &str) -> Option<String> {
    None
}
