//! What is particular about PyTorch's archives: numbers that are no artifacts of their own, and TorchScript, which PyTorch
//! runs itself and Python does not import.

use std::io;

use super::source::{Source, bad, bytes};
use super::{Scan, rules, shown};

/// What a member of an archive is to PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Numbers,
    Code,
    Other,
}

/// An archive's directory that holds a model.
pub(crate) struct Layout {
    root: Option<String>,
    script: bool,
}

impl Layout {
    pub(crate) fn of(names: &[&str]) -> Self {
        let root = names.iter().find_map(|name| {
            let root = name.strip_suffix("/data.pkl").filter(|root| !root.contains('/'))?;
            let version = format!("{root}/version");
            names.contains(&version.as_str()).then(|| root.to_owned())
        });
        let script = root.as_ref().is_some_and(|root| {
            let code = format!("{root}/code/");
            names.iter().any(|name| name.starts_with(&code))
        });
        Self { root, script }
    }

    pub(crate) fn is_script(&self) -> bool {
        self.script
    }

    pub(crate) fn role(&self, name: &str) -> Role {
        let Some(rest) = self.root.as_ref().and_then(|root| name.strip_prefix(root.as_str())?.strip_prefix('/')) else {
            return Role::Other;
        };
        let number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        if rest.strip_prefix("data/").or_else(|| rest.strip_prefix("constants/")).is_some_and(number) {
            return Role::Numbers;
        }
        match self.script && rest.starts_with("code/") && rest.ends_with(".py") {
            true => Role::Code,
            false => Role::Other,
        }
    }
}

/// Longest code that is read.
const MAX_CODE: usize = 16 << 20;

/// Functions of TorchScript that reach files.
const FILES: [&str; 5] = ["from_file", "save", "load", "_save", "_load"];

/// Families of operators that PyTorch has itself.
const FAMILIES: [&str; 14] = [
    "aten",
    "prim",
    "quantized",
    "prims",
    "torch",
    "_caffe2",
    "mkldnn",
    "xnnpack",
    "prepacked",
    "inductor",
    "sparse",
    "profiler",
    "torchvision",
    "torchaudio",
];

/// TorchScript: what PyTorch runs when the model is loaded or used.
pub(crate) fn code(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    scan.looked(path, "torchscript", source.size());
    if source.size() > MAX_CODE as u64 {
        return Err(bad(format!("it is code of more than {MAX_CODE} bytes")));
    }
    let text = bytes(source, 0, MAX_CODE)?;
    let text = String::from_utf8(text).map_err(|_| bad("it is code that is not text"))?;
    for (at, name) in dotted(&text) {
        let mut parts = name.split('.');
        let (first, second, third) = (parts.next(), parts.next(), parts.next());
        let last = name.rsplit('.').next().unwrap_or_default();
        let called = text.get(at + name.len()..).is_some_and(|rest| rest.trim_start().starts_with('('));
        let reason = match (first, second, third) {
            (Some("ops"), Some(family), Some(_)) if !FAMILIES.contains(&family) => {
                format!("it calls `{}`, an operator of a library of its own", shown(name))
            }
            (Some("torch" | "ops"), ..) if called && FILES.contains(&last) => {
                format!("it calls `{}`, which reaches files", shown(name))
            }
            (Some("ops"), Some("prim"), Some("PythonOp")) => "it calls Python".to_owned(),
            _ => continue,
        };
        scan.found(&rules::TORCHSCRIPT_OP, path, at as u64, reason);
    }
    if let Some(at) = text.find("^") {
        // Calls of Python are printed with this mark before the name.
        let called =
            text.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
        if called && text.get(..at).is_some_and(|before| before.trim_end().ends_with(['=', '(', ','])) {
            scan.found(&rules::TORCHSCRIPT_OP, path, at as u64, "it calls Python");
        }
    }
    Ok(())
}

/// Names with dots in them, and where they stand.
fn dotted(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let begin = at + rest.find(|c: char| c.is_ascii_alphabetic() || c == '_')?;
            let name = text.get(begin..)?;
            let length =
                name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(name.len());
            at = begin + length;
            let name = name.get(..length)?;
            if name.contains('.') {
                return Some((begin, name));
            }
        }
    })
}
