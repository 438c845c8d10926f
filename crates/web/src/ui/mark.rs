//! Marks: an outcome or a status as a shape, a word and a colour, so that none of the three is needed alone.

use askama::Template;
use askama::filters::HtmlSafe;
use domain::assurance::Outcome;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be: a disc.
    Good,
    /// Not as it should be: a diamond.
    Bad,
    /// Unknown or not finished: a ring.
    Open,
    /// Neither: the word alone.
    Plain,
}

/// A word with its tone.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<span class="mark {{ self.class() }}">{{ word }}</span>"#)]
pub(crate) struct Mark {
    pub word: String,
    pub tone: Tone,
}

impl HtmlSafe for Mark {}

impl Mark {
    pub(crate) fn new(word: impl Into<String>, tone: Tone) -> Self {
        Self { word: word.into(), tone }
    }

    /// The mark of a control's outcome. Unknown is not pass: it has its own word and shape.
    pub(crate) fn outcome(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Pass) => Self::new("pass", Tone::Good),
            Some(Outcome::Fail) => Self::new("fail", Tone::Bad),
            Some(Outcome::NotTested) => Self::new("not tested", Tone::Open),
            None => Self::new("never run", Tone::Open),
        }
    }

    /// The mark of an inference's status, as written in records.
    pub(crate) fn status(status: &str) -> Self {
        let tone = match status {
            "ok" => Tone::Good,
            "error" | "interrupted" => Tone::Bad,
            _ => Tone::Open,
        };
        Self::new(status, tone)
    }

    fn class(&self) -> &'static str {
        match self.tone {
            Tone::Good => "mark-good",
            Tone::Bad => "mark-bad",
            Tone::Open => "mark-open",
            Tone::Plain => "mark-plain",
        }
    }
}
