//! What one run may spend: elements alive at once, and elementary steps. Counted, not timed, so that the same
//! inputs are refused or answered everywhere alike.

use std::cell::Cell;

use crate::error::Problem;
use crate::limits::{RUN_ELEMENTS, RUN_STEPS};
use crate::tensor::volume;

pub(crate) struct Budget {
    elements: Cell<usize>,
    steps: Cell<u64>,
}

impl Budget {
    pub fn new() -> Self {
        Self { elements: Cell::new(RUN_ELEMENTS), steps: Cell::new(RUN_STEPS) }
    }

    /// Accounts for a tensor about to be allocated, and returns how many elements it has.
    pub fn allocate(&self, shape: &[usize]) -> Result<usize, Problem> {
        let count = volume(shape)?;
        let Some(left) = self.elements.get().checked_sub(count) else {
            return Err(Problem::new(format!("the run would hold more than {RUN_ELEMENTS} elements; send fewer rows")));
        };
        self.elements.set(left);
        self.spend(count as u64)?;
        Ok(count)
    }

    /// Accounts for `steps` elementary steps.
    pub fn spend(&self, steps: u64) -> Result<(), Problem> {
        let Some(left) = self.steps.get().checked_sub(steps) else {
            return Err(Problem::new(format!("the run would take more than {RUN_STEPS} steps; send fewer rows")));
        };
        self.steps.set(left);
        Ok(())
    }

    /// Elements still free; give it back to [`Budget::release`] when everything allocated since is dropped.
    pub fn mark(&self) -> usize {
        self.elements.get()
    }

    pub fn release(&self, mark: usize) {
        self.elements.set(mark);
    }
}

/// The product of sizes as steps, however large.
pub(crate) fn steps(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64))
}
