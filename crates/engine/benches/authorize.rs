//! What authorisation adds to a call: `cargo bench -p counterfoil -p engine --bench authorize`.
//!
//! 1,000 policies, of which every tenth concerns inference, are asked about the keys of 10,000 principals, one after the
//! other. The gateway asks once a key and remembers the answer until an event changes it, so this is what the first call
//! of each key pays, and none after it.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use engine::{Policies, Principal};

const POLICIES: usize = 1_000;
const PRINCIPALS: usize = 10_000;

fn text() -> String {
    let mut text = include_str!("../../../policies/counterfoil.cedar").to_owned();
    for i in 0..POLICIES {
        // Every tenth could concern a call; the others are of people and what they change.
        let policy = match i % 10 {
            0 => {
                format!("forbid (principal is Key, action == Action::\"infer\", resource == Service::\"retired-{i}\");")
            }
            1..=5 => format!("permit (principal in Role::\"team-{i}\", action == Action::\"read\", resource);"),
            _ => format!(
                "permit (principal in Role::\"team-{i}\", action in [Action::\"service.declare\", Action::\"sql\"], resource == Service::\"s-{i}\");"
            ),
        };
        writeln!(text, "@id(\"p-{i}\") {policy}").expect("text grows");
    }
    text
}

fn key(i: usize) -> (Principal, String) {
    let service = format!("s-{}", i % 100);
    let resource = format!("service/{service}");
    (Principal { actor: format!("k_{i}"), services: vec![service], ..Principal::default() }, resource)
}

fn main() {
    let policies = Policies::parse(&text()).expect("policies");
    let keys: Vec<_> = (0..PRINCIPALS).map(key).collect();
    let mut nanoseconds: Vec<u128> = keys
        .iter()
        .map(|(who, resource)| {
            let start = Instant::now();
            let permit = policies.decide(black_box(who), "infer", black_box(resource));
            let taken = start.elapsed().as_nanos();
            assert!(permit.is_ok(), "each key may call its own service");
            taken
        })
        .collect();
    nanoseconds.sort_unstable();
    let at = |share: usize| nanoseconds[(nanoseconds.len() - 1) * share / 100] as f64 / 1000.0;
    println!("{POLICIES} policies, {PRINCIPALS} principals: p50 {:.1} us, p99 {:.1} us a question", at(50), at(99));
    let person =
        Principal { actor: "a_1".into(), roles: vec![("team-7".into(), "org".into())], ..Principal::default() };
    let start = Instant::now();
    for _ in 0..1_000 {
        black_box(policies.decide(&person, "sql", "service/s-7").is_ok());
    }
    println!("a person's question beside them: {:.1} us", start.elapsed().as_nanos() as f64 / 1e6);
}
