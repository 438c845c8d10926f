//! Objects that nothing names are removed; after an older copy was accepted they are kept for a time.

use super::open;
use crate::ASIDE_DAYS;

const OBJECT: &str = "0a0b0c0d0e0f10111213141516171819";

#[tokio::test(flavor = "multi_thread")]
async fn given_an_accepted_older_copy_when_tidied_then_what_it_does_not_name_is_kept_for_as_long_as_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let put = || store::objects::put(&engine.objects_dir(), OBJECT, b"of the lost history").expect("kept");
    let there = || store::objects::open(&engine.objects_dir(), OBJECT).expect("readable").is_some();
    put();
    engine.mark_aside().expect("marked");
    engine.tidy_objects().expect("tidied");
    let aside = engine.objects_aside().expect("listed");
    assert_eq!((aside.len(), aside[0].object.as_str(), aside[0].bytes), (1, OBJECT, 19));
    assert_eq!(aside[0].until - aside[0].since, ASIDE_DAYS * 24 * 60 * 60 * 1000);
    engine.tidy_objects().expect("tidied");
    assert!(there(), "for as long as was said");
    assert_eq!(engine.objects_aside().expect("listed"), aside);
    // As if the list had been made long ago.
    let lists = engine.data_dir().join("objects-aside");
    let list = std::fs::read_dir(&lists).expect("lists").next().expect("one").expect("readable").path();
    std::fs::rename(list, lists.join("1000")).expect("renamed");
    engine.tidy_objects().expect("tidied");
    assert!(!there() && engine.objects_aside().expect("listed").is_empty(), "its time is over");
    put();
    engine.tidy_objects().expect("tidied");
    assert!(!there(), "as ever, without an older copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_note_from_before_an_older_copy_when_started_then_what_it_is_about_is_kept_as_the_rest_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let there = || store::objects::open(&engine.objects_dir(), OBJECT).expect("readable").is_some();
    store::objects::put(&engine.objects_dir(), OBJECT, b"of the lost history").expect("kept");
    let note = engine.begun_dir().join(OBJECT);
    std::fs::create_dir_all(engine.begun_dir()).expect("made");
    std::fs::write(&note, "personal\n").expect("noted");
    engine.mark_aside().expect("marked");
    engine.finish_begun().expect("finished");
    assert!(there() && note.exists(), "it is on no list yet");
    engine.tidy_objects().expect("tidied");
    assert_eq!(engine.objects_aside().expect("listed").len(), 1);
    engine.finish_begun().expect("finished");
    assert!(there() && !note.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_in_what_lies_aside_when_they_are_to_be_forgotten_then_that_waits_until_it_is_gone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let [ann, bob] =
        ["ann@example.com", "bob@example.com"].map(|one| engine.vault().subject("email", one, 1).expect("a reference"));
    engine.vault().hold("dataset/loans/9", &[ann]).expect("held");
    engine.is_not_aside(&ann).expect("nothing lies aside");
    store::objects::put(&engine.objects_dir(), OBJECT, b"of the lost history").expect("kept");
    engine.mark_aside().expect("marked");
    assert!(engine.is_not_aside(&ann).is_err(), "nobody knows yet what will lie aside");
    engine.tidy_objects().expect("tidied");
    let waits = engine.is_not_aside(&ann).expect_err("it may be about her").to_string();
    assert!(waits.contains("counterfoil data aside"), "{waits}");
    engine.is_not_aside(&bob).expect("he is in no version that is not known");
    std::fs::remove_dir_all(engine.data_dir().join("objects-aside")).expect("removed");
    engine.tidy_objects().expect("tidied");
    engine.is_not_aside(&ann).expect("it is gone");
}
