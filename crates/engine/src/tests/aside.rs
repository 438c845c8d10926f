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
