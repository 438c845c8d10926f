//! Personal data and secrets in text.
//!
//! The text is folded (`fold`), and read once (`walk`). Where a word or mark may begin something, the detectors of that form
//! look: each is a file. A detector gives a score for form and check digits, the words around it add or take (`context`), and
//! of what overlaps the most probable stays. A passed check digit is evidence of its own strength: one random number of nine
//! digits in eleven is a tax file number.

mod address;
mod codes;
mod column;
mod context;
mod custom;
mod dates;
mod email;
mod fold;
mod groups;
mod kinds;
mod network;
mod numbers;
mod person;
mod phone;
mod score;
mod secrets;
mod text;
mod walk;
mod words;

pub use custom::{BadDetector, Finds, Own, SURE};
pub use kinds::{Class, Finding, Kind};

use context::Context;
use custom::Custom;
use score::{Candidate, permille};
use text::Text;

/// What is less probable is not reported, in thousandths. It is the threshold for marking something.
pub const REPORTED: u16 = 300;

/// The threshold for putting something in the place of a value.
pub const MASKED: u16 = 500;

/// The threshold for refusing a text.
pub const BLOCKED: u16 = 900;

/// The score that gives [`REPORTED`].
const LEAST: i32 = -84;

/// Most detectors of somebody's own. Each reads every text once more.
pub const MOST_CUSTOM: usize = 64;

/// All detectors, and somebody's own beside them.
#[derive(Clone, Debug, Default)]
pub struct Detectors {
    custom: Vec<Custom>,
}

impl Detectors {
    /// Those that are built in.
    #[must_use]
    pub fn standard() -> Self {
        Self::default()
    }

    /// One more, of somebody's own.
    ///
    /// # Errors
    /// [`BadDetector`]: a name that is taken or has another form, a pattern or words that cannot be looked for, or too many
    /// detectors.
    pub fn with(mut self, own: &Own) -> Result<Self, BadDetector> {
        let one = Custom::of(own)?;
        if self.custom.iter().any(|other| other.name == one.name) {
            return Err(BadDetector::Name(format!("there are two detectors with the name `{}`", one.name)));
        }
        if self.custom.len() >= MOST_CUSTOM {
            return Err(BadDetector::Name(format!("there are more than {MOST_CUSTOM} detectors of your own")));
        }
        self.custom.push(one);
        Ok(self)
    }

    /// The longest that somebody's own detectors find, in bytes; 0 when there are none.
    #[must_use]
    pub fn longest_own(&self) -> usize {
        self.custom.iter().map(|own| own.longest).max().unwrap_or(0)
    }

    /// The name of a kind: of somebody's own, the one they gave it.
    #[must_use]
    pub fn name(&self, kind: Kind) -> &str {
        self.own(kind).map_or(kind.as_str(), |own| own.name.as_str())
    }

    /// How much a kind matters.
    #[must_use]
    pub fn class(&self, kind: Kind) -> Class {
        self.own(kind).map_or(kind.class(), |own| own.class)
    }

    fn own(&self, kind: Kind) -> Option<&Custom> {
        match kind {
            Kind::Custom(at) => self.custom.get(usize::from(at)),
            _ => None,
        }
    }

    /// The names of somebody's own, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.custom.iter().map(|one| one.name.as_str())
    }

    /// What stands in `text`, from [`REPORTED`] on, in ascending order; none overlaps another.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Finding> {
        self.in_column(text, &Named::default(), |_| true)
    }

    /// The same, of some kinds only: what else it may be does not count.
    #[must_use]
    pub fn find_of(&self, text: &str, kinds: &[Kind]) -> Vec<Finding> {
        self.in_column(text, &Named::default(), |kind| kinds.contains(&kind))
    }

    /// The same in a value of a column, whose name counts as if it stood before the value.
    #[must_use]
    pub fn find_in(&self, column: &str, value: &str) -> Vec<Finding> {
        self.in_column(value, &self.named(column), |_| true)
    }

    /// What the name of a column says.
    pub(crate) fn named(&self, column: &str) -> Named {
        let context = Context::of_column(column);
        if self.custom.is_empty() {
            return Named { context, own: Vec::new() };
        }
        let parts = context::parts(column);
        Named { context, own: self.custom.iter().map(|own| own.is_named_by(&parts)).collect() }
    }

    fn in_column(&self, text: &str, column: &Named, wanted: impl Fn(Kind) -> bool) -> Vec<Finding> {
        let folded = fold::Folded::of(text);
        let mut found = self.in_folded(&folded.text, column, LEAST);
        found.retain(|one| wanted(one.kind));
        let found = walk::resolve(found);
        let finding = |one: Candidate| {
            let (start, end) = folded.given(one.start, one.end);
            Finding { kind: one.kind, start, end, score_permille: permille(one.score) }
        };
        found.into_iter().map(finding).collect()
    }

    /// What a value may be, overlapping or not, however improbable.
    pub(crate) fn candidates(&self, value: &str, column: &Named, least: i32) -> Vec<Candidate> {
        self.in_folded(&fold::Folded::of(value).text, column, least)
    }

    fn in_folded(&self, text: &str, column: &Named, least: i32) -> Vec<Candidate> {
        let mut found = walk::candidates(Text(text), &column.context, least);
        if self.custom.is_empty() {
            return found;
        }
        // One copy for all that look for words.
        let small = if self.custom.iter().any(Custom::is_of_words) { custom::small(text) } else { String::new() };
        let built_in = found.len();
        for (at, own) in (0..u16::MAX).zip(&self.custom) {
            own.find(Kind::Custom(at), (text, &small), column.names_own(at), &mut found);
        }
        let mut nth = 0;
        found.retain(|one| {
            nth += 1;
            nth <= built_in || one.score >= least
        });
        found
    }

    /// What a column holds, by its name and its values (the first 2,000 that are not empty), and how probable that is, in
    /// thousandths: the one kind that is most probable, or nothing below [`REPORTED`].
    pub fn column<'a>(&self, name: &str, values: impl Iterator<Item = &'a str>) -> Option<(Kind, u16)> {
        column::column(self, name, values)
    }
}

/// What the name of a column says: of the kinds that are built in, and whether it names each of somebody's own.
#[derive(Default)]
pub(crate) struct Named {
    context: Context,
    own: Vec<bool>,
}

impl Named {
    fn names_own(&self, at: u16) -> bool {
        self.own.get(usize::from(at)).copied().unwrap_or(false)
    }

    /// Whether it names this kind.
    pub(crate) fn names(&self, kind: Kind) -> bool {
        match kind {
            Kind::Custom(at) => self.names_own(at),
            kind => self.context.names(kind),
        }
    }
}
