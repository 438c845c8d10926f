//! What a running process has in memory, where the system lets whoever started it read that.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes that are looked at together.
const PIECE: usize = 1 << 20;

/// More than the longest word has.
const OVERLAP: usize = 256;

/// Which of these words are in what a process can write; `None` where that cannot be read.
pub fn found_in(process: u32, words: &[&str]) -> Option<BTreeSet<String>> {
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Some(places_in(process, &bytes)?.into_iter().map(|at| words[at].to_owned()).collect())
}

/// The same of bytes, by their place in the list.
pub fn places_in(process: u32, words: &[&[u8]]) -> Option<BTreeSet<usize>> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let memory = File::open(format!("/proc/{process}/mem")).ok()?;
    let mut found = BTreeSet::new();
    let mut piece = vec![0; PIECE + OVERLAP];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let (mut at, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        // What cannot be written was read from files.
        while rest.starts_with("rw") && at < to {
            let wanted = piece.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
            // It may have been given back meanwhile.
            let Ok(read @ 1..) = memory.read_at(&mut piece[..wanted], at) else { break };
            let bytes = &piece[..read];
            if bytes.iter().any(|byte| *byte != 0) {
                let has = |(_, word): &(usize, &&[u8])| bytes.windows(word.len()).any(|part| part == **word);
                found.extend(words.iter().enumerate().filter(has).map(|(at, _)| at));
            }
            at += PIECE as u64;
        }
    }
    Some(found)
}
