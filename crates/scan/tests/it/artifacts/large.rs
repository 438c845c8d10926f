//! Sizes: what is larger than memory is read in pieces.

use std::io;

use scan::artifacts::{Source, Verdict, scan};

/// A beginning, zeroes, and an end.
struct Zeroes {
    begin: Vec<u8>,
    zeroes: u64,
    end: Vec<u8>,
}

impl Source for Zeroes {
    fn size(&self) -> u64 {
        self.begin.len() as u64 + self.zeroes + self.end.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let after = self.begin.len() as u64 + self.zeroes;
        if at < self.begin.len() as u64 {
            return self.begin.read_at(at, into);
        }
        if at >= after {
            return self.end.read_at(at - after, into);
        }
        let count = into.len().min(usize::try_from(after - at).unwrap_or(usize::MAX));
        into[..count].fill(0);
        Ok(count)
    }
}

#[test]
fn given_a_pickle_of_terabytes_when_scanned_then_what_it_names_behind_them_is_found() {
    let zeroes = 1_u64 << 42;
    let begin = [b"\x80\x05\x8e".as_slice(), &zeroes.to_le_bytes()].concat();
    let mut source = Zeroes { begin, zeroes, end: b"0cposix\nsystem\n.".to_vec() };
    assert_eq!(scan("a.pkl", &source).findings[0].rule.id, "pickle-code");
    source.end = b".".to_vec();
    assert_eq!(scan("a.pkl", &source).verdict(), Verdict::Pass);
}

#[test]
fn given_a_pickle_of_very_many_small_things_when_scanned_then_it_passes_in_bounded_memory() {
    let mut pickle = b"\x80\x04]\x94".to_vec();
    for _ in 0..400 {
        pickle.push(b'(');
        for number in 0..1000_u32 {
            pickle.extend([b'\x8c', 8]);
            pickle.extend(format!("{number:08}").as_bytes());
            pickle.push(0x94);
        }
        pickle.push(b'e');
    }
    pickle.push(b'.');
    assert_eq!(scan("a.pkl", &pickle).verdict(), Verdict::Pass);
}

#[test]
fn given_a_reader_that_fails_when_scanned_then_that_is_told() {
    struct Broken;
    impl Source for Broken {
        fn size(&self) -> u64 {
            100
        }

        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let report = scan("a.pkl", &Broken);
    assert_eq!(report.verdict(), Verdict::Incomplete);
    assert_eq!(report.unread[0].reason, "the disk is gone");
}
