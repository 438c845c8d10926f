//! How fast artifacts are scanned, and in how much memory: `cargo bench -p scan --bench artifacts`.
//!
//! Each artifact is of 1 GiB and made up as it is read: a pickle that is one array, as models of PyTorch and NumPy are, a pickle of
//! small texts and one of numbers, as lists and tables are.

use std::io;
use std::time::Instant;

use scan::artifacts::{Source, scan};

const SIZE: u64 = 1 << 30;

/// A beginning, a pattern over and over, and an end.
struct Repeated {
    begin: Vec<u8>,
    pattern: Vec<u8>,
    times: u64,
    end: Vec<u8>,
}

impl Repeated {
    fn new(begin: &[u8], pattern: Vec<u8>, end: &[u8]) -> Self {
        Self { begin: begin.to_vec(), times: SIZE / pattern.len() as u64, pattern, end: end.to_vec() }
    }
}

impl Source for Repeated {
    fn size(&self) -> u64 {
        (self.begin.len() + self.end.len()) as u64 + self.times * self.pattern.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let begin = self.begin.len() as u64;
        let end = begin + self.times * self.pattern.len() as u64;
        if at < begin {
            return self.begin.read_at(at, into);
        }
        if at >= end {
            return self.end.read_at(at - end, into);
        }
        let place = ((at - begin) % self.pattern.len() as u64) as usize;
        let from = &self.pattern[place..];
        let count = from.len().min(into.len()).min((end - at) as usize);
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

/// A batch of a thousand items, as Python writes lists.
fn batch(item: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mut batch = vec![b'('];
    (0..1000).for_each(|number| batch.extend(item(number)));
    batch.push(b'e');
    // Large enough that copying it costs little.
    batch.repeat((1 << 20) / batch.len() + 1)
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn measure(name: &str, source: &dyn Source) {
    let began = Instant::now();
    let report = scan("model.pkl", source);
    let took = began.elapsed();
    println!(
        "{name}: {:.2} s for {} MiB, {} ({} MiB at most so far)",
        took.as_secs_f64(),
        source.size() >> 20,
        report.verdict().as_str(),
        peak_mib()
    );
}

fn main() {
    let array = [b"\x80\x05\x8e".as_slice(), &SIZE.to_le_bytes()].concat();
    measure("one array", &Repeated::new(&array, vec![7; 1 << 20], b"."));
    let number = |number: u32| [b"G".to_vec(), f64::from(number).to_be_bytes().to_vec()].concat();
    measure("numbers", &Repeated::new(b"\x80\x04]\x94", batch(number), b"."));
    let text = |number: u32| [b"\x8c\x0c".to_vec(), format!("text{number:08}").into_bytes(), b"\x94".to_vec()].concat();
    measure("texts", &Repeated::new(b"\x80\x04]\x94", batch(text), b"."));
}
