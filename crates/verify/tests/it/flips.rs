//! Whatever bytes come, the verifier answers; and no change of what a package says goes unnoticed.

use std::sync::LazyLock;

use proptest::prelude::*;
use verify::{Claim, Options, Package, Verdict, verify_package};

use crate::world::{World, signer};

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| World::full().package().zip());

fn integrity(bytes: Vec<u8>) -> Verdict {
    let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
    verify_package(bytes, &options).verdict(Claim::Integrity)
}

/// Whether both packages give the same files, so that a difference between them lies in ZIP's own fields (dates,
/// attributes, versions, the local copies of sizes and checksums), which say nothing about evidence.
fn says_the_same(bytes: &[u8]) -> bool {
    let (whole, other) = (Package::from_bytes(WHOLE.clone()).expect("whole"), Package::from_bytes(bytes.to_vec()));
    other.is_ok_and(|other| {
        whole.paths().eq(other.paths()) && whole.paths().all(|path| whole.file(path) == other.file(path))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_noticed_or_says_nothing(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = WHOLE.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if integrity(bytes.clone()) == Verdict::Pass {
            prop_assert!(says_the_same(&bytes), "byte {} changed what the package says", at);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(integrity(bytes), Verdict::Fail);
    }

    #[test]
    fn any_overwritten_stretch_is_answered(
        at in any::<prop::sample::Index>(),
        stretch in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let mut bytes = WHOLE.clone();
        let at = at.index(bytes.len());
        let end = (at + stretch.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&stretch[..end - at]);
        if integrity(bytes.clone()) == Verdict::Pass {
            prop_assert!(says_the_same(&bytes));
        }
    }
}
