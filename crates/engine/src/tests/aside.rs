//! Objects that nothing names are removed at a start; after an older copy was accepted they lie aside for a time.

use std::collections::BTreeSet;

use super::open;
use crate::ASIDE_DAYS;

const OBJECT: &str = "0a0b0c0d0e0f10111213141516171819";

#[tokio::test(flavor = "multi_thread")]
async fn given_an_accepted_older_copy_when_tidied_then_what_it_does_not_name_lies_aside_and_comes_back_when_named() {
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
    assert!(!there());
    engine.tidy_objects().expect("tidied");
    assert_eq!(engine.objects_aside().expect("listed"), aside, "for as long as was said");
    engine.mend_aside(&BTreeSet::from([OBJECT.to_owned()])).expect("mended");
    assert!(there() && engine.objects_aside().expect("listed").is_empty(), "the ledger names it again");
    engine.tidy_objects().expect("tidied");
    assert!(!there() && engine.objects_aside().expect("listed").is_empty(), "as ever, without an older copy");
    // What has lain there for its time goes.
    put();
    let old = engine.data_dir().join("objects-aside/1000");
    store::objects::move_to(&engine.objects_dir(), &old, OBJECT).expect("moved");
    engine.tidy_objects().expect("tidied");
    assert!(engine.objects_aside().expect("listed").is_empty());
}
