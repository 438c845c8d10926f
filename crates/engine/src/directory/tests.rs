use std::path::Path;

use domain::people::{KeyScope, MappedRole, Presence};
use domain::{Event, RefusalCode, State};
use serde_json::json;

use super::*;
use crate::tests::{events, open, operator};
use crate::{AuthError, Wish};

fn zoe(user_name: &str, external_id: &str) -> Profile {
    let extra = json!({"externalId": external_id, "displayName": "Zoë Nguyễn", "title": "Risk lead"});
    let extra = extra.as_object().expect("an object").clone();
    let (name, user_name) = (Some("Zoë Nguyễn".into()), Some(user_name.into()));
    Profile { name, email: Some("zoe@example.com".into()), user_name, extra, ..Profile::default() }
}

fn wish(actor: Option<&str>, profile: Profile, presence: Option<Presence>) -> PersonWish {
    let (actor, profile) = (actor.map(str::to_owned), Some(profile));
    PersonWish { actor, kind: ActorKind::Human, profile, presence, expect: None }
}

fn refusal<T>(result: Result<T, ExecuteError>) -> Refusal {
    match result {
        Err(ExecuteError::Refused(refusal)) => refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was carried out"),
    }
}

/// A directory's program, let in by an administrator and approved by somebody else.
async fn directory(engine: &Arc<Engine>) -> Principal {
    let operator = operator(engine);
    // Whoever answers for a program can act as it, so it is somebody who administers nothing.
    let owner = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let actor = engine.register_actor(&operator, ActorKind::Service).await.expect("registered");
    engine.own_account(&operator, &actor, &owner).await.expect("owned");
    let (role, scope, reference) = ("directory".into(), "org".into(), "CHG-1".into());
    let ends_at = Engine::now_ms() + 86_400_000;
    let wish = Wish { actor: actor.clone(), role, scope, ends_at, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

/// Every file below a directory holds none of these words.
fn nowhere(dir: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            nowhere(&path, words);
            continue;
        }
        let bytes = std::fs::read(&path).expect("readable");
        for word in words {
            let found = bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
            assert!(!found, "{word} is in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_directory_when_it_provisions_somebody_then_they_are_found_by_any_spelling_and_nothing_names_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let directory = directory(&engine).await;
    let actor =
        engine.provision_person(&directory, wish(None, zoe("Zoe@Example.com", "emp:0077"), None)).await.expect("new");
    for name in ["zoe@example.com", "ZOE@EXAMPLE.COM", "ｚｏｅ@example.com"] {
        assert_eq!(engine.find_by_user_name(name).await.expect("readable"), Some(actor.clone()), "{name}");
    }
    assert_eq!(engine.find_by_external_id("emp:0077").await.expect("readable"), Some(actor.clone()));
    assert_eq!(engine.find_by_user_name("zое@example.com").await.expect("readable"), None, "in other letters");
    let taken = engine.provision_person(&directory, wish(None, zoe("zoE@example.com", "emp:0088"), None)).await;
    assert_eq!(refusal(taken).code, RefusalCode::Exists);
    let alike = engine.provision_person(&directory, wish(None, zoe("zое@example.com", "emp:0088"), None)).await;
    assert_eq!(refusal(alike).code, RefusalCode::Invalid);
    let spoils: [fn(&mut Profile); 3] = [
        |p| p.email = Some("anna@\u{435}xample.com".into()),
        |p| p.extra["displayName"] = json!("Zoe\u{202e}"),
        |p| drop(p.extra.insert("emails".into(), json!([{"value": "anna@\u{435}xample.com"}]))),
    ];
    for spoil in spoils {
        let mut spoilt = zoe("zoe.n@example.com", "emp:0077");
        spoil(&mut spoilt);
        let alike = engine.provision_person(&directory, wish(Some(&actor), spoilt, None)).await;
        assert_eq!(refusal(alike).code, RefusalCode::Invalid);
        match events(&engine).pop().expect("an event").event {
            Event::CommandRefused(refused) => assert_eq!(refused.command, "person.provision"),
            other => panic!("it is on record: {other:?}"),
        }
    }
    let renamed = zoe("zoe.n@example.com", "emp:0077");
    engine.provision_person(&directory, wish(Some(&actor), renamed, None)).await.expect("renamed");
    assert_eq!(engine.find_by_user_name("zoe@example.com").await.expect("readable"), None);
    assert_eq!(engine.directory_people(), BTreeSet::from([actor.clone()]));
    let size = engine.read(|state| state.size);
    engine
        .provision_person(&directory, wish(Some(&actor), zoe("zoe.n@example.com", "emp:0077"), None))
        .await
        .expect("same");
    assert_eq!(engine.read(|state| state.size), size, "nothing is written when nothing changed");
    let entries = events(&engine);
    let mut state = State::default();
    entries.iter().for_each(|entry| state.apply(entry));
    assert_eq!(engine.read(State::clone), state);
    drop(engine);
    nowhere(dir.path(), &["zoe@example", "zoe.n@", "Nguyễn", "Risk lead", "emp:0077"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_with_a_key_when_their_directory_says_that_they_left_then_the_next_request_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (operator, directory) = (operator(&engine), directory(&engine).await);
    let profile = zoe("zoe@example.com", "emp:0077");
    let actor = engine.provision_person(&directory, wish(None, profile.clone(), None)).await.expect("new");
    let expires_at = Engine::now_ms() + 86_400_000;
    let key = engine.create_key(&operator, KeyScope::Actor(actor.clone()), expires_at).await.expect("a key");
    assert!(engine.authenticate(&key.secret).is_ok());
    let say = |presence| engine.provision_person(&directory, wish(Some(&actor), profile.clone(), Some(presence)));
    say(Presence::Inactive).await.expect("left");
    assert_eq!(engine.authenticate(&key.secret), Err(AuthError::Void));
    say(Presence::Active).await.expect("back");
    assert_eq!(engine.authenticate(&key.secret), Err(AuthError::Void), "what they held does not come back");
    say(Presence::Removed).await.expect("removed");
    assert!(engine.directory_people().is_empty());
    assert!(engine.read(|state| state.left.contains_key(&actor)));
    let again =
        engine.provision_person(&directory, wish(None, profile, Some(Presence::Active))).await.expect("hired again");
    assert_eq!(again, actor, "one person stays one actor");
    assert!(engine.read(|state| !state.left.contains_key(&actor)));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_directory_when_it_reaches_beyond_its_work_then_it_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (operator, directory) = (operator(&engine), directory(&engine).await);
    let own = wish(Some(&operator.actor), zoe("admin", "emp:0001"), Some(Presence::Inactive));
    let reached = refusal(engine.provision_person(&directory, own).await);
    assert_eq!(reached.policies, ["directory-reaches-its-own"]);
    assert!(engine.register_actor(&directory, ActorKind::Service).await.is_err());
    assert!(engine.leave(&directory, &operator.actor).await.is_err());
    assert!(engine.create_signin_link(&directory, &operator.actor).await.is_err());
    let expires_at = Engine::now_ms() + 1_000;
    assert!(engine.create_key(&directory, KeyScope::Actor(operator.actor.clone()), expires_at).await.is_err());
    for action in ["grant.request", "grant.approve", "group.map", "group.map.approve", "read", "sql", "identity.link"] {
        assert!(engine.authorize(&directory, action, "org").is_err(), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_groups_when_a_provider_names_them_then_somebody_is_in_just_those_that_are_known() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (operator, directory) = (operator(&engine), directory(&engine).await);
    let actor = engine.provision_person(&directory, wish(None, zoe("zoe", "emp:0077"), None)).await.expect("new");
    let new = |name: &str, id: Option<&str>, add: BTreeSet<String>| GroupWish {
        group: None,
        note: Some(GroupNote { display_name: name.into(), external_id: id.map(str::to_owned), ..GroupNote::default() }),
        source: IdentitySource::Scim,
        add,
        remove: BTreeSet::new(),
        expect: None,
    };
    let train =
        engine.provision_group(&directory, new("ML Trainers", Some("guid-1"), BTreeSet::new())).await.expect("new");
    let watch =
        engine.provision_group(&directory, new("Watchers", None, BTreeSet::from([actor.clone()]))).await.expect("new");
    let taken = refusal(engine.provision_group(&directory, new("ml trainers", None, BTreeSet::new())).await);
    assert_eq!(taken.code, RefusalCode::Exists);
    for name in ["ml TRAINERS", "guid-1"] {
        assert_eq!(engine.find_group(name).await.expect("readable"), Some(train.clone()), "{name}");
    }
    let role = |role: &str| vec![MappedRole { role: role.into(), scope: "org".into() }];
    engine.map_group(&operator, &train, role("model_trainer"), 90).await.expect("mapped");
    engine.follow_claims(&actor, &["guid-1", "unknown", "watchers"]).await.expect("followed");
    let groups = |engine: &Engine| {
        engine.read(|state| state.groups_of(&actor).map(|(id, _)| id.to_owned()).collect::<BTreeSet<_>>())
    };
    assert_eq!(groups(&engine), BTreeSet::from([train.clone(), watch.clone()]));
    assert_eq!(
        engine.read(|state| state.grants.values().filter(|grant| grant.is_pending(Engine::now_ms())).count()),
        1
    );
    engine.follow_claims(&actor, &[]).await.expect("followed");
    assert_eq!(groups(&engine), BTreeSet::from([watch.clone()]), "what the directory says stays");
    assert_eq!(
        engine.read(|state| state.grants.values().filter(|grant| grant.is_pending(Engine::now_ms())).count()),
        0
    );
    let note = engine.group_note(&watch).await.expect("readable").expect("kept");
    assert_eq!(note.display_name, "Watchers");
    engine.delete_group(&operator, &watch, None).await.expect("deleted");
    assert_eq!(engine.group_note(&watch).await.expect("readable"), None);
    drop(engine);
    nowhere(dir.path(), &["ML Trainers", "Watchers", "guid-1"]);
}
