//! Who may do what: questions to Cedar, and the policies that answered.

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use domain::people::roles::ORG;
use domain::people::{Proof, recovery};
use domain::{Refusal, RefusalCode};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use crate::{Engine, Principal, Visit};

/// Source of the schema that all policies are validated against.
const SCHEMA: &str = include_str!("../../../policies/counterfoil.cedarschema");

/// Actions that are no commands.
pub(crate) const ACTIONS: [&str; 6] =
    ["artifact.put", "control.request", "evidence.request", "segment.request", "read", "sql"];

/// That something is permitted, with the policies that permitted it. Only [`Policies::decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    policies: Vec<String>,
}

impl Permit {
    /// The policies that determined the answer, by their `@id`, sorted.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}

/// Policies that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The text is not Cedar.
    #[error("the policies cannot be read: {0}")]
    Syntax(String),
    /// The policies speak of things that do not exist.
    #[error("the policies do not fit the schema: {0}")]
    Invalid(String),
}

/// A set of policies, read and validated.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
}

impl Policies {
    /// Reads and validates Cedar source. A policy is known by its `@id` annotation.
    ///
    /// # Errors
    /// [`PolicyError`] with Cedar's own words.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let parsed = PolicySet::from_str(text).map_err(|e| PolicyError::Syntax(e.to_string()))?;
        let mut set = PolicySet::new();
        for policy in parsed.policies() {
            let name = policy.annotation("id").unwrap_or_else(|| policy.id().as_ref()).to_owned();
            let named = policy.new_id(cedar_policy::PolicyId::new(&name));
            set.add(named).map_err(|e| PolicyError::Invalid(format!("policy `{name}`: {e}")))?;
        }
        let schema = Schema::from_str(SCHEMA).map_err(|e| PolicyError::Invalid(e.to_string()))?;
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        match result.validation_errors().next() {
            Some(first) => Err(PolicyError::Invalid(first.to_string())),
            None => Ok(Self { set }),
        }
    }

    /// Whether `who` may do `action` on `resource` (`kind/name`).
    ///
    /// # Errors
    /// A [`Refusal`] with code `forbidden` and the policies that forbade it, if any did.
    pub fn decide(&self, who: &Principal, action: &str, resource: &str) -> Result<Permit, Refusal> {
        let answer = self.ask(who, action, resource).map_err(|why| forbidden(who, action, resource, &why, vec![]))?;
        let mut policies: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort_unstable();
        match answer.decision() {
            Decision::Allow => Ok(Permit { policies }),
            Decision::Deny if policies.is_empty() => {
                Err(forbidden(who, action, resource, "no policy permits it", policies))
            }
            Decision::Deny => {
                let why = format!("forbidden by policy `{}`", policies.join("`, `"));
                Err(forbidden(who, action, resource, &why, policies))
            }
        }
    }

    fn ask(&self, who: &Principal, action: &str, resource: &str) -> Result<cedar_policy::Response, String> {
        let principal = principal_entity(who, resource)?;
        let request =
            Request::new(principal.uid(), uid("Action", action)?, resource_uid(resource)?, Context::empty(), None)
                .map_err(|e| e.to_string())?;
        let entities = Entities::from_entities([principal], None).map_err(|e| e.to_string())?;
        Ok(Authorizer::new().is_authorized(&request, &self.set, &entities))
    }
}

impl Engine {
    /// Whether `who` may do `action` on `resource` (`kind/name`), by the policies in force.
    ///
    /// # Errors
    /// A [`Refusal`] with code `forbidden`.
    pub fn authorize(&self, who: &Principal, action: &str, resource: &str) -> Result<Permit, Refusal> {
        let recovered = |visit: &Visit| visit.proof == Proof::Recovery;
        if who.session.as_ref().is_some_and(recovered) && !recovery::permits(action) {
            let why = "a recovery code lets you register a passkey, and nothing else: sign in with that";
            return Err(forbidden(who, action, resource, why, vec![recovery::RECOVERY_RULE.to_owned()]));
        }
        let policies = self.policies.read().expect("no panic while the policies are locked").clone();
        policies.decide(who, action, resource)
    }
}

fn forbidden(who: &Principal, action: &str, resource: &str, why: &str, policies: Vec<String>) -> Refusal {
    let message = format!("`{}` may not do `{action}` on `{resource}`: {why}", who.actor);
    Refusal { code: RefusalCode::Forbidden, message, policies }
}

/// The principal with the roles that hold for `resource`: those of the whole organisation, and those of its own scope.
fn principal_entity(who: &Principal, resource: &str) -> Result<Entity, String> {
    let entity = |kind: &str, name: &String| uid(kind, name).map(RestrictedExpression::new_entity_uid);
    let all = |kind: &str, names: &[String]| names.iter().map(|name| entity(kind, name)).collect::<Result<Vec<_>, _>>();
    let kind = if who.services.is_empty() { "Actor" } else { "Key" };
    let here = who.roles.iter().filter(|(_, scope)| scope == ORG || scope == resource);
    let roles: Result<HashSet<EntityUid>, String> = here.map(|(role, _)| uid("Role", role)).collect();
    let mut attributes = HashMap::new();
    match &who.services[..] {
        [] => {
            let owns = RestrictedExpression::new_set(all("Actor", &who.owns)?);
            attributes.insert("owns".to_owned(), owns);
        }
        services => {
            let named = RestrictedExpression::new_set(all("Service", services)?);
            attributes.insert("services".to_owned(), named);
            if let [only] = services {
                attributes.insert("service".to_owned(), entity("Service", only)?);
            }
        }
    }
    Entity::new(uid(kind, &who.actor)?, attributes, roles?).map_err(|e| e.to_string())
}

/// `segment/x` is the entity `Segment::"x"`; a resource without a slash is its only one.
fn resource_uid(resource: &str) -> Result<EntityUid, String> {
    let (kind, name) = resource.split_once('/').unwrap_or((resource, resource));
    let mut letters = kind.chars();
    let capital: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect();
    uid(&capital, name)
}

fn uid(kind: &str, name: &str) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(kind).map_err(|e| format!("`{kind}` is not a kind of thing: {e}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Policies {
        Policies::parse(include_str!("../../../policies/counterfoil.cedar")).expect("the shipped policies are valid")
    }

    fn person(role: &str) -> Principal {
        Principal { actor: "a_test".into(), roles: vec![(role.into(), ORG.into())], ..Principal::default() }
    }

    #[test]
    fn given_the_shipped_policies_when_every_role_asks_for_every_action_then_the_matrix_is_the_committed_one() {
        let policies = shipped();
        let mut matrix = String::new();
        let roles = domain::people::roles::ROLES.iter().map(|role| role.name);
        let roles: Vec<&str> = ["system", "nobody"].into_iter().chain(roles).collect();
        for action in domain::Command::NAMES.iter().chain(&ACTIONS) {
            let allowed: Vec<&str> =
                roles.iter().copied().filter(|role| policies.decide(&person(role), action, "org").is_ok()).collect();
            matrix += &format!("{action:20} {}\n", allowed.join(" "));
        }
        expect_test::expect_file!["../tests/roles.txt"].assert_eq(&matrix);
    }

    #[test]
    fn given_a_key_of_one_service_when_it_asks_for_another_then_it_is_refused() {
        let policies = shipped();
        let key = Principal { actor: "k_1".into(), services: vec!["credit-risk".into()], ..Principal::default() };
        let permit = policies.decide(&key, "infer", "service/credit-risk").expect("its own service");
        assert_eq!(permit.policies(), ["application-infers-for-its-service"]);
        let refusal = policies.decide(&key, "infer", "service/support-assistant").expect_err("another service");
        assert_eq!(refusal.code, RefusalCode::Forbidden);
        assert!(policies.decide(&key, "read", "ledger").is_err());
        let several = Principal { services: vec!["credit-risk".into(), "support-assistant".into()], ..key };
        assert!(policies.decide(&several, "infer", "service/support-assistant").is_ok());
        assert!(policies.decide(&several, "infer", "service/other").is_err());
    }

    #[test]
    fn given_a_program_when_its_owner_makes_a_key_for_it_then_they_may_and_nobody_else() {
        let policies = shipped();
        let owner = Principal { actor: "a_1".into(), owns: vec!["a_bot".into()], ..Principal::default() };
        for action in ["key.create", "key.rotate", "key.revoke", "account.own"] {
            assert!(policies.decide(&owner, action, "actor/a_bot").is_ok(), "{action}");
            assert!(policies.decide(&owner, action, "actor/a_2").is_err(), "{action}");
        }
    }

    #[test]
    fn given_policies_that_speak_of_unknown_things_when_parsed_then_they_are_refused() {
        assert!(matches!(Policies::parse("permit (principal"), Err(PolicyError::Syntax(_))));
        let unknown = r#"permit (principal in Role::"x", action == Action::"fly", resource);"#;
        assert!(matches!(Policies::parse(unknown), Err(PolicyError::Invalid(_))));
    }
}
