//! Pickles, those of joblib and of PyTorch among them. One file may hold several, one after the other.

mod allow;
mod joblib;
mod judge;
mod nested;
mod value;
mod vm;

use std::io;

use self::allow::how;
use self::vm::{How, Outcome, run};
use super::source::{Part, Source, bytes};
use super::{Scan, rules, within};

/// How deep pickles are followed in texts and arrays of pickles.
const MAX_NESTED: usize = 4;

/// Most pickles in one file.
const MAX_PICKLES: usize = 10_000;

/// How many instructions are read to tell whether something is a pickle.
const TRIED: u64 = 5_000;

/// How the old form of PyTorch's files begins: a pickle of a number.
const TORCH: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The model is the fourth pickle in the old form of PyTorch's files, and its keys are the fifth.
const TORCH_PICKLES: usize = 5;

/// Whether something without a magic number is a pickle all the same, as those of protocols 0 and 1 are.
pub(crate) fn looks_like(source: &dyn Source, named: bool) -> io::Result<bool> {
    let outcome = run(source, 0, How { most: TRIED, depth: MAX_NESTED, torchscript: false });
    let whole = outcome.broke.is_none() && (outcome.more || outcome.end == source.size());
    let names = outcome.imports > 0 && (outcome.ran || outcome.broke.is_none() || named);
    Ok(whole || names)
}

/// Whether the first instruction is one of a pickle.
pub(crate) fn begins(source: &dyn Source) -> bool {
    run(source, 0, How { most: 1, depth: MAX_NESTED, torchscript: false }).more
}

/// Looks at a file of another form as at a pickle, if it names something as one, or ends as one: its reader is whoever opens it.
pub(crate) fn polyglot(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let outcome = run(source, 0, How { most: u64::MAX, depth: MAX_NESTED, torchscript: false });
    if outcome.imports == 0 && outcome.broke.is_some() {
        return Ok(());
    }
    scan.found(&rules::ARCHIVE_POLYGLOT, path, 0_u64, "it is a pickle, too");
    look(scan, path, depth, source)
}

pub(crate) fn look(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let how = How { most: u64::MAX, depth: 0, torchscript: scan.torchscript };
    let torch = bytes(source, 0, TORCH.len())? == TORCH;
    let (mut at, mut storages) = (0, Vec::new());
    for number in 0.. {
        if at >= source.size() {
            return Ok(());
        }
        if number >= MAX_PICKLES {
            scan.unread(path, format!("there are more than {MAX_PICKLES} pickles in it, from byte {at} on"));
            return Ok(());
        }
        if torch && number == TORCH_PICKLES {
            return behind_torch(scan, path, depth, source, at, &storages);
        }
        if number > 0 && !goes_on(source, at)? {
            scan.look(&within(path, "after"), depth + 1, &Part::new(source, at, u64::MAX));
            return Ok(());
        }
        let Outcome { found, broke, end, storages: more, .. } = run(source, at, how);
        for (rule, offset, reason) in found {
            scan.found(rule, path, offset, reason);
        }
        storages.extend(more);
        if let Some((offset, why)) = broke {
            scan.unread(path, format!("the pickle breaks at byte {offset}: {why}; what follows was not interpreted"));
            return Ok(());
        }
        at = end;
    }
    Ok(())
}

/// Whether what follows a pickle is another one.
fn goes_on(source: &dyn Source, at: u64) -> io::Result<bool> {
    if matches!(bytes(source, at, 2)?.as_slice(), [0x80, 0..=5]) {
        return Ok(true);
    }
    looks_like(&Part::new(source, at, u64::MAX), true)
}

/// The numbers behind the pickles of PyTorch's old form: how many, and then they.
fn behind_torch(
    scan: &mut Scan,
    path: &str,
    depth: usize,
    source: &dyn Source,
    at: u64,
    storages: &[(String, String, u64)],
) -> io::Result<()> {
    let mut storages = storages.to_vec();
    storages.sort();
    storages.dedup();
    let size = |kind: &str| match kind {
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "ComplexDoubleStorage" => 16,
        _ => 1,
    };
    let expected = storages
        .iter()
        .try_fold(0_u64, |sum, (_, kind, count)| sum.checked_add(count.checked_mul(size(kind))?)?.checked_add(8));
    let left = source.size() - at;
    match expected {
        Some(expected) if expected == left => Ok(()),
        Some(expected) if expected < left => {
            scan.look(&within(path, "after"), depth + 1, &Part::new(source, at + expected, u64::MAX));
            Ok(())
        }
        _ => {
            scan.unread(path, format!("{left} bytes follow the pickles, and the model has more numbers than that"));
            Ok(())
        }
    }
}

/// Whether a type may be named in other formats that name types of Python.
pub(crate) fn may_name(module: &str, name: &str) -> bool {
    how(module, name).is_some()
}

/// Says of a name in another format what is wrong with it.
pub(crate) fn rule_of(module: &str, name: &str) -> &'static rules::Rule {
    if allow::runs_code(module, name) { &rules::PICKLE_CODE } else { &rules::SKOPS_TYPE }
}
