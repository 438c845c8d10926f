//! Who may do what: questions to Cedar, and the policies that answered.

mod slices;

use cedar_policy::{
    Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request, RestrictedExpression,
    Schema, ValidationMode, Validator,
};
use domain::people::roles::{self, ENVIRONMENT, ORG};
use domain::people::{Proof, RoleDefined, recovery};
use domain::{Command, Refusal, RefusalCode};
use miette::Diagnostic;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use self::slices::{Answer, Slices};
use crate::{Engine, Principal, Visit};

/// Source of the schema that all policies are validated against.
pub(crate) const SCHEMA: &str = include_str!("../../../policies/counterfoil.cedarschema");

/// Policies that hold beside every installed text.
const FLOOR: &str = include_str!("../../../policies/floor.cedar");

/// Actions that are no commands.
pub(crate) const ACTIONS: [&str; 19] = [
    "accesses.import",
    "artifact.put",
    "control.request",
    "dataset.quarantine.read",
    "dataset.read",
    "evidence.request",
    "notification.test",
    "people.read",
    "request.read",
    "retention.run",
    "segment.request",
    "read",
    "sql",
    // tokens
    "token.make",
    "token.reveal",
    // lineage
    "lineage.open",
    // views of data sets, and detectors
    "dataset.read.raw",
    "dataset.scan",
    "dataset.view.read",
];

/// That something is permitted, with the policies that permitted it. Only [`Policies::decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    policies: Vec<String>,
    version: Arc<str>,
}

impl Permit {
    /// The policies that determined the answer, by their `@id`, sorted.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// Which policies were in force: the SHA-256 of their text, hexadecimal.
    pub fn version(&self) -> &str {
        &self.version
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
    slices: Slices,
    version: Arc<str>,
}

impl Policies {
    /// Reads and validates Cedar source. A policy is known by its `@id` annotation.
    ///
    /// # Errors
    /// [`PolicyError`] with Cedar's own words.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::with_roles(text, &BTreeMap::new())
    }

    /// The same, with what an organisation's own roles permit: a policy for each, called `role-NAME`.
    ///
    /// # Errors
    /// [`PolicyError`] with Cedar's own words.
    pub fn with_roles(text: &str, own: &BTreeMap<String, RoleDefined>) -> Result<Self, PolicyError> {
        let parsed = PolicySet::from_str(text).map_err(|e| PolicyError::Syntax(format!("{}{e}", place(text, &e))))?;
        let floor = PolicySet::from_str(FLOOR).map_err(|e| PolicyError::Syntax(e.to_string()))?;
        let own: String = own.values().map(role_policy).collect();
        let own = PolicySet::from_str(&own).map_err(|e| PolicyError::Syntax(e.to_string()))?;
        let mut set = PolicySet::new();
        for policy in floor.policies().chain(own.policies()).chain(parsed.policies()) {
            let name = policy.annotation("id").unwrap_or_else(|| policy.id().as_ref()).to_owned();
            let named = policy.new_id(cedar_policy::PolicyId::new(&name));
            set.add(named).map_err(|e| PolicyError::Invalid(format!("policy `{name}`: {e}")))?;
        }
        let schema = Schema::from_str(SCHEMA).map_err(|e| PolicyError::Invalid(e.to_string()))?;
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        match result.validation_errors().next() {
            Some(first) => Err(PolicyError::Invalid(format!("{}{first}", place(text, first)))),
            None => Ok(Self {
                slices: Slices::of(&set)?,
                set,
                version: merkle::hex(&Sha256::digest(text.as_bytes())).into(),
            }),
        }
    }

    /// The SHA-256 of the installed text, hexadecimal.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Each policy as it reads, by its `@id`; those that hold beside every text are not among them.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let beside = |id: &str| id.starts_with("floor-") || id.starts_with("role-");
        let installed = self.set.policies().filter(|policy| !beside(policy.id().as_ref()));
        installed.map(|policy| (policy.id().to_string(), policy.to_string())).collect()
    }

    /// Whether `who` may do `action` on `resource` (`kind/name`). A session by recovery code may do nothing but what it is
    /// for, whatever the policies say.
    ///
    /// # Errors
    /// A [`Refusal`] with code `forbidden` and the policies that forbade it, if any did.
    pub fn decide(&self, who: &Principal, action: &str, resource: &str) -> Result<Permit, Refusal> {
        self.decide_in(who, action, resource, None)
    }

    /// The same of a resource in an environment, where roles hold that were given there.
    ///
    /// # Errors
    /// As [`Policies::decide`].
    pub(crate) fn decide_in(
        &self,
        who: &Principal,
        action: &str,
        resource: &str,
        environment: Option<&str>,
    ) -> Result<Permit, Refusal> {
        let forbidden = |who: &Principal, action: &str, resource: &str, why: &str, policies| {
            forbidden(who, action, resource, why, policies, &self.version)
        };
        let recovered = |visit: &Visit| visit.proof == Proof::Recovery;
        if who.session.as_ref().is_some_and(recovered) && !recovery::permits(action) {
            let why = "a recovery code lets you register a passkey, and nothing else: sign in with that";
            return Err(forbidden(who, action, resource, why, vec![recovery::RECOVERY_RULE.to_owned()]));
        }
        let (request, entities) = question(who, action, resource, environment)
            .map_err(|why| forbidden(who, action, resource, &why, vec![]))?;
        let denied = |why: &str, policies| {
            let mut refusal = forbidden(who, action, resource, why, policies);
            // Keys of applications are no actors that can be asked about.
            if who.services.is_empty() {
                let actor = &who.actor;
                refusal.message += &format!(
                    "; `counterfoil authz explain --who {actor} --action {action} --resource {resource}` says what would \
                     have to change"
                );
            }
            refusal
        };
        let Answer { decision, policies } = self.slices.answer(&request, &entities);
        match decision {
            Decision::Allow => Ok(Permit { policies, version: Arc::clone(&self.version) }),
            Decision::Deny if policies.is_empty() => Err(denied("no policy permits it", policies)),
            Decision::Deny => {
                let why = format!("forbidden by policy `{}`", policies.join("`, `"));
                Err(denied(&why, policies))
            }
        }
    }
}

impl Engine {
    /// Whether `who` may do `action` on `resource` (`kind/name`), by the policies in force.
    ///
    /// # Errors
    /// A [`Refusal`] with code `forbidden`.
    pub fn authorize(&self, who: &Principal, action: &str, resource: &str) -> Result<Permit, Refusal> {
        // Most roles hang on no environment, and calls of applications have none: the state is not asked for nothing.
        let environment = by_environment(who).then(|| self.environment_of(resource)).flatten();
        self.authorize_in(who, action, resource, environment.as_deref())
    }

    fn authorize_in(
        &self,
        who: &Principal,
        action: &str,
        resource: &str,
        environment: Option<&str>,
    ) -> Result<Permit, Refusal> {
        let policies = self.policies();
        let decided = policies.decide_in(who, action, resource, environment);
        let alone = |part: &Principal| policies.decide_in(part, action, resource, environment).is_ok();
        self.note_decision(who, action, resource, &decided, alone);
        decided
    }

    /// Whoever moves a service to another environment needs the right there too: a role in an environment brings nothing
    /// into another.
    pub(crate) fn may_move(&self, who: &Principal, command: &Command) -> Result<(), Refusal> {
        let Command::DeclareService(body) = command else { return Ok(()) };
        let (resource, to) = (command.resource(), body.spec.environment.as_str());
        let from = by_environment(who).then(|| self.environment_of(&resource)).flatten();
        if from.is_none_or(|from| from == to) {
            return Ok(());
        }
        let decided = self.authorize_in(who, command.name(), &resource, Some(to));
        decided.map(drop).map_err(|refusal| {
            let message = format!("service `{}` would move to environment `{to}`: {}", body.service, refusal.message);
            Refusal { message, ..refusal }
        })
    }

    pub(crate) fn environment_of(&self, resource: &str) -> Option<String> {
        self.read(|state| roles::environment_of(state, resource).map(str::to_owned))
    }

    /// The policies in force.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.read().expect("no panic while the policies are locked").clone()
    }
}

/// Where in a text an error is; nothing when it does not say.
fn place(text: &str, error: &dyn Diagnostic) -> String {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let Some(before) = offset.and_then(|offset| text.get(..offset)) else { return String::new() };
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    format!("line {line}, column {}: ", last.chars().count() + 1)
}

/// Whether somebody holds a role in an environment.
fn by_environment(who: &Principal) -> bool {
    who.roles.iter().any(|(_, scope)| scope.starts_with(ENVIRONMENT))
}

/// What an organisation's own role permits, in Cedar. Names and actions are plain words, as the core has seen to.
fn role_policy(role: &RoleDefined) -> String {
    let actions: Vec<String> = role.actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let (name, actions) = (&role.role, actions.join(", "));
    format!("@id(\"role-{name}\")\npermit (principal in Role::\"{name}\", action in [{actions}], resource);\n")
}

fn forbidden(
    who: &Principal,
    action: &str,
    resource: &str,
    why: &str,
    policies: Vec<String>,
    version: &str,
) -> Refusal {
    let version = version.get(..12).unwrap_or(version);
    let message = format!("`{}` may not do `{action}` on `{resource}`: {why} (policies {version})", who.actor);
    Refusal { code: RefusalCode::Forbidden, message, policies }
}

/// What Cedar is asked, and who asks, as it knows them.
fn question(
    who: &Principal,
    action: &str,
    resource: &str,
    environment: Option<&str>,
) -> Result<(Request, Entities), String> {
    let principal = principal_entity(who, resource, environment)?;
    let (action, resource) = (uid("Action", action)?, resource_uid(resource)?);
    let request = Request::new(principal.uid(), action, resource, Context::empty(), None).map_err(|e| e.to_string())?;
    let entities = Entities::from_entities([principal], None).map_err(|e| e.to_string())?;
    Ok((request, entities))
}

/// The principal with the roles that hold for `resource`: those of the whole organisation, those of its own scope, and
/// those of the environment that it is in.
fn principal_entity(who: &Principal, resource: &str, environment: Option<&str>) -> Result<Entity, String> {
    let entity = |kind: &str, name: &String| uid(kind, name).map(RestrictedExpression::new_entity_uid);
    let all = |kind: &str, names: &[String]| names.iter().map(|name| entity(kind, name)).collect::<Result<Vec<_>, _>>();
    let kind = if who.services.is_empty() { "Actor" } else { "Key" };
    let around = |scope: &str| environment.is_some() && scope.strip_prefix(ENVIRONMENT) == environment;
    let here = who.roles.iter().filter(|(_, scope)| scope == ORG || scope == resource || around(scope));
    let roles: Result<HashSet<EntityUid>, String> = here.map(|(role, _)| uid("Role", role)).collect();
    let mut attributes = HashMap::new();
    match &who.services[..] {
        [] => {
            let owns = RestrictedExpression::new_set(all("Actor", &who.owns)?);
            attributes.insert("owns".to_owned(), owns);
            let duties = RestrictedExpression::new_set(all("Role", &who.stands_in)?);
            attributes.insert("stands_in".to_owned(), duties);
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
    fn given_an_administrator_when_standing_in_then_they_may_do_that_duty_and_no_other() {
        let policies = shipped();
        let alone = |duties: &[&str]| Principal {
            stands_in: duties.iter().map(|duty| (*duty).to_owned()).collect(),
            ..person("administrator")
        };
        let deploys = |who: &Principal| policies.decide(who, "service.declare", "service/x").is_ok();
        let registers = |who: &Principal| policies.decide(who, "model.register", "model/x").is_ok();
        assert!(deploys(&alone(&["deployer"])) && !registers(&alone(&["deployer"])));
        assert!(registers(&alone(&["model_trainer"])) && !deploys(&alone(&["model_trainer"])));
        assert!(!deploys(&alone(&[])) && !registers(&alone(&[])));
        let pretender = Principal { stands_in: vec!["deployer".into()], ..person("monitor") };
        assert!(!deploys(&pretender), "only whoever administers stands in");
    }

    #[test]
    fn given_any_text_when_asked_then_its_version_is_named_and_what_the_ledger_judges_by_itself_is_permitted() {
        let text = r#"permit (principal in Role::"system", action, resource);"#;
        let policies = Policies::parse(text).expect("policies");
        let version = merkle::hex(&Sha256::digest(text.as_bytes()));
        let permit = policies.decide(&person("administrator"), "approval.request", "approval/p_1").expect("the floor");
        assert_eq!((permit.version(), permit.policies()), (version.as_str(), &["floor-duties-ask".to_owned()][..]));
        assert!(policies.decide(&person("nobody"), "approval.vote", "approval/p_1").is_ok());
        for role in ["compliance_lead", "privacy_officer"] {
            for (action, resource) in [("grant.approve", "grant/g_1"), ("group.map.approve", "group/x")] {
                let permit = policies.decide(&person(role), action, resource).expect("in the last resort");
                assert_eq!(permit.policies(), ["floor-others-approve-in-the-last-resort"], "{role} {action}");
            }
        }
        let refusal = policies.decide(&person("nobody"), "read", "ledger").expect_err("refused");
        assert!(refusal.message.contains(&version[..12]), "{}", refusal.message);
        let taken = Policies::parse(r#"@id("floor-duties-ask") permit (principal, action, resource);"#);
        assert!(matches!(taken, Err(PolicyError::Invalid(_))), "the floor's names are taken");
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
        let good = "permit (principal is Actor, action == Action::\"read\", resource);\n";
        for (wrong, place) in [
            ("// é\n  permit (principal; action, resource);", "cannot be read: line 3, column 20: "),
            ("permit (principal, action == Action::\"fly\", resource);", "do not fit the schema: line 2, column "),
        ] {
            let error = Policies::parse(&format!("{good}{wrong}")).expect_err("refused").to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
