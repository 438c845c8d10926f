//! Guards: what a route does with personal data and secrets that pass through it.

use std::collections::BTreeMap;

use scan::Detectors;
use scan::detect::{Class, Kind};
use serde::{Deserialize, Serialize};

use super::{Route, Target};
use crate::{Refusal, RefusalCode, State};

/// What a route does with what detectors find. Both maps go from a kind, such as `card`, a class of kinds, such as
/// `sensitive`, or `*` to what is done; a kind counts before its class, and that before `*`. What no line is about is let
/// through, and the record says that it was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// In requests, before they leave for the provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, GuardAction>,
    /// In what the provider answers, before the client has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, GuardAction>,
}

/// What is done with something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// It is let through.
    Allow,
    /// The provider gets a placeholder such as `[EMAIL_1]`, and where the answer has that, the client gets the value.
    Tokenise,
    /// Its kind is put in its place, such as `[EMAIL]`.
    Mask,
    /// The call is refused.
    Block,
}

impl GuardAction {
    /// The word that tables and the catalogue's controls have for it.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Allow => "none",
            Self::Tokenise => "tokenised",
            Self::Mask => "redacted",
            Self::Block => "blocked",
        }
    }
}

impl Guard {
    /// What is done with a kind in a request.
    #[must_use]
    pub fn in_request(&self, detectors: &Detectors, kind: Kind) -> GuardAction {
        chosen(&self.requests, detectors, kind)
    }

    /// What is done with a kind in an answer.
    #[must_use]
    pub fn in_answer(&self, detectors: &Detectors, kind: Kind) -> GuardAction {
        chosen(&self.answers, detectors, kind)
    }

    /// Whether answers are changed or refused for what is in them.
    #[must_use]
    pub fn changes_answers(&self) -> bool {
        self.answers.values().any(|action| *action != GuardAction::Allow)
    }
}

fn chosen(rules: &BTreeMap<String, GuardAction>, detectors: &Detectors, kind: Kind) -> GuardAction {
    let words = [detectors.name(kind), detectors.class(kind).as_str(), "*"];
    words.iter().find_map(|word| rules.get(*word)).copied().unwrap_or(GuardAction::Allow)
}

/// Refuses words that name nothing, and what cannot be done.
pub(crate) fn check(state: &State, route: &Route) -> Result<(), Refusal> {
    let Route { name: route, target, guard: Some(guard) } = route else { return Ok(()) };
    if let Target::Model { .. } = target {
        let message = format!(
            "route `{route}` is to a model of this process, which takes tensors: a guard is for routes to providers, so leave it out"
        );
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    let built_in = |word: &str| word == "*" || Kind::find(word).is_some() || Class::find(word).is_some();
    let known = |word: &&String| built_in(word) || state.detectors.has(word);
    if let Some(unknown) = guard.requests.keys().chain(guard.answers.keys()).find(|word| !known(word)) {
        let own = state.detectors.live().map(|(name, _)| name.as_str());
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).chain(own).collect();
        let message = format!(
            "the guard of route `{route}` names `{unknown}`, which nothing finds: use `*`, a class (internal, confidential, \
             personal, sensitive) or a kind ({}), or declare a detector of that name first",
            kinds.join(", ")
        );
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    if guard.answers.values().any(|action| *action == GuardAction::Tokenise) {
        let message = format!(
            "the guard of route `{route}` tokenises answers: placeholders are for requests, and are taken back in the answer; \
             use `mask` or `block`"
        );
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(json: serde_json::Value) -> Guard {
        serde_json::from_value(json).expect("a guard")
    }

    fn check_for(target: Target, guard: Guard) -> Result<(), Refusal> {
        super::check(&State::default(), &Route { name: "chat".into(), target, guard: Some(guard) })
    }

    fn checked(guard: &Guard) -> Result<(), Refusal> {
        check_for(Target::Provider { provider: "p".into(), model: "m".into() }, guard.clone())
    }

    #[test]
    fn given_a_route_to_a_model_of_this_process_when_it_has_a_guard_then_refused() {
        let target = Target::Model { model: "credit-risk".into(), version: "1".into() };
        let refused = check_for(target, guard(serde_json::json!({ "answers": { "*": "mask" } }))).expect_err("refused");
        assert!(refused.message.contains("routes to providers"), "{}", refused.message);
    }

    #[test]
    fn given_a_kind_a_class_and_all_when_asked_then_the_nearest_rule_counts() {
        let guard = guard(serde_json::json!({
            "requests": { "email": "tokenise", "sensitive": "block", "*": "mask" },
            "answers": { "secret": "block" },
        }));
        assert_eq!(guard.in_request(&Detectors::standard(), Kind::Email), GuardAction::Tokenise);
        assert_eq!(guard.in_request(&Detectors::standard(), Kind::Card), GuardAction::Block);
        assert_eq!(guard.in_request(&Detectors::standard(), Kind::Phone), GuardAction::Mask);
        assert_eq!(guard.in_answer(&Detectors::standard(), Kind::Secret), GuardAction::Block);
        assert_eq!(guard.in_answer(&Detectors::standard(), Kind::Card), GuardAction::Allow);
        assert!(guard.changes_answers() && checked(&guard).is_ok());
    }

    #[test]
    fn given_a_word_that_names_nothing_or_tokens_in_answers_when_declared_then_refused_with_the_words_there_are() {
        let unknown = checked(&guard(serde_json::json!({ "requests": { "cards": "mask" } }))).expect_err("refused");
        assert!(
            unknown.message.contains("`cards`") && unknown.message.contains("card, medicare"),
            "{}",
            unknown.message
        );
        let tokens = checked(&guard(serde_json::json!({ "answers": { "*": "tokenise" } }))).expect_err("refused");
        assert!(tokens.message.contains("use `mask` or `block`"), "{}", tokens.message);
    }

    #[test]
    fn given_a_detector_of_ones_own_when_a_guard_names_it_then_it_must_be_declared_and_counts_by_name_and_class() {
        let own = scan::detect::Own::pattern("staff_number", Class::Personal, r"ST-\d{5}");
        let detectors = Detectors::standard().with(&own).expect("a detector");
        let guard =
            guard(serde_json::json!({ "requests": { "staff_number": "mask" }, "answers": { "personal": "block" } }));
        assert_eq!(guard.in_request(&detectors, Kind::Custom(0)), GuardAction::Mask);
        assert_eq!(guard.in_answer(&detectors, Kind::Custom(0)), GuardAction::Block);
        let unknown = checked(&guard).expect_err("refused");
        assert!(unknown.message.contains("`staff_number`") && unknown.message.contains("declare a detector"));
    }
}
