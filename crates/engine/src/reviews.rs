//! Access reviews: starting a campaign, deciding, completing, and the list of what was decided.

use std::sync::Arc;

use domain::people::reviews::{Outcome, Review, ReviewAssigned, ReviewDecided, ReviewList, ReviewNamed, StartReview};
use domain::{Command, Refusal, RefusalCode};
use serde::Serialize;

use crate::{Engine, ExecuteError, Principal, identity};

/// A campaign to be started.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// `org`, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub scope: String,
    /// Who reviews.
    pub reviewer: String,
    /// Who reviews what the reviewer holds.
    pub alternate: Option<String>,
    /// Whether keys and passkeys are reviewed too.
    pub credentials: bool,
    /// Milliseconds since the epoch by which it must be complete.
    pub due_at: i64,
}

/// What somebody has to review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The campaign.
    pub review: String,
    /// Who has to decide; nobody when only the holder is left.
    pub reviewer: Option<String>,
    /// Items that wait for them.
    pub open: usize,
    /// Milliseconds since the epoch by which the campaign must be complete.
    pub due_at: i64,
    /// Whether it is late.
    pub overdue: bool,
}

impl Engine {
    /// Starts a campaign over what is held now; returns its identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn start_review(self: &Arc<Self>, who: &Principal, wish: Campaign) -> Result<String, ExecuteError> {
        let review = identity::identifier("r_");
        let Campaign { scope, reviewer, alternate, credentials, due_at } = wish;
        let start = StartReview { review: review.clone(), scope, reviewer, alternate, credentials, due_at };
        self.execute(who, Command::StartReview(start)).await?;
        Ok(review)
    }

    /// Has somebody else review from here on.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn assign_review(
        self: &Arc<Self>,
        who: &Principal,
        review: &str,
        reviewer: String,
        alternate: Option<String>,
    ) -> Result<(), ExecuteError> {
        let assigned = ReviewAssigned { review: review.to_owned(), reviewer, alternate };
        self.execute(who, Command::AssignReview(assigned)).await.map(drop)
    }

    /// Decides of one item; one that is taken away has ended on return. What a passkey was called is forgotten with it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn decide_review(self: &Arc<Self>, who: &Principal, decided: ReviewDecided) -> Result<(), ExecuteError> {
        let passkey = self.read(|state| state.passkeys.get(&decided.item).map(|known| known.registered.clone()));
        self.execute(who, Command::DecideReview(decided)).await?;
        if let Some(known) = passkey.filter(|known| self.read(|state| !state.passkeys.contains_key(&known.passkey))) {
            self.drop_note(known.name_sha256).await;
        }
        Ok(())
    }

    /// Completes a campaign in which everything is settled.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn complete_review(self: &Arc<Self>, who: &Principal, review: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::CompleteReview(ReviewNamed { review: review.to_owned() })).await.map(drop)
    }

    /// A campaign, if there is one of this name.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub fn review(&self, name: &str) -> Result<Review, Refusal> {
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no review `{name}`"));
        self.read(|state| state.reviews.get(name).cloned().ok_or_else(missing))
    }

    /// The list of a completed campaign.
    ///
    /// # Errors
    /// A refusal when there is none, or it is not complete.
    pub fn review_list(&self, name: &str) -> Result<ReviewList, Refusal> {
        let review = self.review(name)?;
        let Some(at) = review.completed_at else {
            let message = format!("review `{name}` is not complete yet: there is no list of what was decided");
            return Err(Refusal::new(RefusalCode::Conflict, message));
        };
        Ok(self.read(|state| state.review_list(&review, at)))
    }

    /// What is to be reviewed, by campaign and reviewer: whom to remind.
    pub fn reviews_due(&self) -> Vec<Due> {
        let now = Self::now_ms();
        self.read(|state| {
            let mut due: Vec<Due> = Vec::new();
            for (name, review) in state.reviews.iter().filter(|(_, review)| review.completed_at.is_none()) {
                let mut add = |reviewer: Option<&str>, open: usize| {
                    let same = |known: &&mut Due| known.review == *name && known.reviewer.as_deref() == reviewer;
                    match due.iter_mut().find(same) {
                        Some(known) => known.open += open,
                        None => due.push(Due {
                            review: name.clone(),
                            reviewer: reviewer.map(str::to_owned),
                            open,
                            due_at: review.started.due_at,
                            overdue: review.is_overdue(now),
                        }),
                    }
                };
                // Even with nothing left to decide, somebody has to complete it.
                add(Some(review.reviewer.as_str()), 0);
                for (item_name, item) in &review.items {
                    if state.outcome_of(item_name, item, now) == Outcome::Open {
                        add(state.decider_of(review, item), 1);
                    }
                }
            }
            due
        })
    }
}
