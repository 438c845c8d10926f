//! Permission as a value: nothing that answers can be called without a [`Permitted`], and only [`authorise`] makes one.

use std::sync::Arc;

use engine::{Engine, Permit};

use crate::problem::Problem;
use crate::snapshot::{Access, Opened, Route};

/// That a key may have inferences of its service, by this route.
pub(crate) struct Permitted {
    route: Arc<Route>,
    policies: String,
}

impl Permitted {
    /// The route that is permitted.
    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    /// The policies that decided, separated by commas.
    pub(crate) fn policies(&self) -> &str {
        &self.policies
    }
}

/// Asks the policies in force whether `access` may have inferences of a service that it opens. The answer is remembered in the
/// snapshot, which ends when policies, keys or services change.
pub(crate) fn authorise(
    engine: &Engine,
    access: &Access,
    opened: &Opened,
    route: Arc<Route>,
) -> Result<Permitted, (Problem, String)> {
    let ask = || engine.authorize(&access.principal, "infer", &format!("service/{}", opened.service.name));
    match opened.verdict.get_or_init(ask) {
        Ok(permit) => Ok(Permitted { route, policies: Permit::policies(permit).join(",") }),
        Err(refusal) => Err((Problem::Forbidden(refusal.message.clone()), refusal.policies.join(","))),
    }
}
