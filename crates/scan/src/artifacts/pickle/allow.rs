//! What a pickle may name, exactly, and how it may be used.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// How something that may be named may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A class that may be made in any way.
    Class,
    /// A class that may be made without its `__init__`.
    New,
    /// A function that may be called.
    Call,
    /// A function that may be named and not called.
    Name,
}

impl Use {
    /// Whether it is a class.
    pub(crate) fn is_class(self) -> bool {
        matches!(self, Self::Class | Self::New)
    }
}

struct Lists {
    pairs: HashMap<&'static str, HashMap<&'static str, Use>>,
    words: HashSet<&'static str>,
}

fn lists() -> &'static Lists {
    static LISTS: OnceLock<Lists> = OnceLock::new();
    LISTS.get_or_init(|| {
        let mut lists = Lists { pairs: HashMap::new(), words: HashSet::new() };
        for line in include_str!("allow.txt").lines() {
            let mut words = line.split_ascii_whitespace();
            let how = match words.next() {
                Some("class") => Use::Class,
                Some("new") => Use::New,
                Some("call") => Use::Call,
                Some("name") => Use::Name,
                _ => continue,
            };
            let Some(module) = words.next() else { continue };
            lists.words.insert(module);
            for name in words {
                lists.words.insert(name);
                lists.pairs.entry(module).or_default().insert(name, how);
            }
        }
        lists
    })
}

/// How this may be used, if it may be named.
pub(crate) fn how(module: &str, name: &str) -> Option<Use> {
    lists().pairs.get(module)?.get(name).copied()
}

/// Whether a word stands in the list at all.
pub(crate) fn is_word(word: &str) -> bool {
    lists().words.contains(word)
}

/// Modules that run code, start programs, reach files or the network, or make objects from data, by the first part of
/// their names. What is not here is refused, too; this only says why more clearly.
const CODE: &[&str] = &[
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "subprocess",
    "_posixsubprocess",
    "_winapi",
    "sys",
    "importlib",
    "imp",
    "runpy",
    "socket",
    "_socket",
    "socketserver",
    "ssl",
    "shutil",
    "pty",
    "ctypes",
    "_ctypes",
    "code",
    "codeop",
    "pickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "marshal",
    "types",
    "webbrowser",
    "http",
    "httplib",
    "urllib",
    "urllib2",
    "requests",
    "aiohttp",
    "asyncio",
    "multiprocessing",
    "threading",
    "_thread",
    "pdb",
    "bdb",
    "timeit",
    "cProfile",
    "profile",
    "trace",
    "commands",
    "popen2",
    "smtplib",
    "ftplib",
    "telnetlib",
    "poplib",
    "imaplib",
    "nntplib",
    "tempfile",
    "glob",
    "io",
    "_io",
    "fileinput",
    "linecache",
    "signal",
    "mmap",
    "_interpreters",
    "_xxsubinterpreters",
    "_aix_support",
    "_osx_support",
    "inspect",
    "gc",
    "atexit",
    "site",
    "sysconfig",
    "distutils",
    "setuptools",
    "pip",
    "venv",
    "ensurepip",
    "pkgutil",
    "zipimport",
    "zipapp",
    "platform",
    "pydoc",
    "doctest",
    "idlelib",
    "lib2to3",
    "antigravity",
    "sqlite3",
    "joblib",
    "shelve",
];

/// Names among the built-in ones that run or reach something.
const BUILTINS: [&str; 17] = [
    "eval",
    "exec",
    "execfile",
    "compile",
    "open",
    "file",
    "__import__",
    "getattr",
    "setattr",
    "delattr",
    "globals",
    "locals",
    "vars",
    "input",
    "apply",
    "breakpoint",
    "map",
];

/// Whether something that may not be named is one of those made to run code.
pub(crate) fn runs_code(module: &str, name: &str) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    match first {
        "builtins" | "__builtin__" | "__builtins__" => BUILTINS.contains(&name.split('.').next().unwrap_or_default()),
        "operator" | "_operator" => matches!(name, "attrgetter" | "methodcaller" | "call"),
        _ => CODE.contains(&first),
    }
}
