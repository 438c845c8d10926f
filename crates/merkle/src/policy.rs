//! Trust policies (C2SP tlog-policy): which logs are believed, which witnesses are known, and how many of which must
//! have cosigned a checkpoint before it counts. A policy is a small text file that an auditor can write and read.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::checkpoint::Checkpoint;
use crate::encoding::{decimal, shorten};
use crate::key::{KeyAlgorithm, KeyError, VerifierKey};
use crate::note::Note;

/// The longest policy that is read, in bytes.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// Why a text is not a policy. Lines are counted from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`MAX_POLICY_BYTES`].
    #[error("a policy of {bytes} bytes is longer than the {MAX_POLICY_BYTES} that are read")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// No `quorum` line.
    #[error("the policy has no quorum line; add `quorum <name>`, or `quorum none` to require no witness")]
    NoQuorum,
    /// One line is wrong.
    #[error("line {line} of the policy is wrong")]
    Line {
        /// Number of the line.
        line: usize,
        /// What is wrong with it.
        #[source]
        problem: LineProblem,
    },
}

/// What is wrong with one line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// A control character other than tab.
    #[error("control characters other than tab are not allowed")]
    ControlCharacter,
    /// Not one of the four kinds of line, or with too few or too many items.
    #[error(
        "`{0}` should be `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, \
         `group <name> all|any|<k> <name>...` or `quorum <name>`"
    )]
    Syntax(String),
    /// The verifier key can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is of the type that logs use where a witness needs one, or the other way round.
    #[error("the key of `{0}` has the wrong type: a log needs a key of type 0x01, a witness one of type 0x04")]
    KeyType(String),
    /// The same public key again.
    #[error("the public key of `{0}` is listed already")]
    DuplicateKey(String),
    /// The name means something already.
    #[error("`{0}` is defined already")]
    DuplicateName(String),
    /// The name is not defined on a line above.
    #[error("`{0}` is not defined on a line above")]
    UnknownName(String),
    /// The name is a member of a group already, so it would count twice.
    #[error("`{0}` is a member of a group already; a name counts once")]
    AlreadyMember(String),
    /// The threshold is not between 1 and the number of members.
    #[error(
        "`{threshold}` is not a threshold for a group of {members}; use `any`, `all` or a number from 1 to {members}"
    )]
    Threshold {
        /// What was written.
        threshold: String,
        /// Number of members.
        members: usize,
    },
    /// A second `quorum` line.
    #[error("the quorum is set already; keep one quorum line")]
    SecondQuorum,
}

/// A log whose checkpoints are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// The key; its name is the origin of the log.
    pub key: VerifierKey,
    /// Where the log is, if the policy says so.
    pub url: Option<String>,
}

/// A witness that may count towards the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it; need not be the name of its key.
    pub name: String,
    /// The key, of type 0x04.
    pub key: VerifierKey,
    /// The submission prefix of the witness (C2SP tlog-witness), if the policy says so.
    pub url: Option<String>,
}

/// A policy that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    /// In order of definition: a group has members from earlier groups only, so one pass decides them all.
    groups: Vec<Group>,
    /// None for `quorum none`.
    quorum: Option<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or group, by its position in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// What a policy says about one note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// The note is a checkpoint, signed by a log of the policy under that log's own origin.
    pub log_ok: bool,
    /// The note is a checkpoint, and enough witnesses cosigned it.
    pub quorum_met: bool,
    /// The witnesses of the policy that cosigned it: the name in the policy, and the time in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] says which line is wrong and why.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        let mut draft = Draft::default();
        for (number, line) in text.split('\n').enumerate() {
            draft.read(line).map_err(|problem| PolicyError::Line { line: number + 1, problem })?;
        }
        Ok(Self {
            quorum: draft.quorum.ok_or(PolicyError::NoQuorum)?,
            logs: draft.logs,
            witnesses: draft.witnesses,
            groups: draft.groups,
        })
    }

    /// The logs, in order; may be none when the log is known from elsewhere.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in order.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the quorum asks for at least one witness.
    pub fn requires_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Applies the policy to a note. A signature that is missing or invalid does not count; nothing counts in a note
    /// that is not a checkpoint.
    pub fn evaluate(&self, note: &Note) -> PolicyVerdict {
        let Ok(checkpoint) = Checkpoint::parse(&note.text) else {
            return PolicyVerdict { log_ok: false, quorum_met: false, witnesses: Vec::new() };
        };
        let mine = |log: &&PolicyLog| log.key.name() == checkpoint.origin;
        let cosigned: Vec<Option<u64>> =
            self.witnesses.iter().map(|witness| witness.key.verify(note).ok()?.timestamp).collect();
        PolicyVerdict {
            log_ok: self.logs.iter().filter(mine).any(|log| log.key.verify(note).is_ok()),
            quorum_met: self.quorum_met(&cosigned),
            witnesses: (self.witnesses.iter().zip(&cosigned))
                .filter_map(|(witness, time)| Some((witness.name.clone(), (*time)?)))
                .collect(),
        }
    }

    fn quorum_met(&self, cosigned: &[Option<u64>]) -> bool {
        let witnessed = |member: &Member, groups: &[bool]| match member {
            Member::Witness(index) => cosigned.get(*index).is_some_and(Option::is_some),
            Member::Group(index) => groups.get(*index).is_some_and(|group| *group),
        };
        let mut groups = Vec::new();
        for group in &self.groups {
            let count = group.members.iter().filter(|member| witnessed(member, &groups)).count();
            groups.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|quorum| witnessed(&quorum, &groups))
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}

/// A policy while its lines are read.
#[derive(Default)]
struct Draft<'t> {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<&'t str, Member>,
    members: BTreeSet<&'t str>,
    keys: BTreeSet<(&'static str, [u8; 32])>,
    quorum: Option<Option<Member>>,
}

impl<'t> Draft<'t> {
    fn read(&mut self, line: &'t str) -> Result<(), LineProblem> {
        if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(LineProblem::ControlCharacter);
        }
        let items: Vec<&str> = line.split([' ', '\t']).filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key, url @ ..] if url.len() <= 1 => self.log(key, url.first()),
            ["witness", name, key, url @ ..] if url.len() <= 1 => self.witness(name, key, url.first()),
            ["group", name, threshold, members @ ..] if !members.is_empty() => self.group(name, threshold, members),
            ["quorum", name] => self.set_quorum(name),
            _ => Err(LineProblem::Syntax(shorten(line.trim()))),
        }
    }

    fn log(&mut self, key: &str, url: Option<&&str>) -> Result<(), LineProblem> {
        let key = self.key("log", key, KeyAlgorithm::Ed25519)?;
        let url = url.map(|url| (*url).to_owned());
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, name: &'t str, key: &str, url: Option<&&str>) -> Result<(), LineProblem> {
        let key = self.key("witness", key, KeyAlgorithm::CosignatureV1)?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: name.to_owned(), key, url: url.map(|url| (*url).to_owned()) });
        Ok(())
    }

    fn group(&mut self, name: &'t str, threshold: &str, members: &[&'t str]) -> Result<(), LineProblem> {
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number => decimal(number)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=members.len()).contains(number))
                .ok_or_else(|| LineProblem::Threshold { threshold: shorten(number), members: members.len() })?,
        };
        let members = members.iter().map(|member| self.take(member)).collect::<Result<_, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), LineProblem> {
        let quorum = match name {
            "none" => None,
            name => Some(self.lookup(name)?),
        };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err(LineProblem::SecondQuorum),
        }
    }

    /// Reads a key; the same public key may not be listed twice for one role, under whatever name.
    fn key(&mut self, role: &'static str, text: &str, algorithm: KeyAlgorithm) -> Result<VerifierKey, LineProblem> {
        let key: VerifierKey = text.parse()?;
        if key.algorithm() != algorithm {
            return Err(LineProblem::KeyType(key.name().to_owned()));
        }
        if !self.keys.insert((role, *key.public_key())) {
            return Err(LineProblem::DuplicateKey(key.name().to_owned()));
        }
        Ok(key)
    }

    fn define(&mut self, name: &'t str, member: Member) -> Result<(), LineProblem> {
        // `none` is predefined by the specification.
        if name == "none" || self.names.insert(name, member).is_some() {
            return Err(LineProblem::DuplicateName(shorten(name)));
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Result<Member, LineProblem> {
        let member = self.names.get(name).copied();
        member.ok_or_else(|| LineProblem::UnknownName(shorten(name)))
    }

    fn take(&mut self, name: &'t str) -> Result<Member, LineProblem> {
        let member = self.lookup(name)?;
        if !self.members.insert(name) {
            return Err(LineProblem::AlreadyMember(shorten(name)));
        }
        Ok(member)
    }
}

#[cfg(test)]
mod tests;
