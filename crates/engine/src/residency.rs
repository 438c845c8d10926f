//! Residency: where this node is, whether data may be stored here, and whether a version of a data set may go to where
//! whoever reads it says it goes. That is decided, and on record, before a byte leaves.

use std::sync::Arc;

use domain::data::residency::{Movement, Residency, StoreLocated};
use domain::data::transfers::{ReportTransfer, TransferAttempted, TransferAuthorised};
use domain::{Command, Refusal, RefusalCode, State};

use crate::{Asked, Attempt, Engine, ExecuteError, Principal, identity};

/// What the rules said of a version that somebody wants.
struct Judged {
    refused: bool,
    /// Whether it leaves its jurisdiction, as far as that is known.
    crosses: bool,
    attempted: TransferAttempted,
    message: String,
}

/// How a rule of residency is called among the policies that decided.
#[must_use]
pub fn rule_policy(rule: &str) -> String {
    format!("residency:{rule}")
}

/// How an authorisation is called among the policies that decided.
#[must_use]
pub fn transfer_policy(transfer: &str) -> String {
    format!("transfer:{transfer}")
}

impl Engine {
    /// Notes in the ledger where a store lies, as the settings say: `node/NAME`, `archive/BUCKET` or `objects/PLACE`.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn locate(self: &Arc<Self>, store: &str, region: Option<&str>) -> Result<(), ExecuteError> {
        if self.read(|state| state.residency.stores.get(store).map(String::as_str) == region) {
            return Ok(());
        }
        let located = StoreLocated { store: store.to_owned(), region: region.map(str::to_owned) };
        self.execute(self.system(), Command::LocateStore(located)).await.map(drop)
    }

    /// Notes in the ledger where the bucket of objects lies, as the settings say. Of one that is not in use any more, that is
    /// not known from here on.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn locate_objects(self: &Arc<Self>, region: Option<&str>) -> Result<(), ExecuteError> {
        let used = self.places.store();
        let before = self.read(|state| state.residency.stores.keys().cloned().collect::<Vec<_>>());
        for store in before.iter().filter(|store| store.starts_with("objects/") && Some(*store) != used.as_ref()) {
            self.locate(store, None).await?;
        }
        match used {
            Some(store) => self.locate(&store, region).await,
            None => Ok(()),
        }
    }

    /// The region in which versions are kept: the bucket's if there is one, else this node's.
    fn kept_in<'a>(&self, residency: &'a Residency) -> Option<&'a str> {
        match self.places.store() {
            Some(store) => residency.stores.get(&store).map(String::as_str),
            None => residency.of_node(self.node()),
        }
    }

    /// Asks for the approval of a transfer: the identifier that it gets, which is part of what is approved, and that of the
    /// request. `until` is when the request ends by itself, in milliseconds since the epoch.
    ///
    /// # Errors
    /// As [`Engine::execute`]; what could not be done is not asked for.
    pub async fn ask_transfer(
        self: &Arc<Self>,
        who: &Principal,
        wish: TransferAuthorised,
        until: i64,
    ) -> Result<(String, String), ExecuteError> {
        let transfer = identity::identifier("tr_");
        let (reference, wish) = (wish.reference.clone(), TransferAuthorised { transfer: transfer.clone(), ..wish });
        let command = Command::AuthoriseTransfer(wish);
        let asked = Asked { command, evidence: vec![], expires_at: until, reference };
        Ok((transfer, self.request_approval(who, asked).await?))
    }

    /// Whether a version of a data set may be stored here: it passes this node, and lies there or in the bucket of objects.
    pub(crate) fn may_be_here(&self, dataset: &str) -> Result<(), Refusal> {
        self.read(|state| {
            let Some(known) = state.datasets.get(dataset) else { return Ok(()) };
            let (residency, class) = (&state.residency, known.spec.class.as_str());
            let of = [format!("dataset/{dataset}")];
            let countries: Vec<&str> = known.spec.subject_country.as_deref().into_iter().collect();
            let here = residency.of_node(self.node());
            let bucket = self.places.store().map(|_| ("bucket of objects", "objects.located", self.kept_in(residency)));
            for (what, setting, region) in [("server", "node.region", here)].into_iter().chain(bucket) {
                if let (Some(region), Some(stays)) = (region, &known.spec.region)
                    && residency.jurisdiction(stays).is_some()
                    && !residency.within(region, stays)
                {
                    let message = format!(
                        "data set `{dataset}` is to stay in `{stays}`, and this {what} is in `{region}`: store it at a \
                         server there, or declare it otherwise"
                    );
                    return Err(Refusal::new(RefusalCode::Conflict, message));
                }
                let standing = residency.standing(&Movement { class, of: &of, from: here, to: region });
                let ruling = standing.ruling(&countries, Self::now_ms());
                let Some(rule) = ruling.rule.filter(|_| ruling.refused) else { continue };
                let place = match region {
                    Some(region) => format!("in `{region}`, where this {what} is"),
                    None => format!("at a {what} whose region, `{setting}`, is not set"),
                };
                let message = format!(
                    "rule `{rule}` does not permit data set `{dataset}`, of class `{class}`, {place}: nothing was stored"
                );
                return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule_policy(rule)] });
            }
            Ok(())
        })
    }

    /// Decides whether a version may go to where whoever asks said it goes, and puts on record what is refused or crosses
    /// into another jurisdiction.
    ///
    /// # Errors
    /// A refusal that names the rule; or that it could not be put on record, and then nothing may go.
    pub async fn may_leave(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
    ) -> Result<(), ExecuteError> {
        let to = who.attempt.as_ref().and_then(Attempt::bound_for);
        let Some(judged) = self.read(|state| self.judged(state, who, (dataset, version), to.as_deref())) else {
            return Ok(());
        };
        if !judged.refused && !judged.crosses {
            return Ok(());
        }
        let (refused, attempted) = (judged.refused, judged.attempted);
        let policies = attempted.rule.iter().map(|rule| rule_policy(rule)).collect();
        self.execute(self.system(), Command::ReportTransfer(ReportTransfer { refused, attempted })).await?;
        match refused {
            false => Ok(()),
            true => Err(Refusal { code: RefusalCode::Forbidden, message: judged.message, policies }.into()),
        }
    }

    fn judged(
        &self,
        state: &State,
        who: &Principal,
        (dataset, version): (&str, &str),
        to: Option<&str>,
    ) -> Option<Judged> {
        let known = state.datasets.get(dataset)?;
        let class = known.versions.get(version)?.stored.class.as_str();
        let (residency, of) = (&state.residency, [format!("dataset/{dataset}")]);
        let from = self.kept_in(residency);
        let standing = residency.standing(&Movement { class, of: &of, from, to });
        let countries: Vec<&str> = known.spec.subject_country.as_deref().into_iter().collect();
        let ruling = standing.ruling(&countries, Self::now_ms());
        let attempted = TransferAttempted {
            attempt: identity::identifier("tm_"),
            object: format!("dataset/{dataset}/{version}"),
            class: class.to_owned(),
            by: who.actor.clone(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            rule: ruling.rule.map(str::to_owned),
            transfer: ruling.transfer.map(str::to_owned),
        };
        let message = match (to, ruling.rule) {
            (None, Some(rule)) => format!(
                "rule `{rule}` says where data of class `{class}` may be: say where data set `{dataset}` goes, with \
                 `--to-region REGION` or in the header `x-counterfoil-to-region`"
            ),
            (to, rule) => format!(
                "rule `{}` does not permit data set `{dataset}`, of class `{class}`, in `{}`: ask for a transfer to be \
                 authorised with `counterfoil residency authorise`",
                rule.unwrap_or_default(),
                to.unwrap_or_default()
            ),
        };
        let crosses = to.is_some_and(|to| crosses(residency, from, to));
        Some(Judged { refused: ruling.refused, crosses, attempted, message })
    }
}

/// Whether regions are of two jurisdictions; what is not known is taken to be.
fn crosses(residency: &Residency, from: Option<&str>, to: &str) -> bool {
    let from = from.and_then(|from| residency.jurisdiction(from));
    from.is_none() || from != residency.jurisdiction(to)
}
