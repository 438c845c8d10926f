//! Our tiles, read by another implementation of the same specification.

use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog;

use super::*;

struct Served<'a>(&'a Log);

impl TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = |tile: &Tile| {
            let kind = TileKind::Hashes { level: tile.level() };
            let path = TilePath { kind, index: tile.level_index(), width: tile.width() as u16 };
            self.0.tile(&path).unwrap().unwrap_or_else(|| panic!("{path} is not served"))
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[test]
fn another_implementation_verifies_our_tiles() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    for (size, flush) in [(3, false), (256, false), (300, true), (70_000, true), (70_300, false)] {
        grow(&log, size, 150).unwrap();
        if flush {
            log.flush().unwrap();
        }
        let root = tlog::Hash(log.root_at(size).unwrap());
        let served = Served(&log);
        let reader = TileHashReader::new(size, root, &served);
        for index in [0, size / 3, size - 1] {
            let proof = tlog::prove_record(size, index, &reader).unwrap();
            let ours: Vec<tlog::Hash> = log.inclusion_proof(index, size).unwrap().into_iter().map(tlog::Hash).collect();
            assert_eq!(proof, ours);
            tlog::check_record(&proof, size, root, index, tlog::record_hash(&entry(index))).unwrap();
        }
    }
}

#[test]
fn partial_tiles_and_bundles_are_served_for_every_width() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 300, 100).unwrap();
    for flush in [false, true] {
        if flush {
            log.flush().unwrap();
        }
        let tile = |path: &str| log.tile(&path.parse().unwrap()).unwrap();
        for (path, first, width) in [("tile/0/000", 0, 256), ("tile/0/000.p/7", 0, 7), ("tile/0/001.p/44", 256, 44)] {
            let expected: Vec<u8> = (first..first + width).flat_map(|seq| leaf_hash(&entry(seq))).collect();
            assert_eq!(tile(path).unwrap(), expected);
            let entries: Vec<Vec<u8>> = (first..first + width).map(entry).collect();
            let bundle = tile(&path.replace("tile/0", "tile/entries")).unwrap();
            assert_eq!(merkle::decode_bundle(&bundle).unwrap(), entries);
        }
        let first_tile = root_of(&leaves(256));
        assert_eq!(tile("tile/1/000.p/1").unwrap(), first_tile);
        for beyond in ["tile/0/001", "tile/0/001.p/45", "tile/1/000", "tile/2/000.p/1", "tile/entries/001.p/45"] {
            assert_eq!(tile(beyond), None, "{beyond}");
        }
        assert_eq!(tile("tile/entries/x999/999"), None);
    }
}
