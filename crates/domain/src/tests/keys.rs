//! What keys open, how long they live, how they are replaced and end, and who answers for programs.

use serde_json::json;

use crate::people::keys::RotateKey;
use crate::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, GrantNamed, GrantRequested, IdentityLinked, IdentitySource,
    InferenceScope, KeyCreated, KeyLeaked, KeyRevoked, KeyScope, KeyStatus, KeysLimited, KeysUsed, OwnerReason,
    SigninLinkCreated,
};
use crate::serving::ServiceDeclared;
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

pub(super) const DAY: i64 = 86_400_000;

/// An administrator, another person, a program of the administrator's, and two services.
pub(super) struct Company {
    pub(super) state: State,
    pub(super) given: Given,
}

impl Company {
    pub(super) fn new() -> Self {
        let mut company = Self { state: State::default(), given: Given { now: 1_000, ..Given::default() } };
        let register = |actor: &str, kind, role: &str| {
            let roles = Some(role.to_owned()).filter(|role| !role.is_empty()).into_iter().collect();
            Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles })
        };
        company.done("a_system", register("a_system", ActorKind::System, "system"));
        company.done("a_system", register("a_admin", ActorKind::Human, "administrator"));
        company.done("a_admin", register("a_1", ActorKind::Human, ""));
        company.done("a_admin", register("a_bot", ActorKind::Service, ""));
        company.declare("credit", "prod", "credit-scoring");
        company.declare("trial", "staging", "credit-scoring");
        company
    }

    fn declare(&mut self, service: &str, environment: &str, purpose: &str) {
        let spec = json!({"owner": "o", "purpose": purpose, "risk_tier": "low", "classification": "internal",
            "environment": environment, "when_unrecordable": "refuse"});
        let spec = serde_json::from_value(spec).expect("a service");
        self.done("a_admin", Command::DeclareService(ServiceDeclared { service: service.into(), spec }));
    }

    fn ask(&mut self, by: &str, command: Command) -> Result<Vec<Event>, Refusal> {
        self.given.by = by.to_owned();
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            let (stream, id) = (event.stream(), self.state.size.to_string());
            let sv = self.state.version(&stream) + 1;
            let entry = Entry { v: 1, id, ts: self.given.now, actor: by.into(), stream, sv, event: event.clone() };
            self.state.apply(&entry);
        }
        Ok(events)
    }

    #[track_caller]
    pub(super) fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).expect("carried out").iter().map(Event::name).collect()
    }

    #[track_caller]
    pub(super) fn refused(&mut self, by: &str, command: Command) -> Refusal {
        self.ask(by, command).expect_err("refused")
    }

    fn status(&self, key: &str) -> KeyStatus {
        self.state.keys[key].status(self.given.now)
    }
}

pub(super) fn scope(services: &[&str], environments: &[&str], purposes: &[&str], account: Option<&str>) -> KeyScope {
    let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    KeyScope::Inference(InferenceScope {
        services: owned(services),
        environments: owned(environments),
        purposes: owned(purposes),
        account: account.map(str::to_owned),
    })
}

fn credit() -> KeyScope {
    scope(&["credit"], &["prod"], &["credit-scoring"], None)
}

pub(super) fn new_key(key: &str, scope: KeyScope, expires_at: i64) -> KeyCreated {
    KeyCreated {
        key: key.into(),
        scope,
        prefix: "cfk_abcdef".into(),
        secret_sha256: key.into(),
        expires_at,
        session: None,
    }
}

fn create(key: &str, scope: KeyScope, expires_at: i64) -> Command {
    Command::CreateKey(new_key(key, scope, expires_at))
}

fn rotate(key: &str, by: &str, scope: KeyScope, ends_at: i64) -> Command {
    Command::RotateKey(RotateKey { key: key.into(), by: new_key(by, scope, 50 * DAY), ends_at })
}

#[test]
fn given_a_scope_when_a_key_is_made_then_it_must_open_each_service_and_name_nothing_that_opens_none() {
    let mut company = Company::new();
    let both = (&["credit", "trial"][..], &["prod", "staging"][..], &["credit-scoring"][..]);
    company.done("a_admin", create("k_1", scope(both.0, both.1, both.2, None), DAY));
    for (services, environments, purposes, word) in [
        (&["trial", "credit"][..], both.1, both.2, "ascending"),
        (&["credit", "credit"][..], both.1, both.2, "each once"),
        (&[][..], both.1, both.2, "1 to 32 services"),
        (both.0, &[][..], both.2, "1 to 32 environments"),
        (both.0, &["prod"][..], both.2, "environment `staging`"),
        (&["credit"][..], both.1, both.2, "environment `staging`"),
        (both.0, both.1, &["credit-scoring", "marketing"][..], "purpose `marketing`"),
        (both.0, both.1, &["marketing"][..], "purpose `credit-scoring`"),
        (&["none"][..], both.1, both.2, "no service `none`"),
    ] {
        let refusal = company.refused("a_admin", create("k_2", scope(services, environments, purposes, None), DAY));
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    let of_a_person = scope(&["credit"], &["prod"], &["credit-scoring"], Some("a_1"));
    assert_eq!(company.refused("a_admin", create("k_2", of_a_person, DAY)).code, RefusalCode::Invalid);
}

#[test]
fn given_a_service_that_is_declared_for_another_purpose_or_environment_then_the_key_opens_it_no_more() {
    let mut company = Company::new();
    company.done("a_admin", create("k_1", credit(), DAY));
    let opens = |company: &Company, service: &str| {
        company.state.keys["k_1"].created.scope.opens(service, &company.state.services[service])
    };
    assert!(opens(&company, "credit") && !opens(&company, "trial"));
    company.declare("credit", "prod", "marketing");
    assert!(!opens(&company, "credit"));
    company.declare("credit", "staging", "credit-scoring");
    assert!(!opens(&company, "credit"));
    company.declare("credit", "prod", "credit-scoring");
    assert!(opens(&company, "credit"));
}

#[test]
fn given_a_maximum_when_a_key_would_outlive_it_then_it_is_refused_but_for_counterfoils_own() {
    let mut company = Company::new();
    let late = |key: &str, days: i64| create(key, credit(), 1_000 + days * DAY);
    assert_eq!(company.refused("a_admin", late("k_1", 91)).code, RefusalCode::Invalid);
    company.done("a_admin", late("k_1", 90));
    company.done("a_admin", Command::LimitKeys(KeysLimited { max_days: 30 }));
    assert!(company.done("a_admin", Command::LimitKeys(KeysLimited { max_days: 30 })).is_empty());
    assert!(company.refused("a_admin", late("k_2", 31)).message.contains("30 days"));
    company.done("a_admin", late("k_2", 30));
    let operator = create("k_3", KeyScope::Actor("a_admin".into()), 1_000 + 365 * DAY);
    company.done("a_system", operator);
    for wrong in [0, 367] {
        let limit = Command::LimitKeys(KeysLimited { max_days: wrong });
        assert_eq!(company.refused("a_admin", limit).code, RefusalCode::Invalid);
    }
}

#[test]
fn given_a_key_when_rotated_then_both_live_until_the_overlap_ends_and_it_happens_once() {
    let mut company = Company::new();
    company.done("a_admin", create("k_1", credit(), 40 * DAY));
    let wider = scope(&["credit", "trial"], &["prod", "staging"], &["credit-scoring"], None);
    assert_eq!(company.refused("a_admin", rotate("k_1", "k_2", wider, DAY)).code, RefusalCode::Invalid);
    assert_eq!(company.refused("a_admin", rotate("k_1", "k_2", credit(), 31 * DAY)).code, RefusalCode::Invalid);
    assert_eq!(company.refused("a_admin", rotate("k_9", "k_2", credit(), DAY)).code, RefusalCode::NotFound);
    let events = company.done("a_admin", rotate("k_1", "k_2", credit(), DAY));
    assert_eq!(events, ["key.created", "key.rotated"]);
    assert_eq!((company.status("k_1"), company.status("k_2")), (KeyStatus::Ending, KeyStatus::Live));
    assert_eq!(company.refused("a_admin", rotate("k_1", "k_3", credit(), DAY)).code, RefusalCode::Conflict);
    company.given.now = DAY;
    assert_eq!((company.status("k_1"), company.status("k_2")), (KeyStatus::Replaced, KeyStatus::Live));
    assert!(!company.state.keys["k_1"].is_live(DAY));
    company.given.now = 50 * DAY;
    assert_eq!(company.status("k_2"), KeyStatus::Expired);
    assert_eq!(company.refused("a_admin", rotate("k_2", "k_3", credit(), 51 * DAY)).code, RefusalCode::Conflict);
}

#[test]
fn given_a_persons_key_when_somebody_else_rotates_it_then_it_is_refused_for_they_would_hold_the_new_one() {
    let mut company = Company::new();
    let own = || KeyScope::Actor("a_1".into());
    company.done("a_admin", create("k_1", own(), 40 * DAY));
    assert_eq!(company.refused("a_admin", rotate("k_1", "k_2", own(), DAY)).policies, ["let-in-once"]);
    company.done("a_1", rotate("k_1", "k_2", own(), DAY));
}

#[test]
fn given_a_program_when_its_owner_makes_keys_then_they_may_and_nobody_else() {
    let mut company = Company::new();
    let bot = || KeyScope::Actor("a_bot".into());
    assert_eq!(company.state.accounts["a_bot"].owner, "a_admin");
    company.done("a_admin", create("k_1", bot(), DAY));
    company.done("a_admin", create("k_2", bot(), DAY));
    let own =
        |owner: &str, reason| Command::OwnAccount(AccountOwned { actor: "a_bot".into(), owner: owner.into(), reason });
    let handed_on = company.done("a_admin", own("a_1", OwnerReason::Named));
    assert_eq!(handed_on, ["account.owned", "key.revoked", "key.revoked"]);
    assert!(company.done("a_admin", own("a_1", OwnerReason::Named)).is_empty());
    assert_eq!(company.refused("a_admin", create("k_3", bot(), DAY)).policies, ["let-in-once"]);
    company.done("a_1", create("k_3", bot(), DAY));
    company.done("a_1", rotate("k_3", "k_4", bot(), DAY));
    assert_eq!(company.state.owner_of(&company.state.keys["k_4"]), "a_1");
    for (owner, reason) in [("a_bot", OwnerReason::Named), ("a_admin", OwnerReason::Left)] {
        assert_eq!(company.refused("a_admin", own(owner, reason)).code, RefusalCode::Invalid);
    }
    let person = AccountOwned { actor: "a_1".into(), owner: "a_admin".into(), reason: OwnerReason::Named };
    assert_eq!(company.refused("a_admin", Command::OwnAccount(person)).code, RefusalCode::Invalid);
}

#[test]
fn given_an_owner_who_leaves_then_the_accounts_pass_to_who_said_so_and_a_program_that_leaves_takes_its_keys_along() {
    let mut company = Company::new();
    let own = AccountOwned { actor: "a_bot".into(), owner: "a_1".into(), reason: OwnerReason::Named };
    company.done("a_admin", Command::OwnAccount(own));
    company.done("a_admin", create("k_1", scope(&["credit"], &["prod"], &["credit-scoring"], Some("a_bot")), DAY));
    let left = company.done("a_admin", Command::Leave(ActorLeft { actor: "a_1".into() }));
    assert_eq!(left, ["actor.left", "account.owned"]);
    let account = company.state.accounts["a_bot"].clone();
    assert_eq!((account.owner.as_str(), account.reason), ("a_admin", OwnerReason::Left));
    assert_eq!(company.status("k_1"), KeyStatus::Live);
    let left = company.done("a_admin", Command::Leave(ActorLeft { actor: "a_bot".into() }));
    assert_eq!(left, ["actor.left", "key.revoked"]);
    assert_eq!(company.state.accounts_of("a_admin").count(), 0);
}

#[test]
fn given_a_program_when_it_changes_hands_then_whoever_held_its_secrets_can_act_as_it_no_more() {
    let mut company = Company::new();
    let bot = || KeyScope::Actor("a_bot".into());
    let own = |owner: &str| {
        let (actor, owner) = ("a_bot".into(), owner.into());
        Command::OwnAccount(AccountOwned { actor, owner, reason: OwnerReason::Named })
    };
    let inference = scope(&["credit"], &["prod"], &["credit-scoring"], Some("a_bot"));
    company.done("a_admin", create("k_1", bot(), DAY));
    company.done("a_bot", rotate("k_1", "k_2", bot(), DAY));
    company.done("a_admin", create("k_3", inference, DAY));
    assert_eq!(company.done("a_admin", own("a_admin")), ["account.owned"], "it was theirs already");
    assert_eq!(company.done("a_admin", own("a_1")), ["account.owned", "key.revoked", "key.revoked"]);
    assert_eq!(company.status("k_3"), KeyStatus::Live, "what serves goes on");
    assert_eq!(company.refused("a_admin", create("k_4", bot(), DAY)).policies, ["let-in-once"], "nor may they again");
    company.done("a_1", create("k_4", bot(), DAY));
    // Who leaves alone leaves the program to nobody, and takes the keys along.
    assert_eq!(company.done("a_1", Command::Leave(ActorLeft { actor: "a_1".into() })), ["actor.left", "key.revoked"]);
    assert_eq!(company.status("k_4"), KeyStatus::Revoked);
    assert_eq!(company.refused("a_admin", create("k_5", bot(), DAY)).policies, ["let-in-once"]);
    company.done("a_admin", own("a_admin"));
    company.done("a_admin", create("k_5", bot(), DAY));
}

#[test]
fn given_a_program_when_somebody_would_sign_in_as_it_then_only_a_key_does() {
    let mut company = Company::new();
    let (actor, link_sha256, expires_at) = ("a_bot".to_owned(), "l".into(), company.given.now + 1_000);
    let link = SigninLinkCreated { actor, link_sha256, expires_at };
    assert_eq!(company.refused("a_admin", Command::CreateSigninLink(link)).policies, ["people-answer"]);
    let (source, subject) = (IdentitySource::Oidc, "aa".repeat(16));
    let linked = IdentityLinked { actor: "a_bot".into(), source, subject };
    assert_eq!(company.refused("a_admin", Command::LinkIdentity(linked)).policies, ["people-answer"]);
}

#[test]
fn given_a_program_when_it_is_to_hold_what_is_kept_apart_from_its_owners_role_then_it_is_refused_like_the_owner() {
    let mut company = Company::new();
    let request = |grant: &str, actor: &str, role: &str| {
        let (grant, actor, role, scope) = (grant.into(), actor.into(), role.into(), "org".into());
        let (ends_at, reference) = (2 * DAY, "CHG-1".into());
        Command::RequestGrant(GrantRequested { grant, actor, role, scope, ends_at, reference })
    };
    let approve = |grant: &str| Command::ApproveGrant(GrantNamed { grant: grant.into() });
    let own = |owner: &str| {
        let (actor, owner) = ("a_bot".into(), owner.into());
        Command::OwnAccount(AccountOwned { actor, owner, reason: OwnerReason::Named })
    };
    // The administrator answers for the bot, so the bot deploys nothing, and nobody gives it to a trainer once it does.
    assert_eq!(company.refused("a_admin", request("g_1", "a_bot", "deployer")).policies, ["administer-not-deploy"]);
    company.done("a_admin", own("a_1"));
    company.done("a_admin", request("g_1", "a_bot", "deployer"));
    assert_eq!(company.refused("a_1", approve("g_1")).policies, ["approve-not-own"], "its owner is no second person");
    company.done("a_admin", approve("g_1"));
    assert_eq!(company.refused("a_admin", request("g_2", "a_1", "model_trainer")).policies, ["train-not-deploy"]);
    assert_eq!(company.refused("a_admin", own("a_admin")).policies, ["administer-not-deploy"]);
    let left = company.done("a_admin", Command::Leave(ActorLeft { actor: "a_1".into() }));
    assert_eq!(left, ["actor.left"], "nor does it pass to them when its owner leaves");
    assert_eq!(company.state.accounts["a_bot"].owner, "a_1", "which leaves it without an owner who is here");
}

#[test]
fn given_a_leaked_key_when_reported_then_it_ends_at_once_and_stays_known_as_leaked() {
    let mut company = Company::new();
    company.done("a_admin", create("k_1", credit(), DAY));
    let leak = || Command::LeakKey(KeyLeaked { key: "k_1".into() });
    assert_eq!(company.done("a_system", leak()), ["key.leaked", "key.revoked"]);
    assert!(company.done("a_system", leak()).is_empty());
    assert_eq!(company.status("k_1"), KeyStatus::Leaked);
    company.done("a_admin", create("k_2", credit(), DAY));
    company.done("a_admin", Command::RevokeKey(KeyRevoked { key: "k_2".into() }));
    let late = Command::LeakKey(KeyLeaked { key: "k_2".into() });
    assert_eq!(company.done("a_system", late), ["key.leaked"]);
}

#[test]
fn given_keys_that_were_used_when_reported_then_each_is_in_the_ledger_once_an_hour() {
    let mut company = Company::new();
    company.done("a_admin", create("k_1", credit(), DAY));
    company.done("a_admin", create("k_2", credit(), DAY));
    let used = |hour, keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Command::UseKeys(KeysUsed { node: "n1".into(), incarnation: 1, hour, keys })
    };
    company.done("a_system", used(0, &["k_1"]));
    let events = company.ask("a_system", used(0, &["k_0", "k_1", "k_2"])).expect("carried out");
    assert!(matches!(&events[..], [Event::KeysUsed(body)] if body.keys == ["k_2"]), "{events:?}");
    assert!(company.done("a_system", used(0, &["k_1", "k_2"])).is_empty());
    company.done("a_system", used(3_600_000, &["k_1"]));
    assert_eq!(company.state.keys["k_1"].used_at, Some(3_600_000));
    assert_eq!(company.refused("a_system", used(0, &["k_2", "k_1"])).code, RefusalCode::Invalid);
}
