use proptest::prelude::*;

use super::*;

const fn hashes(level: u8, index: u64, width: u16) -> TilePath {
    TilePath { kind: TileKind::Hashes { level }, index, width }
}

const fn entries(index: u64, width: u16) -> TilePath {
    TilePath { kind: TileKind::Entries, index, width }
}

#[test]
fn paths_are_those_of_the_specification() {
    for (tile, path) in [
        (hashes(0, 0, 256), "tile/0/000"),
        (hashes(0, 1_067, 8), "tile/0/x001/067.p/8"),
        (hashes(2, 1_234_067, 256), "tile/2/x001/x234/067"),
        (hashes(63, 1_000, 255), "tile/63/x001/000.p/255"),
        (entries(0, 256), "tile/entries/000"),
        (entries(1_000_000, 1), "tile/entries/x001/x000/000.p/1"),
        (entries(u64::MAX, 256), "tile/entries/x018/x446/x744/x073/x709/x551/615"),
    ] {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
}

#[test]
fn other_spellings_of_paths_are_refused() {
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0//000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/08",
        "tile/0/000.p/256",
        "tile/0/000.p/1/2",
        "tile/0/000.p/1.p/1",
        "tile/0/+00",
        "tile/0/٠٠٠",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
        "tile/entries/x001/x018/x446/x744/x073/x709/x551/615",
    ] {
        assert_eq!(path.parse::<TilePath>(), Err(TileError::BadPath(path.to_owned())));
    }
}

#[test]
fn the_tiles_of_70000_leaves_are_as_the_specification_says() {
    assert_eq!([0, 1, 2, 3].map(|level| partial_width(level, 70_000)), [112, 17, 1, 0]);
    assert_eq!([0, 1].map(|level| partial_width(level, 256)), [0, 1]);
    assert_eq!(partial_width(63, u64::MAX), 0);
}

#[test]
fn subtrees_beyond_the_largest_tree_are_nowhere() {
    assert_eq!(locate(7, u64::MAX), None);
    let place = locate(10, 65).unwrap();
    assert_eq!((place.level, place.index, place.first, place.count), (1, 1, 4, 4));
    assert_eq!(place.hash_in(&[0; 32 * 7]), None);
    assert_eq!(place.hash_in(&[0; 32 * 8]), Some(root_of(&[[0; 32]; 4])));
}

#[test]
fn bundles_have_limits() {
    let longest = vec![0; MAX_ENTRY_BYTES];
    let bundle = encode_bundle([longest.as_slice()]).unwrap();
    assert_eq!(decode_bundle(&bundle), Ok(vec![longest.as_slice()]));
    assert_eq!(
        encode_bundle([vec![0; MAX_ENTRY_BYTES + 1].as_slice()]),
        Err(TileError::EntryTooLong { bytes: 65_536 })
    );
    assert_eq!(encode_bundle([b"".as_slice(); 256]).unwrap(), [0; 512]);
    assert_eq!(encode_bundle([b"".as_slice(); 257]), Err(TileError::TooManyEntries));
    assert_eq!(decode_bundle(&[0; 514]), Err(TileError::TooManyEntries));
    assert_eq!(decode_bundle(&[0, 1, 7, 0]), Err(TileError::Truncated { entry: 1 }));
    assert_eq!(decode_bundle(&[0, 2, 7]), Err(TileError::Truncated { entry: 0 }));
}

proptest! {
    #[test]
    fn paths_round_trip_and_equal_those_of_tlog_tiles(level in 0..64_u8, index: u64, width in 1..=256_u16) {
        let tile = hashes(level, index, width);
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        // Theirs have the height of tiles as a first element, and call entries data.
        let theirs = tlog_tiles::Tile::new(8, level, index, width.into(), false);
        prop_assert_eq!(tile.to_string(), theirs.path().replacen("tile/8/", "tile/", 1));
        let theirs = tlog_tiles::Tile::new(8, 0, index, width.into(), true);
        prop_assert_eq!(
            entries(index, width).to_string(),
            theirs.path().replacen("tile/8/data/", "tile/entries/", 1)
        );
    }

    #[test]
    fn path_lookalikes_are_judged_as_by_tlog_tiles(path in "tile/(0|1|63|00|07)(/x?[0-9]{2,3}){1,4}(\\.p/[1-9][0-9]{0,2})?") {
        let theirs = tlog_tiles::Tile::from_path(&path.replacen("tile/", "tile/8/", 1));
        prop_assert_eq!(path.parse::<TilePath>().is_ok(), theirs.is_ok(), "{}", path);
    }

    #[test]
    fn any_text_is_read_without_panic(path: String) {
        if let Ok(tile) = path.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn bundles_round_trip(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=256)) {
        let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
        let bundle = encode_bundle(list.iter().copied()).unwrap();
        prop_assert_eq!(decode_bundle(&bundle).unwrap(), list);
    }

    #[test]
    fn any_bundle_is_read_without_panic(bundle: Vec<u8>) {
        if let Ok(list) = decode_bundle(&bundle) {
            prop_assert_eq!(encode_bundle(list).unwrap(), bundle);
        }
    }
}

#[test]
fn an_entry_that_ends_a_bundle_completes_that_and_the_tiles_above() {
    let names = |seq| completed_by(seq).iter().map(TilePath::to_string).collect::<Vec<_>>();
    assert!(names(0).is_empty() && names(254).is_empty() && names(u64::MAX).is_empty());
    assert_eq!(names(255), ["tile/entries/000", "tile/0/000"]);
    assert_eq!(names(511), ["tile/entries/001", "tile/0/001"]);
    assert_eq!(names(65_535), ["tile/entries/255", "tile/0/255", "tile/1/000"]);
}
