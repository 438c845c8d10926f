//! Detectors as they are declared, ready to look: made once for each change of them.

use std::sync::{Arc, PoisonError, RwLock};

use scan::Detectors;

use crate::Engine;

/// The detectors there are.
#[derive(Clone, Debug, Default)]
pub struct Looking {
    /// How many changes of the organisation's own they know.
    pub revision: u64,
    /// Those that are built in, and the organisation's own.
    pub detectors: Arc<Detectors>,
}

/// The newest of them.
#[derive(Default)]
pub(crate) struct Ready(RwLock<Looking>);

impl Engine {
    /// The detectors as they are declared now. Whoever looks through something keeps them until the end of it.
    #[must_use]
    pub fn detectors(&self) -> Looking {
        let ready = self.ready_detectors.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = self.read(|state| {
            let own = &state.detectors;
            (own.revision != ready.revision).then(|| own.clone())
        });
        let Some(own) = changed else { return ready };
        let (detectors, left_out) = own.ready();
        for detector in left_out {
            tracing::error!(%detector, "a detector cannot be used by this version and finds nothing: declare it anew");
        }
        let made = Looking { revision: own.revision, detectors: Arc::new(detectors) };
        let mut newest = self.ready_detectors.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another may have made a newer one meanwhile.
        if newest.revision < made.revision {
            *newest = made.clone();
        }
        made
    }
}
