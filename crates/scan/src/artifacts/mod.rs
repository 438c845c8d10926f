//! Model artifacts: what would happen when one is loaded, found without loading it.
//!
//! What a file is, is told by its content (`kind`); archives and compressed forms are opened, and what is in them is looked
//! at in the same way, down to a depth. Nothing is executed or imported. Each format is a file. A pickle's instructions are
//! interpreted (`pickle`), and what it names must be on an exact list.
//!
//! A report passes only when every part was read as what it is and nothing bad was found: what was not read makes it
//! incomplete. What is not seen in what is read, `docs/artifacts.md` tells.

mod archive;
mod gguf;
mod hdf5;
mod json;
mod keras;
mod kind;
mod numpy;
mod onnx;
mod pickle;
mod proto;
mod rules;
mod safetensors;
mod skops;
mod source;
mod tar;
mod template;
mod tensorflow;
mod text;
mod torch;
mod ubjson;
mod zip;

use std::io;

pub use rules::{ALL, RULES, Rule, Severity};
pub use source::Source;

use kind::Kind;

/// How deep archives may lie in archives.
const MAX_DEPTH: usize = 8;

/// Most members and parts that are looked at.
const MAX_PARTS: usize = 20_000;

/// Most findings and most unread parts that are kept.
const MAX_TOLD: usize = 500;

/// Most bytes that are decompressed of one artifact.
const MAX_EXPANDED: u64 = 4 << 30;

/// What a scan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every part was read as what it is, and nothing bad was found.
    Pass,
    /// Something bad was found.
    Fail,
    /// Nothing bad was found, and not all of it was read.
    Incomplete,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By which rule.
    pub rule: &'static Rule,
    /// In what: the artifact's name, and members of archives behind `!`.
    pub path: String,
    /// At which byte of that, when it has a place.
    pub offset: Option<u64>,
    /// What it is.
    pub reason: String,
}

/// Something that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What.
    pub path: String,
    /// Why not.
    pub reason: String,
}

/// A part that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What.
    pub path: String,
    /// As what.
    pub kind: &'static str,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is worth knowing, the worst first.
    pub findings: Vec<Finding>,
    /// What was not read.
    pub unread: Vec<Unread>,
    /// What was looked at.
    pub looked: Vec<Looked>,
    /// How many findings and unread parts are not listed, because there are so many.
    pub unlisted: u64,
}

impl Report {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.findings.iter().any(|one| one.rule.severity >= Severity::Medium) {
            return Verdict::Fail;
        }
        match self.unread.is_empty() && self.unlisted == 0 {
            true => Verdict::Pass,
            false => Verdict::Incomplete,
        }
    }
}

/// Looks through an artifact. Its name stands in the report, makes it stricter, and lets nothing pass but what
/// is named as TensorFlow names numbers and is of no known form.
#[must_use]
pub fn scan(name: &str, source: &dyn Source) -> Report {
    let mut scan = Scan { report: Report::default(), expanded: MAX_EXPANDED, parts: 0, torchscript: false };
    scan.look(&shown(name), 0, source);
    let mut report = scan.report;
    report.findings.sort_by(|one, other| {
        other
            .rule
            .severity
            .cmp(&one.rule.severity)
            .then_with(|| (&one.path, one.offset).cmp(&(&other.path, other.offset)))
    });
    report.findings.dedup();
    report.unread.dedup();
    report
}

/// What else a file may be by its beginning. Looked at before it is read: something compressed is opened anew to go back.
struct Also {
    hdf5: bool,
    text: bool,
}

impl Also {
    fn of(kind: Kind, source: &dyn Source) -> io::Result<Self> {
        let holds = matches!(kind, Kind::Hdf5 | Kind::Tar | Kind::Zip);
        let hdf5 = !holds && kind::is_hdf5(source, kind::NEAR)?;
        let letters = matches!(kind, Kind::Tar | Kind::Onnx | Kind::TensorFlow);
        Ok(Self { hdf5, text: letters && kind::text(&source::bytes(source, 0, 512)?) })
    }
}

/// A scan under way.
pub(crate) struct Scan {
    report: Report,
    /// How many bytes may still be decompressed.
    expanded: u64,
    parts: usize,
    /// Whether what is looked at lies in an archive of TorchScript.
    torchscript: bool,
}

impl Scan {
    pub(crate) fn found(
        &mut self,
        rule: &'static Rule,
        path: &str,
        offset: impl Into<Option<u64>>,
        reason: impl Into<String>,
    ) {
        let same = |one: &&Finding| std::ptr::eq(one.rule, rule);
        // So that a flood of what is worth little hides nothing that is worth more.
        if self.report.findings.iter().filter(same).count() >= MAX_TOLD / 10 {
            self.report.unlisted += 1;
            return;
        }
        self.report.findings.push(Finding {
            rule,
            path: path.to_owned(),
            offset: offset.into(),
            reason: reason.into(),
        });
    }

    pub(crate) fn unread(&mut self, path: &str, reason: impl Into<String>) {
        if self.report.unread.len() >= MAX_TOLD {
            self.report.unlisted += 1;
            return;
        }
        self.report.unread.push(Unread { path: path.to_owned(), reason: reason.into() });
    }

    pub(crate) fn looked(&mut self, path: &str, kind: &'static str, bytes: u64) {
        self.report.looked.push(Looked { path: path.to_owned(), kind, bytes });
    }

    /// Notes numbers, which are read as numbers by whoever reads them.
    pub(crate) fn numbers(&mut self, path: &str, bytes: u64) {
        self.looked(path, "numbers", bytes);
    }

    /// Looks at a part, whatever it is.
    pub(crate) fn look(&mut self, path: &str, depth: usize, source: &dyn Source) {
        match kind::tell(path, source) {
            Ok(kind) => self.look_as(kind, path, depth, source),
            Err(error) => self.unread(path, error.to_string()),
        }
    }

    /// Looks at a part as something that is known to be in it.
    pub(crate) fn look_as(&mut self, kind: Kind, path: &str, depth: usize, source: &dyn Source) {
        self.parts += 1;
        if depth > MAX_DEPTH {
            return self.unread(path, format!("it lies deeper than {MAX_DEPTH} archives"));
        }
        if self.parts > MAX_PARTS {
            return self.unread(path, format!("there are more than {MAX_PARTS} parts"));
        }
        self.looked(path, kind.as_str(), source.size());
        let done = Also::of(kind, source).and_then(|also| {
            let before = self.report.looked.len();
            if let Err(error) = self.dispatch(kind, path, depth, source) {
                self.unread(path, error.to_string());
            }
            self.other(&also, kind, before, path, depth, source)
        });
        if let Err(error) = done {
            self.unread(path, error.to_string());
        }
    }

    /// Looks at a file as what else it is, behind a block of somebody's own or to whoever opens it by its end.
    fn other(
        &mut self,
        also: &Also,
        kind: Kind,
        before: usize,
        path: &str,
        depth: usize,
        source: &dyn Source,
    ) -> io::Result<()> {
        // Archives of archives hold them, and they were looked at there.
        let inside = self.report.looked.get(before..).unwrap_or_default();
        let opened = kind == Kind::Tar && inside.iter().any(|part| part.kind == Kind::Zip.as_str());
        if kind != Kind::Zip && !opened && zip::has_end(source)? {
            let reason = format!("it is {} at its beginning and a ZIP archive at its end", kind.as_str());
            self.found(&rules::ARCHIVE_POLYGLOT, path, None, reason);
            zip::look(self, path, depth, source)?;
        }
        if also.hdf5 {
            let reason = format!("it is {} at its beginning and HDF5 behind that", kind.as_str());
            self.found(&rules::ARCHIVE_POLYGLOT, path, None, reason);
            hdf5::look(self, path, source)?;
        }
        match kind {
            Kind::Tar if also.text => {
                self.found(&rules::ARCHIVE_POLYGLOT, path, None, "it is a TAR archive and a text");
                Ok(())
            }
            Kind::Onnx | Kind::TensorFlow if also.text => text::look(self, path, source),
            _ => Ok(()),
        }
    }

    fn dispatch(&mut self, kind: Kind, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
        match kind {
            Kind::Empty | Kind::Numbers => Ok(()),
            Kind::Pickle => pickle::look(self, path, depth, source),
            Kind::Zip => zip::look(self, path, depth, source),
            Kind::Tar => tar::look(self, path, depth, source),
            Kind::Packed(packing) => archive::packed(self, path, depth, source, packing),
            Kind::Numpy => numpy::look(self, path, depth, source),
            Kind::Hdf5 => hdf5::look(self, path, source),
            Kind::Safetensors => {
                pickle::polyglot(self, path, depth, source)?;
                safetensors::look(self, path, source)
            }
            Kind::Gguf => {
                pickle::polyglot(self, path, depth, source)?;
                gguf::look(self, path, source)
            }
            Kind::Onnx => onnx::look(self, path, source),
            Kind::TensorFlow => tensorflow::look(self, path, source),
            Kind::Ubjson => ubjson::look(source).or_else(|(at, why)| {
                self.found(&rules::UBJSON_BOUNDS, path, at, why);
                Ok(())
            }),
            Kind::Json => text::json(self, path, source),
            Kind::Text => text::look(self, path, source),
            Kind::Native(what) => {
                self.found(&rules::NATIVE_CODE, path, 0_u64, format!("it is {what}"));
                Ok(())
            }
            Kind::Unread(what) => {
                self.unread(path, format!("it is {what}, which is not read"));
                Ok(())
            }
            Kind::Unknown => {
                self.unread(path, "it is of no form that is known");
                Ok(())
            }
        }
    }
}

/// A name as it is shown: without control characters, and not endless.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 300;
    let mut text = String::new();
    for c in name.chars() {
        if text.len() >= MOST {
            text.push('…');
            break;
        }
        // Marks that turn the direction of writing make one name look like another.
        let turns =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match c.is_control() || turns {
            true => text.extend(c.escape_unicode()),
            false => text.push(c),
        }
    }
    text
}

/// The place of a member.
pub(crate) fn within(path: &str, member: &str) -> String {
    format!("{path}!{}", shown(member))
}
