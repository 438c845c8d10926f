//! Passkeys and recovery codes: who may make them, what they prove, and that nobody adds to them for somebody else.

use proptest::prelude::*;

use crate::people::passkeys::{COUNTER_RULE, OWN_RULE, PASSKEYS_MAX};
use crate::people::recovery::{RECOVERY_CODES, RECOVERY_SESSION_MS};
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, Algorithm, KeyCreated, KeyScope, OpenSession, PasskeyRegistered,
    PasskeyRemoved, PasskeyUsed, Proof, RecoveryIssued, SessionStarted, SigninLinkCreated,
};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

const NOW: i64 = 1_000_000_000;

struct House {
    state: State,
    given: Given,
}

impl House {
    /// Counterfoil itself, two administrators, a trainer and a program.
    fn new() -> Self {
        let mut house = Self { state: State::default(), given: Given { now: NOW, ..Given::default() } };
        let people = [
            ("a_1", ActorKind::Human, "administrator"),
            ("a_2", ActorKind::Human, "administrator"),
            ("a_3", ActorKind::Human, "model_trainer"),
            ("a_4", ActorKind::Service, "model_trainer"),
            ("a_system", ActorKind::System, "system"),
        ];
        for (actor, kind, role) in people {
            let registered = ActorRegistered { actor: actor.into(), kind, roles: vec![role.into()] };
            house.done("a_system", Command::RegisterActor(registered));
        }
        house
    }

    fn ask(&mut self, by: &str, command: Command) -> Result<Vec<&'static str>, Refusal> {
        self.given.by = by.to_owned();
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            let (stream, id) = (event.stream(), self.state.size.to_string());
            let sv = self.state.version(&stream) + 1;
            let entry = Entry { v: 1, id, ts: self.given.now, actor: by.into(), stream, sv, event: event.clone() };
            self.state.apply(&entry);
        }
        Ok(events.iter().map(Event::name).collect())
    }

    #[track_caller]
    fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    #[track_caller]
    fn refused(&mut self, by: &str, command: Command) -> Refusal {
        let before = self.state.clone();
        let refusal = self.ask(by, command).expect_err("it is refused");
        assert_eq!(self.state, before);
        refusal
    }
}

fn passkey(number: usize, actor: &str) -> PasskeyRegistered {
    PasskeyRegistered {
        passkey: format!("p_{number}"),
        actor: actor.into(),
        credential: format!("{number:04x}"),
        algorithm: Algorithm::Es256,
        public_key: format!("04{number:0128x}"),
        sign_count: 0,
        synced: false,
        name_sha256: "ab".repeat(32),
    }
}

fn register(number: usize, actor: &str) -> Command {
    Command::RegisterPasskey(passkey(number, actor))
}

fn codes(actor: &str, from: usize) -> RecoveryIssued {
    let codes = (from..from + RECOVERY_CODES).map(|number| format!("{number:064x}")).collect();
    RecoveryIssued { actor: actor.into(), codes }
}

fn session(number: usize, actor: &str, proof: Proof) -> SessionStarted {
    SessionStarted {
        session: format!("s_{number}"),
        actor: actor.into(),
        proof,
        link_sha256: None,
        provider_session_sha256: None,
        passkey: None,
        session_sha256: format!("{number:064x}"),
        authenticated_at: NOW,
        mfa: proof == Proof::Passkey,
        expires_at: NOW + RECOVERY_SESSION_MS,
    }
}

fn by_passkey(number: usize, actor: &str, passkey: usize, sign_count: u32) -> Command {
    let used = PasskeyUsed { passkey: format!("p_{passkey}"), actor: actor.into(), sign_count };
    let started = SessionStarted { passkey: Some(used.passkey.clone()), ..session(number, actor, Proof::Passkey) };
    Command::OpenSession(OpenSession { started, replaces: None, passkey: Some(used), recovery_sha256: None })
}

fn by_code(number: usize, actor: &str, code: usize) -> Command {
    let (started, code) = (session(number, actor, Proof::Recovery), format!("{code:064x}"));
    Command::OpenSession(OpenSession { started, replaces: None, passkey: None, recovery_sha256: Some(code) })
}

#[test]
fn given_a_person_when_they_register_a_passkey_then_it_signs_them_in_and_nobody_else() {
    let mut house = House::new();
    assert_eq!(house.done("a_1", register(1, "a_1")), ["passkey.registered"]);
    assert_eq!(house.done("a_system", by_passkey(1, "a_1", 1, 0)), ["passkey.used", "session.started"]);
    let known = house.state.passkeys["p_1"].clone();
    assert_eq!((known.used_at, known.registered_at), (Some(NOW), NOW));
    assert!(house.state.session("s_1").is_some_and(|session| session.mfa));
    assert_eq!(house.refused("a_system", by_passkey(2, "a_2", 1, 0)).code, RefusalCode::NotFound);
    let without = OpenSession {
        started: session(3, "a_1", Proof::Passkey),
        replaces: None,
        passkey: None,
        recovery_sha256: None,
    };
    assert_eq!(house.refused("a_system", Command::OpenSession(without)).code, RefusalCode::Invalid);
}

#[test]
fn given_sessions_by_several_passkeys_when_one_is_removed_then_those_that_it_opened_end_and_no_others() {
    let mut house = House::new();
    house.done("a_1", register(1, "a_1"));
    house.done("a_1", register(2, "a_1"));
    house.done("a_2", register(3, "a_2"));
    for (number, actor, passkey) in [(1, "a_1", 1), (2, "a_1", 2), (3, "a_1", 1), (4, "a_2", 3)] {
        house.done("a_system", by_passkey(number, actor, passkey, 0));
    }
    let wrong = SessionStarted { passkey: Some("p_2".into()), ..session(5, "a_1", Proof::Passkey) };
    let used = PasskeyUsed { passkey: "p_1".into(), actor: "a_1".into(), sign_count: 0 };
    let wrong = OpenSession { started: wrong, replaces: None, passkey: Some(used), recovery_sha256: None };
    assert_eq!(house.refused("a_system", Command::OpenSession(wrong)).code, RefusalCode::Invalid, "another passkey");
    // Of a session that began before it was known by which passkey, nothing is left to doubt either.
    let untold = Event::SessionStarted(session(6, "a_1", Proof::Passkey));
    let entry = Entry {
        v: 1,
        id: "x".into(),
        ts: NOW,
        actor: "a_system".into(),
        stream: untold.stream(),
        sv: 1,
        event: untold,
    };
    house.state.apply(&entry);
    let remove = Command::RemovePasskey(PasskeyRemoved { passkey: "p_1".into(), actor: "a_1".into() });
    let ended = ["passkey.removed", "session.ended", "session.ended", "session.ended"];
    assert_eq!(house.done("a_2", remove), ended);
    let open: Vec<&str> = house.state.sessions.values().map(|session| session.session.as_str()).collect();
    assert_eq!(open, ["s_2", "s_4"]);
    // What ended by itself does not end again.
    house.given.now = NOW + RECOVERY_SESSION_MS;
    let remove = Command::RemovePasskey(PasskeyRemoved { passkey: "p_2".into(), actor: "a_1".into() });
    assert_eq!(house.done("a_1", remove), ["passkey.removed"]);
}

#[test]
fn given_a_passkey_that_others_or_programs_would_make_when_registered_then_it_is_refused() {
    let mut house = House::new();
    for by in ["a_2", "a_system"] {
        let refusal = house.refused(by, register(1, "a_1"));
        assert_eq!((refusal.code, refusal.policies), (RefusalCode::Forbidden, vec![OWN_RULE.to_owned()]), "{by}");
    }
    assert_eq!(house.refused("a_4", register(1, "a_4")).code, RefusalCode::Invalid, "a program has keys");
    assert_eq!(house.refused("a_system", register(1, "a_system")).code, RefusalCode::Forbidden);
    let wrong: [fn(&mut PasskeyRegistered); 7] = [
        |p| p.credential = String::new(),
        |p| p.credential = "0".repeat(2 * 1024),
        |p| p.credential = "C0".into(),
        |p| p.credential = "0".into(),
        |p| p.public_key = "04".into(),
        |p| p.name_sha256 = "Zoe".into(),
        |p| p.passkey = "Zoe's phone".into(),
    ];
    for spoil in wrong {
        let mut body = passkey(1, "a_1");
        spoil(&mut body);
        assert_eq!(house.refused("a_1", Command::RegisterPasskey(body.clone())).code, RefusalCode::Invalid, "{body:?}");
    }
    house.done("a_1", register(1, "a_1"));
    assert_eq!(house.refused("a_2", register(1, "a_2")).code, RefusalCode::Exists, "a credential is one person's");
    for number in 2..=PASSKEYS_MAX {
        house.done("a_1", register(number, "a_1"));
    }
    assert_eq!(house.refused("a_1", register(PASSKEYS_MAX + 1, "a_1")).code, RefusalCode::Conflict);
    house.done("a_1", Command::RemovePasskey(PasskeyRemoved { passkey: "p_1".into(), actor: "a_1".into() }));
    house.done("a_1", register(PASSKEYS_MAX + 1, "a_1"));
}

#[test]
fn given_a_way_in_when_somebody_else_adds_one_then_it_is_refused_until_it_is_taken_away() {
    let mut house = House::new();
    let link = || {
        let (actor, link_sha256) = ("a_1".to_owned(), "cd".repeat(32));
        Command::CreateSigninLink(SigninLinkCreated { actor, link_sha256, expires_at: NOW + 1000 })
    };
    let key = || {
        Command::CreateKey(KeyCreated {
            key: "k_1".into(),
            scope: KeyScope::Actor("a_1".into()),
            prefix: "cfk_".into(),
            secret_sha256: "ef".repeat(32),
            expires_at: NOW + 1000,
            session: None,
        })
    };
    house.done("a_1", register(1, "a_1"));
    for command in [link(), key()] {
        assert_eq!(house.refused("a_2", command).policies, ["let-in-once"]);
    }
    house.done("a_2", Command::RemovePasskey(PasskeyRemoved { passkey: "p_1".into(), actor: "a_1".into() }));
    house.done("a_1", Command::IssueRecovery(codes("a_1", 0)));
    for command in [link(), key()] {
        assert_eq!(house.refused("a_2", command).policies, ["let-in-once"], "a code is a way in too");
    }
    for code in 0..RECOVERY_CODES {
        house.done("a_system", by_code(code, "a_1", code));
    }
    house.given.now = NOW + RECOVERY_SESSION_MS;
    let (actor, link_sha256, expires_at) = ("a_1".to_owned(), "cd".repeat(32), house.given.now + 1000);
    house.done("a_2", Command::CreateSigninLink(SigninLinkCreated { actor, link_sha256, expires_at }));
}

#[test]
fn given_recovery_codes_when_used_then_each_is_good_once_and_new_ones_make_old_ones_void() {
    let mut house = House::new();
    assert_eq!(house.refused("a_2", Command::IssueRecovery(codes("a_1", 0))).policies, ["let-in-once"]);
    assert_eq!(house.refused("a_3", Command::IssueRecovery(codes("a_3", 0))).code, RefusalCode::Conflict);
    house.done("a_1", Command::IssueRecovery(codes("a_1", 0)));
    assert_eq!(house.refused("a_2", Command::IssueRecovery(codes("a_2", 0))).code, RefusalCode::Invalid, "not new");
    assert_eq!(house.done("a_system", by_code(1, "a_1", 0)), ["recovery.used", "session.started"]);
    assert_eq!(house.refused("a_system", by_code(2, "a_1", 0)).code, RefusalCode::NotFound, "good once");
    assert_eq!(house.refused("a_system", by_code(2, "a_2", 1)).code, RefusalCode::NotFound, "somebody else's");
    let mut long = session(3, "a_1", Proof::Recovery);
    long.expires_at += 1;
    let code = Some(format!("{:064x}", 1_usize));
    let long = OpenSession { started: long, replaces: None, passkey: None, recovery_sha256: code };
    assert_eq!(house.refused("a_system", Command::OpenSession(long)).code, RefusalCode::Invalid);
    house.done("a_system", Command::IssueRecovery(codes("a_1", 100)));
    assert_eq!(house.refused("a_system", by_code(2, "a_1", 1)).code, RefusalCode::NotFound, "void");
    house.done("a_system", by_code(2, "a_1", 100));
    assert_eq!(house.state.recovery["a_1"].unused.len(), RECOVERY_CODES - 1);
    let few = RecoveryIssued { actor: "a_1".into(), codes: vec!["ab".repeat(32)] };
    assert_eq!(house.refused("a_1", Command::IssueRecovery(few)).code, RefusalCode::Invalid);
}

#[test]
fn given_somebody_who_leaves_when_it_is_noted_then_their_passkeys_and_codes_are_gone() {
    let mut house = House::new();
    house.done("a_1", register(1, "a_1"));
    house.done("a_1", register(2, "a_1"));
    house.done("a_1", Command::IssueRecovery(codes("a_1", 0)));
    let events = house.done("a_2", Command::Leave(ActorLeft { actor: "a_1".into() }));
    assert_eq!(events, ["actor.left", "passkey.removed", "passkey.removed"]);
    assert!(house.state.passkeys.is_empty() && house.state.recovery.is_empty());
    assert!(house.ask("a_system", by_passkey(1, "a_1", 1, 0)).is_err());
    assert!(house.ask("a_system", by_code(1, "a_1", 1)).is_err());
}

proptest! {
    /// Over any sequence of counts, those that are accepted grow, or are all 0.
    #[test]
    fn counts_of_signatures_only_grow(counts in proptest::collection::vec(0_u32..6, 1..20)) {
        let mut house = House::new();
        house.done("a_1", register(1, "a_1"));
        let mut last = 0;
        for (number, count) in counts.into_iter().enumerate() {
            let grows = count > last || (count == 0 && last == 0);
            match house.ask("a_system", by_passkey(number, "a_1", 1, count)) {
                Ok(_) => {
                    prop_assert!(grows);
                    last = count;
                }
                Err(refusal) => {
                    prop_assert!(!grows);
                    prop_assert_eq!(refusal.policies, vec![COUNTER_RULE.to_owned()]);
                }
            }
            prop_assert_eq!(house.state.passkeys["p_1"].sign_count, last);
        }
    }
}
