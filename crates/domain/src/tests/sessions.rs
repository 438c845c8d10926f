//! Sessions: how they begin, end, take each other's place, and when they are too old for what is critical.

use proptest::prelude::*;

use crate::people::keys::RotateKey;
use crate::people::reviews::{ReviewAssigned, ReviewDecided, ReviewNamed, ReviewReason, StartReview};
use crate::people::sessions::{FRESH_MS, FRESH_RULE, SESSION_MAX_MS};
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, GrantNamed, KeyCreated, KeyScope, OpenSession, Proof, SessionClosed,
    SessionEnd, SessionEnded, SessionOpened, SessionStarted,
};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

const NOW: i64 = 1_000_000_000;

struct House {
    state: State,
    given: Given,
}

impl House {
    fn new() -> Self {
        let mut house = Self { state: State::default(), given: Given { now: NOW, ..Given::default() } };
        for (actor, kind) in [("a_system", ActorKind::System), ("a_1", ActorKind::Human), ("a_2", ActorKind::Human)] {
            let registered = ActorRegistered { actor: actor.into(), kind, roles: vec![] };
            house.done("a_system", Command::RegisterActor(registered));
        }
        house
    }

    fn ask(&mut self, by: &str, command: Command) -> Result<Vec<&'static str>, Refusal> {
        self.given.by = by.to_owned();
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            self.happened(by, event.clone());
        }
        Ok(events.iter().map(Event::name).collect())
    }

    fn happened(&mut self, by: &str, event: Event) {
        let (stream, id) = (event.stream(), self.state.size.to_string());
        let sv = self.state.version(&stream) + 1;
        self.state.apply(&Entry { v: 1, id, ts: self.given.now, actor: by.into(), stream, sv, event });
    }

    #[track_caller]
    fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).expect("carried out")
    }

    #[track_caller]
    fn refused(&mut self, by: &str, command: Command) -> RefusalCode {
        self.ask(by, command).expect_err("refused").code
    }

    fn open(&self) -> Vec<(&str, &str)> {
        self.state.sessions.values().map(|session| (session.session.as_str(), session.actor.as_str())).collect()
    }
}

fn started(session: &str, actor: &str) -> SessionStarted {
    SessionStarted {
        session: session.into(),
        actor: actor.into(),
        proof: Proof::Oidc,
        link_sha256: None,
        provider_session_sha256: Some("p".into()),
        passkey: None,
        session_sha256: format!("digest of {session}"),
        authenticated_at: NOW,
        mfa: true,
        expires_at: NOW + 60_000,
    }
}

fn open(session: &str, actor: &str, replaces: Option<&str>) -> Command {
    let replaces = replaces.map(str::to_owned);
    Command::OpenSession(OpenSession {
        started: started(session, actor),
        replaces,
        passkey: None,
        recovery_sha256: None,
    })
}

fn close(session: &str, actor: &str, reason: SessionEnd) -> Command {
    Command::CloseSession(SessionEnded { session: session.into(), actor: actor.into(), reason })
}

#[test]
fn given_a_session_when_its_owner_proves_again_who_they_are_then_another_takes_its_place() {
    let mut house = House::new();
    assert_eq!(house.done("a_system", open("s_1", "a_1", None)), ["session.started"]);
    assert_eq!(house.done("a_system", open("s_2", "a_1", Some("s_1"))), ["session.ended", "session.started"]);
    assert_eq!(house.open(), [("s_2", "a_1")]);
    assert_eq!(house.refused("a_system", open("s_3", "a_2", Some("s_2"))), RefusalCode::Invalid, "not another's");
    assert_eq!(house.refused("a_system", open("s_2", "a_1", None)), RefusalCode::Exists);
}

#[test]
fn given_a_session_when_others_end_it_then_they_revoke_it_and_give_no_other_reason() {
    let mut house = House::new();
    for session in ["s_1", "s_2", "s_3"] {
        house.done("a_system", open(session, "a_1", None));
    }
    let others = [SessionEnd::Idle, SessionEnd::Provider, SessionEnd::Replaced, SessionEnd::PasskeyRemoved];
    for reason in others.into_iter().chain([SessionEnd::SignedOut]) {
        assert_eq!(house.refused("a_2", close("s_1", "a_1", reason)), RefusalCode::Forbidden, "{reason:?}");
    }
    assert_eq!(house.refused("a_1", close("s_1", "a_1", SessionEnd::Idle)), RefusalCode::Forbidden);
    assert_eq!(house.refused("a_2", close("s_1", "a_2", SessionEnd::Revoked)), RefusalCode::NotFound, "as their own");
    house.done("a_2", close("s_1", "a_1", SessionEnd::Revoked));
    house.done("a_1", close("s_2", "a_1", SessionEnd::SignedOut));
    house.done("a_system", close("s_3", "a_1", SessionEnd::Idle));
    assert_eq!(house.refused("a_1", close("s_2", "a_1", SessionEnd::SignedOut)), RefusalCode::NotFound);
    assert!(house.open().is_empty());
}

#[test]
fn given_a_key_of_a_command_line_when_the_provider_says_that_its_owner_signed_out_then_it_ends_with_the_sign_in() {
    let mut house = House::new();
    let key = |name: &str, session: Option<&str>| KeyCreated {
        key: name.into(),
        scope: KeyScope::Actor("a_1".into()),
        prefix: "cfk_".into(),
        secret_sha256: name.into(),
        expires_at: NOW + 1000,
        session: session.map(str::to_owned),
    };
    house.done("a_system", open("s_1", "a_1", None));
    house.done("a_1", Command::CreateKey(key("k_1", Some("s_1"))));
    house.done("a_1", Command::CreateKey(key("k_2", None)));
    let other = Command::CreateKey(key("k_9", Some("s_9")));
    assert_eq!(house.refused("a_1", other), RefusalCode::Expired, "there is no such session");
    let by = key("k_3", None);
    house.done("a_1", Command::RotateKey(RotateKey { key: "k_1".into(), by, ends_at: NOW + 1000 }));
    house.done("a_1", close("s_1", "a_1", SessionEnd::SignedOut));
    // The session is over; what came from it goes with the provider's.
    let over = close("s_1", "a_1", SessionEnd::Provider);
    assert_eq!(house.refused("a_1", over.clone()), RefusalCode::NotFound, "the provider says it, nobody else");
    assert_eq!(house.done("a_system", over.clone()), ["key.revoked", "key.revoked"]);
    assert!(house.state.keys["k_2"].is_live(NOW) && !house.state.keys["k_3"].is_live(NOW));
    assert_eq!(house.refused("a_system", over), RefusalCode::NotFound, "once");
    house.done("a_system", open("s_2", "a_1", None));
    house.done("a_1", Command::CreateKey(key("k_4", Some("s_2"))));
    let over = close("s_2", "a_1", SessionEnd::Provider);
    assert_eq!(house.done("a_system", over), ["session.ended", "key.revoked"]);
}

#[test]
fn given_a_session_that_makes_no_sense_when_opened_then_it_is_refused() {
    let mut house = House::new();
    let changes: [fn(&mut SessionStarted); 7] = [
        |s| s.passkey = Some("p_1".into()),
        |s| s.expires_at = NOW,
        |s| s.expires_at = NOW + SESSION_MAX_MS + 1,
        |s| s.authenticated_at = NOW + 1,
        |s| s.link_sha256 = Some("l".into()),
        |s| s.proof = Proof::Link,
        |s| s.session = "Anna".into(),
    ];
    for change in changes {
        let mut started = started("s_1", "a_1");
        change(&mut started);
        let wish = Command::OpenSession(OpenSession {
            started: started.clone(),
            replaces: None,
            passkey: None,
            recovery_sha256: None,
        });
        assert_eq!(house.refused("a_system", wish), RefusalCode::Invalid, "{started:?}");
    }
    assert_eq!(house.refused("a_system", open("s_1", "a_9", None)), RefusalCode::NotFound);
    assert_eq!(house.refused("a_system", open("s_1", "a_system", None)), RefusalCode::Forbidden);
    house.done("a_2", Command::Leave(ActorLeft { actor: "a_1".into() }));
    assert_eq!(house.refused("a_system", open("s_1", "a_1", None)), RefusalCode::Conflict, "who left stays out");
}

#[test]
fn given_a_ledger_with_sessions_of_the_first_kind_when_folded_then_they_open_and_close_as_they_did() {
    let mut house = House::new();
    let opened = |digest: &str| SessionOpened {
        actor: "a_1".into(),
        link_sha256: "l".into(),
        session_sha256: digest.into(),
        expires_at: NOW + 60_000,
    };
    house.happened("a_system", Event::SessionOpened(opened("0123456789abcdef0123")));
    house.happened("a_system", Event::SessionOpened(opened("ff")));
    assert_eq!(house.open(), [("s_0123456789abcdef", "a_1"), ("s_ff", "a_1")]);
    let closed = SessionClosed { actor: "a_1".into(), session_sha256: "ff".into() };
    house.happened("a_1", Event::SessionClosed(closed));
    house.done("a_1", close("s_0123456789abcdef", "a_1", SessionEnd::SignedOut));
    assert!(house.open().is_empty());
}

#[test]
fn given_sessions_whose_time_is_over_when_another_begins_then_they_are_forgotten() {
    let mut house = House::new();
    house.done("a_system", open("s_1", "a_1", None));
    house.given.now = NOW + 60_000;
    let mut late = started("s_2", "a_1");
    late.expires_at = NOW + 120_000;
    house.done(
        "a_system",
        Command::OpenSession(OpenSession { started: late, replaces: None, passkey: None, recovery_sha256: None }),
    );
    assert_eq!(house.open(), [("s_2", "a_1")]);
}

fn key(scope: KeyScope) -> Command {
    let (key, prefix) = ("k_1".into(), "cfk_".into());
    Command::CreateKey(KeyCreated {
        key,
        scope,
        prefix,
        secret_sha256: "x".into(),
        expires_at: NOW + 90_000_000,
        session: None,
    })
}

proptest! {
    #[test]
    fn given_any_age_of_the_proof_when_something_critical_is_asked_then_only_a_fresh_one_will_do(
        age in 0..4 * FRESH_MS, by_key: bool,
    ) {
        let mut house = House::new();
        house.given.authenticated_at = (!by_key).then_some(NOW - age);
        let critical = [
            key(KeyScope::Actor("a_1".into())),
            Command::ApproveGrant(GrantNamed { grant: "g_1".into() }),
            Command::StartReview(StartReview {
                review: "r_1".into(),
                scope: "org".into(),
                reviewer: "a_2".into(),
                alternate: None,
                credentials: true,
                due_at: NOW + 1,
            }),
            Command::AssignReview(ReviewAssigned { review: "r_1".into(), reviewer: "a_2".into(), alternate: None }),
            Command::DecideReview(ReviewDecided {
                review: "r_1".into(),
                item: "g_1".into(),
                verdict: ReviewReason::Needed.verdict(),
                reason: ReviewReason::Needed,
                reference: None,
            }),
        ];
        for command in critical {
            house.given.by = "a_1".into();
            let stale = match decide(&house.state, &house.given, &command) {
                Err(refusal) => refusal.policies == [FRESH_RULE],
                Ok(_) => false,
            };
            prop_assert_eq!(stale, !by_key && age > FRESH_MS, "{}", command.name());
        }
        house.given.authenticated_at = Some(NOW - age);
        let complete = Command::CompleteReview(ReviewNamed { review: "r_1".into() });
        for harmless in [close("s_9", "a_2", SessionEnd::Revoked), complete] {
            let code = house.ask("a_2", harmless).expect_err("there is none").code;
            prop_assert_eq!(code, RefusalCode::NotFound);
        }
    }
}
