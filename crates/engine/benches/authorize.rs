//! What authorisation adds to a call: `cargo bench -p counterfoil -p engine --bench authorize`.
//!
//! 1,000 policies, of which every tenth concerns inference, are asked about the keys of 10,000 principals, one after the
//! other. The gateway asks once a key and remembers the answer until an event changes it. So there are two costs: the first
//! call of each key, and every call after it. The first is taken twice: with policies that name services and keys in their
//! heads, and with policies that name them in conditions, which are evaluated for every key.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

use domain::Refusal;
use engine::{Permit, Policies, Principal};

const POLICIES: usize = 1_000;
const PRINCIPALS: usize = 10_000;

/// The shipped policies and 1,000 others; `about` makes those of inference.
fn policies(about: impl Fn(usize) -> String) -> Policies {
    let mut text = include_str!("../../../policies/counterfoil.cedar").to_owned();
    for i in 0..POLICIES {
        let policy = match i % 10 {
            0 => about(i),
            1..=5 => format!("permit (principal in Role::\"team-{i}\", action == Action::\"read\", resource);"),
            _ => format!(
                "permit (principal in Role::\"team-{i}\", action in [Action::\"service.declare\", Action::\"sql\"], resource == Service::\"s-{i}\");"
            ),
        };
        writeln!(text, "@id(\"p-{i}\") {policy}").expect("text grows");
    }
    Policies::parse(&text).expect("policies")
}

fn in_heads(i: usize) -> String {
    match i % 20 {
        0 => format!("forbid (principal is Key, action == Action::\"infer\", resource == Service::\"retired-{i}\");"),
        _ => format!("forbid (principal == Key::\"k_lost_{i}\", action == Action::\"infer\", resource is Service);"),
    }
}

fn in_conditions(i: usize) -> String {
    format!(
        "forbid (principal is Key, action == Action::\"infer\", resource is Service) when {{ resource == Service::\"retired-{i}\" }};"
    )
}

type Call = (Principal, String, OnceLock<Result<Permit, Refusal>>);

fn key(i: usize) -> Call {
    let service = format!("s-{}", i % 100);
    let resource = format!("service/{service}");
    (Principal { actor: format!("k_{i}"), services: vec![service], ..Principal::default() }, resource, OnceLock::new())
}

/// Authorises a call of each key as `gateway::permission` does, and says what it took.
fn each(what: &str, policies: &Policies, calls: &[Call]) {
    let authorise = |(who, resource, verdict): &Call| {
        let start = Instant::now();
        let ask = || policies.decide(black_box(who), "infer", black_box(resource));
        let decided = verdict.get_or_init(ask).as_ref().map(|permit| permit.policies().join(","));
        let taken = start.elapsed().as_nanos();
        let permitted = decided.is_ok_and(|by| by == "application-infers-for-its-service");
        assert!(permitted, "each key may call its own service");
        taken
    };
    let mut nanoseconds: Vec<u128> = calls.iter().map(authorise).collect();
    nanoseconds.sort_unstable();
    let at = |share: usize| nanoseconds[(nanoseconds.len() - 1) * share / 100] as f64 / 1000.0;
    println!("{what}: p50 {:.2} us, p99 {:.2} us", at(50), at(99));
}

fn main() {
    println!("{POLICIES} policies, {PRINCIPALS} principals");
    let calls = || (0..PRINCIPALS).map(key).collect::<Vec<_>>();
    let heads = policies(in_heads);
    let asked = calls();
    each("a key's first call", &heads, &asked);
    each("a key's next call, remembered", &heads, &asked);
    each("a key's first call, all services named in conditions", &policies(in_conditions), &calls());
    let person =
        Principal { actor: "a_1".into(), roles: vec![("team-7".into(), "org".into())], ..Principal::default() };
    let start = Instant::now();
    for _ in 0..1_000 {
        black_box(heads.decide(&person, "sql", "service/s-7").is_ok());
    }
    println!("a person's question: {:.2} us", start.elapsed().as_nanos() as f64 / 1e6);
}
