//! Permission as a value: nothing that answers can be called without a [`Permitted`], and only [`authorise`] makes one.

use std::sync::Arc;

use engine::Engine;
use engine::residency::{rule_policy, transfer_policy};

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

/// Asks the policies in force whether `access` may have inferences of a service that it opens, and the rules of residency
/// whether data of the service may be where the route answers, for subjects of these countries. The answer of the policies
/// is remembered in the snapshot, which ends when policies, keys, services or rules change; the rules are asked each time,
/// for authorisations end with no event.
pub(crate) fn authorise(
    engine: &Engine,
    access: &Access,
    opened: &Opened,
    route: Arc<Route>,
    countries: &[&str],
    now_ms: i64,
) -> Result<Permitted, (Problem, String)> {
    let ask = || engine.authorize(&access.principal, "infer", &format!("service/{}", opened.service.name));
    let permit = match opened.verdict.get_or_init(ask) {
        Ok(permit) => permit,
        Err(refusal) => return Err((Problem::Forbidden(refusal.message.clone()), refusal.policies.join(","))),
    };
    let mut policies = permit.policies().join(",");
    if !route.residency.is_free() {
        let ruling = route.residency.ruling(countries, now_ms);
        let decided = ruling.rule.map(rule_policy).into_iter().chain(ruling.transfer.map(transfer_policy));
        decided.for_each(|policy| {
            policies.push(',');
            policies.push_str(&policy);
        });
        if ruling.refused {
            let (rule, class) = (ruling.rule.unwrap_or_default(), &opened.service.spec.classification);
            let (rule, class, region) = (rule.to_owned(), class.clone(), route.region.clone());
            return Err((Problem::Residency { model: route.name.clone(), rule, class, region }, policies));
        }
    }
    Ok(Permitted { route, policies })
}
