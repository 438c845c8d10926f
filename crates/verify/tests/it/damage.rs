//! Every kind of damage, by the name that the report gives it.

use domain::infrastructure::{LedgerHeartbeat, StateDigest};
use domain::serving::SegmentProgress;
use domain::{Entry, Event, Record, State};
use merkle::{Policy, SignerKey, hex};
use verify::{Claim, Options, Package, Report, Verdict, verify_package};

use crate::world::{HOUR_MS, ORIGIN, Parts, World, core, framed, leaves, parquet, signer, witness};

pub fn options(world: &World) -> Options {
    Options { log_vkey: Some(signer().verifier_key().clone()), now_ms: world.now, ..Options::default() }
}

fn verify(parts: Parts) -> Report {
    let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
    verify_package(parts.zip(), &options)
}

/// The package must fail the claim, and for this reason among others.
#[track_caller]
pub fn assert_fails(report: &Report, claim: Claim, code: &str) {
    assert_eq!(report.verdict(claim), Verdict::Fail, "{report}");
    let found = report.findings.iter().any(|finding| finding.code == code && finding.claim == claim);
    assert!(found, "no finding `{code}` in:\n{report}");
    let exit = if claim == Claim::Integrity { 1 } else { 2 };
    assert!(report.exit == exit || report.exit == 1, "{report}");
}

/// Damages the package of a full world, with digests made to fit again.
#[track_caller]
fn damaged(code: &str, damage: impl FnOnce(&mut Parts)) -> Report {
    let mut parts = World::full().package();
    damage(&mut parts);
    let report = verify(parts);
    assert_fails(&report, Claim::Integrity, code);
    report
}

/// A ledger that says something untrue of itself, properly signed.
#[track_caller]
fn untrue(claim: Claim, code: &str, say: impl FnOnce(&mut World)) -> Report {
    let mut world = World::full();
    say(&mut world);
    let report = verify_package(world.package().zip(), &options(&world));
    assert_fails(&report, claim, code);
    report
}

#[test]
fn a_whole_package_passes_what_can_be_checked_and_says_what_cannot() {
    let mut world = World::full();
    (0..300).for_each(|_| world.refuse());
    let report = verify_package(world.package().zip(), &options(&world));
    let verdicts: Vec<Verdict> = report.verdicts.iter().map(|conclusion| conclusion.verdict).collect();
    use Verdict::{Pass, Unknown};
    assert_eq!(verdicts, [Pass, Pass, Unknown, Unknown, Unknown], "{report}");
    assert_eq!(report.exit, 0, "{report}");
    assert!(report.to_string().contains("2 segments with 8 records"), "{report}");
}

#[test]
fn without_a_key_of_ones_own_the_report_says_whose_key_it_was() {
    let world = World::full();
    let report = verify_package(world.package().zip(), &Options { now_ms: world.now, ..Options::default() });
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    assert!(report.has("key.unpinned"), "{report}");
}

#[test]
fn an_altered_entry_is_found() {
    let report = damaged("entries.root", |parts| {
        let bundle = parts.file("tile/entries/000.p/11");
        let at = bundle.windows(7).position(|w| w == b"Lending").expect("the organisation's name");
        bundle[at] = b'B';
    });
    assert_eq!(report.exit, 1, "a damaged entry is not a rewritten history: {report}");
}

#[test]
fn a_missing_bundle_is_found() {
    let mut world = World::full();
    (0..300).for_each(|_| world.refuse());
    let whole = Package::from_bytes(world.package().zip()).expect("a package");
    assert_eq!(whole.entries().expect("all entries"), world.entries);
    let mut parts = world.package();
    parts.files.remove("tile/entries/000");
    let damaged = Package::from_bytes(parts.zip_as_listed()).expect("a package");
    assert!(
        damaged.entries().is_err_and(|error| error.to_string().contains("`tile/entries/000`: the file is missing"))
    );
    let report = verify(parts);
    assert_fails(&report, Claim::Integrity, "entries.missing");
    assert_fails(&report, Claim::Completeness, "entries.gap");
}

#[test]
fn a_truncated_log_is_found() {
    damaged("checkpoint.manifest", |parts| {
        let bundle = parts.files.remove("tile/entries/000.p/11").expect("the bundle");
        let entries = merkle::decode_bundle(&bundle).expect("a bundle");
        let short = merkle::encode_bundle(entries[..10].iter().copied()).expect("entries fit");
        parts.files.insert("tile/entries/000.p/10".into(), short);
        parts.manifest.size = 10;
    });
}

#[test]
fn a_size_that_the_package_cannot_hold_is_refused_without_effort() {
    let report = damaged("entries.missing", |parts| parts.manifest.size = u64::MAX);
    assert!(report.has("entries.gap"), "{report}");
}

#[test]
fn a_forged_checkpoint_is_found() {
    let mut world = World::full();
    world.signer = SignerKey::ed25519(ORIGIN, &[9; 32]).expect("a good name");
    let mut parts = world.package();
    parts.manifest.log_vkey = signer().verifier_key().to_string();
    assert_fails(&verify(parts), Claim::Integrity, "checkpoint.signature");
    // A forger who also names his own key in the manifest.
    let report = verify_package(world.package().zip(), &Options::default());
    assert_fails(&report, Claim::Integrity, "key.changed");
    assert_fails(&verify(world.package()), Claim::Integrity, "key.untrusted");
    damaged("checkpoint.unreadable", |parts| parts.file("checkpoint").truncate(40));
    damaged("checkpoint.missing", |parts| drop(parts.files.remove("checkpoint")));
}

#[test]
fn a_rewritten_history_is_found_by_an_older_checkpoint() {
    let mut world = World::full();
    let seen = world.checkpoint(world.entries.len());
    world.refuse();
    let continued = Options { seen: Some(seen.clone()), ..options(&world) };
    let report = verify_package(world.package().zip(), &continued);
    assert_eq!((report.exit, report.has("seen.continued")), (0, true), "{report}");

    let mut other = World::new();
    (0..20).for_each(|_| other.refuse());
    let report = verify_package(other.package().zip(), &continued);
    assert_eq!((report.exit, report.has("log.rollback")), (3, true), "{report}");
}

#[test]
fn a_heartbeat_of_another_history_is_found() {
    let mut world = World::full();
    let mut other = World::new();
    other.refuse();
    let beat = LedgerHeartbeat { checkpoint: other.checkpoint(3), signed_at: world.now };
    world.event(Event::LedgerHeartbeat(beat));
    let report = verify_package(world.package().zip(), &options(&world));
    assert_eq!((report.exit, report.has("log.rollback")), (3, true), "{report}");
    untrue(Claim::Integrity, "heartbeat.signature", |world| {
        let checkpoint = "no note".to_owned();
        world.event(Event::LedgerHeartbeat(LedgerHeartbeat { checkpoint, signed_at: 0 }));
    });
}

const TLV: &str = "segments/n1-1-0/core.tlv";
const PARQUET: &str = "segments/n1-1-0/core.parquet";
const PAYLOAD: &str = "segments/n1-1-0/payload.bin";

fn tlv(numbers: &[i64]) -> Vec<u8> {
    framed(&numbers.iter().map(|number| core(*number, 1).encode()).collect::<Vec<_>>())
}

fn rows(numbers: &[i64]) -> Vec<u8> {
    parquet(&numbers.iter().map(|number| core(*number, 1)).collect::<Vec<_>>(), 0)
}

#[test]
fn an_altered_record_is_named() {
    let report = damaged("record.altered", |parts| {
        let file = parts.file(TLV);
        let at = file.windows(2).position(|w| w == b"ok").expect("a status");
        file[at..at + 2].copy_from_slice(b"OK");
    });
    let named = "segments/n1-1-0/core.tlv record 0 (node_seq 0, inference `018f3c2e-7d4b-7000-8000-000000000000`)";
    assert!(report.findings.iter().any(|finding| finding.place == named), "{report}");
}

#[test]
fn added_removed_and_moved_records_are_named() {
    let report = damaged("record.added", |parts| *parts.file(TLV) = tlv(&[0, 1, 9, 2, 3, 4]));
    assert!(report.to_string().contains("record 2 (node_seq 9"), "{report}");
    let report = damaged("record.removed", |parts| *parts.file(TLV) = tlv(&[0, 1, 3, 4]));
    assert!(report.to_string().contains("core.tlv place 2"), "{report}");
    let report = damaged("record.moved", |parts| *parts.file(TLV) = tlv(&[0, 2, 1, 3, 4]));
    assert!(report.to_string().contains("record 1 (node_seq 2"), "{report}");
}

#[test]
fn damaged_framing_and_unreadable_records_are_found() {
    damaged("records.framing", |parts| parts.file(TLV).truncate(30));
    damaged("record.unreadable", |parts| parts.file(TLV)[4] = 0xee);
    damaged("segment.missing", |parts| drop(parts.files.remove(TLV)));
}

#[test]
fn damaged_leaves_are_found_and_the_records_are_not_blamed() {
    let report = damaged("segment.leaves", |parts| parts.file("segments/n1-1-0/leaves")[40] ^= 1);
    assert!(!report.has("record.altered") && !report.has("parquet.altered"), "{report}");
}

/// Records of the first segment, and leaves made to fit them.
fn with_leaves(parts: &mut Parts, numbers: &[i64]) {
    *parts.file(TLV) = tlv(numbers);
    let cores: Vec<_> = numbers.iter().map(|number| core(*number, 1)).collect();
    *parts.file("segments/n1-1-0/leaves") = leaves(&cores).concat();
}

#[test]
fn a_record_that_was_changed_together_with_its_leaf_is_named_and_the_parquet_file_is_not_blamed() {
    let report = damaged("record.altered", |parts| with_leaves(parts, &[0, 1, 9, 3, 4]));
    assert!(report.to_string().contains("core.tlv record 2 (node_seq 9"), "{report}");
    let leaf = "its 5 leaves do not lead to the root that the ledger sealed: 2";
    assert!(report.to_string().contains(leaf), "{report}");
    assert!(!report.to_string().contains("parquet."), "{report}");
    let report = damaged("record.removed", |parts| with_leaves(parts, &[0, 1, 2, 3]));
    assert!(!report.to_string().contains("parquet."), "{report}");
    // And the file of rows with it: then nothing that was sealed is left of the segment, but for what was told of it.
    let report = damaged("segment.unsettled", |parts| {
        with_leaves(parts, &[0, 1, 9, 3, 4]);
        *parts.file(PARQUET) = rows(&[0, 1, 9, 3, 4]);
    });
    let known = "; its first 2 records are those that entry 3 tells of; its files agree with each other";
    assert!(report.to_string().contains(known), "{report}");
    assert!(
        report.has("parquet.digest") && !report.has("record.altered") && !report.has("parquet.altered"),
        "{report}"
    );
    let report = damaged("segment.unsettled", |parts| {
        with_leaves(parts, &[9, 1, 2, 3, 4]);
        *parts.file(PARQUET) = rows(&[0, 1, 2, 3, 9]);
    });
    assert!(report.to_string().contains("; its files differ from each other at records 0, 4"), "{report}");
}

#[test]
fn rows_of_the_parquet_file_are_named() {
    let report = damaged("parquet.added", |parts| *parts.file(PARQUET) = rows(&[0, 1, 2, 3, 4, 9]));
    assert!(report.has("parquet.digest") && report.to_string().contains("record 5 (node_seq 9"), "{report}");
    let report = damaged("parquet.moved", |parts| *parts.file(PARQUET) = rows(&[1, 0, 2, 3, 4]));
    assert!(report.to_string().contains("core.parquet record 0 (node_seq 1"), "{report}");
    damaged("parquet.removed", |parts| *parts.file(PARQUET) = rows(&[0, 1, 2, 3]));
    damaged("parquet.unreadable", |parts| parts.file(PARQUET).truncate(100));
    let report = damaged("parquet.altered", |parts| {
        let mut cores: Vec<_> = (0..5).map(|number| core(number, 1)).collect();
        cores[3].status = "refused".into();
        *parts.file(PARQUET) = parquet(&cores, 0);
    });
    assert!(report.to_string().contains("core.parquet record 3"), "{report}");
}

#[test]
fn swapped_and_altered_payloads_are_named() {
    let report = damaged("payload.swapped", |parts| {
        let payloads = [1, 0, 2, 3, 4].map(crate::world::payload);
        *parts.file(PAYLOAD) = framed(&payloads);
    });
    assert!(report.to_string().contains("it has the payload of record 1"), "{report}");
    damaged("payload.altered", |parts| parts.file(PAYLOAD)[5] ^= 1);
    damaged("payload.framing", |parts| parts.file(PAYLOAD).truncate(30));
}

#[test]
fn a_payload_that_is_gone_is_named_unless_an_entry_says_that_it_was_taken_out() {
    damaged("payload.missing", |parts| {
        let mut payloads: Vec<Vec<u8>> = (0..5).map(crate::world::payload).collect();
        payloads[2].clear();
        *parts.file(PAYLOAD) = framed(&payloads);
    });
    let mut world = World::full();
    world.take_out(&[2]);
    let report = verify(world.package());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    assert_eq!(report.verdict(Claim::Erasure), Verdict::Pass, "{report}");
    assert!(report.has("payload.erased"), "{report}");
    // As many as entries say, and no more.
    world.segments[0].payloads[3].clear();
    assert_fails(&verify(world.package()), Claim::Integrity, "payload.missing");
    world.take_out(&[3]);
    assert_eq!(verify(world.package()).verdict(Claim::Integrity), Verdict::Pass);
    // Others than those that entries say, though as many; for no reason that is known; and for none that is said.
    let mut world = World::full();
    world.take_out(&[2]);
    world.segments[0].payloads.swap(2, 3);
    world.segments[0].payloads[2] = crate::world::payload(2);
    assert_fails(&verify(world.package()), Claim::Integrity, "payload.left");
    for cause in ["disposal/x_9", "request/rq_9", "because"] {
        untrue(Claim::Integrity, "payload.cause", |world| {
            world.because = vec![cause.into()];
            world.take_out(&[2]);
        });
    }
    let mut world = World::full();
    world.because.clear();
    world.take_out(&[2]);
    let report = verify(world.package());
    assert!(report.has("payload.unexplained"), "{report}");
    assert_eq!(report.verdict(Claim::Erasure), Verdict::Unknown, "{report}");
    untrue(Claim::Integrity, "payload.replaced", |world| {
        world.segments[0].body.payload.as_mut().expect("one").sha256 = "00".repeat(32);
        world.take_out(&[2]);
    });
}

#[test]
fn a_day_that_was_disposed_of_is_named_by_its_rule_and_nothing_of_it_is_left() {
    let mut world = World::full();
    world.dispose("2026-10-30");
    assert_eq!(verify(world.package()).verdict(Claim::Erasure), Verdict::Fail, "everything of it is still there");
    assert!(verify(world.package()).has("payload.kept"));
    world.take_out_all();
    let report = verify(world.package());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    assert_eq!(report.verdict(Claim::Erasure), Verdict::Pass, "{report}");
    assert!(report.to_string().contains("disposed of by rule `payloads`"), "{report}");
}

#[test]
fn a_segment_whose_records_went_by_a_rule_is_named_and_is_no_gap() {
    let mut world = World::full();
    world.dispose_first(|_| {});
    let report = verify(world.package());
    for claim in [Claim::Integrity, Claim::Completeness] {
        assert_eq!(report.verdict(claim), Verdict::Pass, "{report}");
    }
    assert!(report.to_string().contains("disposed of by rule `records` (event "), "{report}");
    assert!(!report.has("segment.absent"), "{report}");
    let mut world = World::full();
    let kept = world.package();
    world.dispose_first(|gone| gone.n += 1);
    assert_fails(&verify(world.package()), Claim::Integrity, "segment.disposal");
    let mut world = World::full();
    world.dispose_first(|_| {});
    let mut parts = world.package();
    // Whoever says that they went, and hands them out, is found.
    parts.manifest.segments = kept.manifest.segments;
    parts.files.extend(kept.files.into_iter().filter(|(path, _)| path.starts_with("segments/")));
    assert_fails(&verify(parts), Claim::Erasure, "segment.kept");
}

#[test]
fn files_that_the_manifest_does_not_describe_are_found() {
    let check = |code: &str, damage: &dyn Fn(&mut Parts)| {
        let mut parts = World::full().package();
        parts.list_files();
        damage(&mut parts);
        let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
        assert_fails(&verify_package(parts.zip_as_listed(), &options), Claim::Integrity, code);
    };
    check("file.digest", &|parts| parts.file("controls/AI-IN-01/control.toml").push(b'\n'));
    check("file.missing", &|parts| drop(parts.files.remove("controls/AI-IN-01/control.toml")));
    check("file.unlisted", &|parts| drop(parts.files.insert("notes.txt".into(), vec![])));
    check("manifest.order", &|parts| parts.manifest.files.reverse());
}

#[test]
fn a_manifest_that_was_changed_after_it_was_signed_is_found_and_a_narrowed_window_is_named() {
    let options = options(&World::full());
    let altered = |change: &dyn Fn(&mut Parts)| {
        let mut parts = World::full().package();
        parts.list_files();
        let signed = parts.note();
        change(&mut parts);
        let report = verify_package(parts.zip_with_note(Some(&signed)), &options);
        assert_fails(&report, Claim::Integrity, "manifest.altered");
        report
    };
    let report = altered(&|parts| parts.manifest.to -= HOUR_MS);
    let named = "its window was changed: the log signed 2026-10-30T22:00:00Z to 2026-10-31T00:00:00Z, it says \
                 2026-10-30T22:00:00Z to 2026-10-30T23:00:00Z";
    assert!(report.to_string().contains(named), "{report}");
    altered(&|parts| parts.manifest.created_at += 1);
    altered(&|parts| parts.manifest.program.push('1'));
    altered(&|parts| {
        // With the window, what lies in it.
        parts.manifest.from = parts.manifest.to;
        parts.files.retain(|path, _| !path.starts_with("segments/"));
        parts.manifest.segments.clear();
        parts.list_files();
    });
}

#[test]
fn a_manifest_that_nobody_signed_is_said_to_be_so_and_one_signed_by_others_is_found() {
    let options = options(&World::full());
    let mut parts = World::full().package();
    parts.list_files();
    // As older versions made them, or as whoever removes the signature leaves them.
    let report = verify_package(parts.zip_with_note(None), &options);
    assert_eq!((report.verdict(Claim::Integrity), report.exit), (Verdict::Unknown, 2), "{report}");
    assert!(report.has("manifest.unsigned"), "{report}");
    let mut other = World::full().package();
    other.list_files();
    other.signer = SignerKey::ed25519(ORIGIN, &[9; 32]).expect("a good name");
    let whole = parts.note();
    for note in [&other.note()[..], b"no note", &whole[..whole.len() - 9], World::full().checkpoint(3).as_bytes()] {
        let report = verify_package(parts.zip_with_note(Some(note)), &options);
        let code = if note.starts_with(b"counterfoil.example") { "manifest.altered" } else { "manifest.signature" };
        assert_fails(&report, Claim::Integrity, code);
    }
}

#[test]
fn results_of_controls_are_held_to_the_ledger() {
    let result = "controls/AI-IN-01/result.json";
    let replace = |parts: &mut Parts, path: &str, from: &str, to: &str| {
        let text = String::from_utf8(parts.file(path).clone()).expect("text");
        *parts.file(path) = text.replace(from, to).into_bytes();
    };
    damaged("control.violations", |parts| replace(parts, result, "bad", "good"));
    damaged("control.population", |parts| replace(parts, result, "call-2", "call-3"));
    damaged("control.unrecorded", |parts| replace(parts, result, "datafusion 55", "datafusion 54"));
    damaged("control.unreadable", |parts| parts.file(result).truncate(9));
    damaged("control.logic", |parts| replace(parts, "controls/AI-IN-01/query.sql", "bad", "false"));
    damaged("control.missing", |parts| drop(parts.files.remove("controls/AI-IN-01/query.sql")));
    untrue(Claim::Integrity, "control.population", |world| world.run_control(&["call-1"], &["call-1", "call-1"]));
    untrue(Claim::Integrity, "control.item", |world| world.run_control(&["call-9"], &["call-1"]));
    // Left out with its place in the list of files, so that only the ledger knows of it.
    let mut parts = World::full().package();
    parts.files.retain(|path, _| !path.starts_with("controls/"));
    let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
    assert_fails(&verify_package(parts.zip(), &options), Claim::Completeness, "control.absent");
}

#[test]
fn a_digest_of_the_state_by_another_revision_of_the_fold_is_noted_and_no_failure() {
    for fold in [None, Some(State::FOLD + 1)] {
        let mut world = World::full();
        let size = world.state.size;
        world.event(Event::StateDigest(StateDigest { size, sha256: hex(&[0; 32]), fold }));
        let report = verify_package(world.package().zip(), &options(&world));
        assert!(report.has("state.revision") && !report.has("state.digest"), "{report}");
        assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    }
    untrue(Claim::Integrity, "state.digest", |world| {
        world.event(Event::StateDigest(StateDigest { size: 1, sha256: hex(&[0; 32]), fold: None }));
    });
}

#[test]
fn a_ledger_that_contradicts_itself_is_found() {
    use Claim::Integrity;
    untrue(Integrity, "state.digest", |world| {
        let size = world.state.size;
        world.event(Event::StateDigest(StateDigest { size, sha256: hex(&[0; 32]), fold: Some(State::FOLD) }));
    });
    let say = |change: &dyn Fn(&mut Entry)| {
        let mut world = World::full();
        let mut entry = Entry::decode(&world.entries[1]).expect("an entry");
        entry.sv = world.state.version(&entry.stream) + 1;
        entry.event = Event::CommandRefused(domain::infrastructure::CommandRefused {
            command: "c".into(),
            resource: "r".into(),
            code: domain::RefusalCode::Invalid,
            policies: vec![],
        });
        entry.stream = "refusals".into();
        entry.sv = 1;
        change(&mut entry);
        world.entries.push(entry.encode().expect("fits"));
        verify_package(world.package().zip(), &options(&world))
    };
    assert_eq!(say(&|_| {}).verdict(Integrity), Verdict::Pass);
    assert_fails(&say(&|entry| entry.sv = 7), Integrity, "stream.version");
    assert_fails(&say(&|entry| entry.stream = "elsewhere".into()), Integrity, "stream.name");
    assert_fails(&say(&|entry| entry.ts = i64::MIN), Integrity, "entry.range");
    untrue(Integrity, "entry.unreadable", |world| world.entries.push(b"{}".to_vec()));
    untrue(Integrity, "entry.form", |world| {
        let text = String::from_utf8(world.entries[1].clone()).expect("text");
        world.entries.push(text.replace("{\"actor\"", "{ \"actor\"").into_bytes());
    });
    untrue(Integrity, "segment.progress", |world| {
        let body = SegmentProgress { node: "n1".into(), incarnation: 1, number: 0, n: 2, root: hex(&[0; 32]) };
        world.event(Event::SegmentProgress(body));
    });
}

#[test]
fn what_is_missing_is_found() {
    use Claim::Completeness;
    let mut parts = World::full().package();
    parts.files.retain(|path, _| !path.starts_with("segments/n1-1-1/"));
    parts.manifest.segments.pop();
    let report = verify(parts);
    assert_fails(&report, Completeness, "segment.absent");
    assert_eq!(report.exit, 2, "{report}");

    untrue(Completeness, "progress.dropped", |world| {
        let body = SegmentProgress { node: "n1".into(), incarnation: 1, number: 1, n: 4, root: hex(&[0; 32]) };
        world.event(Event::SegmentProgress(body));
    });
    untrue(Completeness, "progress.unsealed", |world| {
        world.progress(2, 1, 1);
        world.join(2);
    });
    untrue(Completeness, "segment.chain", |world| {
        let mut body = world.segments[1].body.clone();
        body.number = 3;
        world.event(Event::SegmentSealed(body));
    });
    untrue(Completeness, "node.incarnation", |world| world.join(3));
    untrue(Completeness, "count.unrecorded", |world| world.count(9, 8));
    untrue(Completeness, "count.missing", |world| {
        world.count(9, 9);
        world.join(2);
    });
    untrue(Completeness, "count.missing", |world| world.lose_count(9));
    untrue(Completeness, "count.surplus", |world| {
        world.now += HOUR_MS;
        world.count(7, 7);
        world.now += HOUR_MS;
        world.refuse();
    });
}

#[test]
fn what_cannot_be_known_yet_is_unknown_and_no_failure() {
    let check = |code: &str, say: &dyn Fn(&mut World)| {
        let mut world = World::full();
        say(&mut world);
        let report = verify_package(world.package().zip(), &options(&world));
        assert_eq!(report.verdict(Claim::Completeness), Verdict::Unknown, "{report}");
        assert_eq!((report.has(code), report.exit), (true, 0), "{report}");
    };
    check("progress.open", &|world| world.progress(2, 1, 1));
    check("count.open", &|world| world.count(9, 9));
    check("count.lost", &|world| {
        world.seal(1);
        world.join(2);
    });
    check("count.lost", &|world| world.lose_count(8));
    check("rollback.accepted", &|world| world.accept_rollback(4));
    check("ledger.resumed", &World::go_on_without_a_witness);
    check("heartbeat.gap", &|world| {
        world.now += HOUR_MS + 60_000;
        world.beat();
    });
}

#[test]
fn independence_is_what_a_policy_says() {
    let mut world = World::full();
    world.cosigned_at = Some(1_793_397_700);
    let vkey = witness().verifier_key().to_string();
    let check = |policy: &str, verdict: Verdict, code: Option<&str>, exit: u8| {
        let options = Options { policy: Some(Policy::parse(policy).expect("a policy")), ..options(&world) };
        let report = verify_package(world.package().zip(), &options);
        assert_eq!((report.verdict(Claim::Independence), report.exit), (verdict, exit), "{report}");
        assert!(code.is_none_or(|code| report.has(code)), "{report}");
    };
    check(&format!("witness w {vkey}\nquorum w\n"), Verdict::Pass, None, 0);
    let other = merkle::CosignerKey::new("other.example", &[7; 32]).expect("a good name");
    let both = format!("witness w {vkey}\nwitness o {}\ngroup g all w o\nquorum g\n", other.verifier_key());
    check(&both, Verdict::Fail, Some("policy.unmet"), 4);
    check("quorum none\n", Verdict::Unknown, Some("policy.empty"), 0);
    let stranger = SignerKey::ed25519("log.example", &[5; 32]).expect("a good name");
    check(&format!("log {}\nquorum none\n", stranger.verifier_key()), Verdict::Fail, Some("policy.log"), 4);
}

#[test]
fn freshness_is_judged_only_against_an_age() {
    let mut world = World::full();
    world.cosigned_at = Some(u64::try_from(world.now / 1000).expect("after 1970"));
    let policy = Policy::parse(&format!("witness w {}\nquorum w\n", witness().verifier_key())).expect("a policy");
    let at = |now_ms, max_age_ms, policy| {
        let options = Options { now_ms, max_age_ms: Some(max_age_ms), policy, ..options(&world) };
        verify_package(world.package().zip(), &options)
    };
    let fresh = at(world.now, HOUR_MS, Some(policy.clone()));
    assert_eq!((fresh.verdict(Claim::Freshness), fresh.exit), (Verdict::Pass, 0), "{fresh}");
    let stale = at(world.now + 2 * HOUR_MS, HOUR_MS, Some(policy));
    assert_eq!((stale.verdict(Claim::Freshness), stale.exit), (Verdict::Fail, 2), "{stale}");
    let unwitnessed = at(world.now, HOUR_MS, None);
    assert_eq!(unwitnessed.verdict(Claim::Freshness), Verdict::Unknown, "{unwitnessed}");
    let future = at(world.now - HOUR_MS, HOUR_MS, None);
    assert!(future.has("age.future"), "{future}");
}

#[test]
fn a_zip_file_that_is_not_a_package_is_refused_by_name() {
    for bytes in [&b""[..], b"PK", &[0; 4096]] {
        assert_fails(&verify_package(bytes.to_vec(), &Options::default()), Claim::Integrity, "package.unreadable");
    }
    let whole = World::full().package().zip();
    for cut in [1, 20, 21, 22, whole.len() / 2] {
        let report = verify_package(whole[..whole.len() - cut].to_vec(), &Options::default());
        assert_fails(&report, Claim::Integrity, "package.unreadable");
    }
}

#[test]
fn a_file_damaged_in_the_zip_is_read_and_reported() {
    let mut whole = World::full().package().zip();
    let at = whole.windows(11).position(|w| w == b"counterfoil").expect("the program's name");
    // The manifest's own bytes are covered by nothing but the checksum.
    let program = whole.windows(9).position(|w| w == b"l 0.1.0\",").unwrap_or(at);
    whole[program + 2] = b'9';
    let report = verify_package(whole, &Options::default());
    assert_fails(&report, Claim::Integrity, "zip.checksum");
}
