//! What was found: five claims, each with its own verdict, and the findings behind them. There is no overall pass: a
//! log can be whole and yet incomplete, fresh and yet known to nobody but its operator.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// How many findings with the same code are kept; further ones are counted.
const KEPT_PER_CODE: u64 = 20;

/// How many characters of a text are shown.
const LONGEST_TEXT: usize = 400;

/// What a package or proof is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Claim {
    /// Nothing was altered: hashes, signatures, and what follows from them.
    Integrity,
    /// Nothing is missing.
    Completeness,
    /// It is recent.
    Freshness,
    /// Somebody other than the operator vouches for it.
    Independence,
    /// What was erased is gone.
    Erasure,
}

impl Claim {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] =
        [Self::Integrity, Self::Completeness, Self::Freshness, Self::Independence, Self::Erasure];

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Completeness => "completeness",
            Self::Freshness => "freshness",
            Self::Independence => "independence",
            Self::Erasure => "erasure",
        }
    }
}

/// What was concluded about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was checked, and it holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be checked, or not wholly.
    Unknown,
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// What a finding means for its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The claim does not hold.
    Fail,
    /// The claim cannot be checked wholly.
    Unknown,
    /// Worth knowing; does not change the verdict.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which claim it is about.
    pub claim: Claim,
    /// What it means for the claim.
    pub weight: Weight,
    /// A stable code, listed in `docs/format.md`, section "Findings".
    pub code: &'static str,
    /// Where: a file, an entry, a record.
    #[serde(rename = "where")]
    pub place: String,
    /// What is so.
    pub message: String,
}

/// The verdict on one claim, with the reason in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conclusion {
    /// Which claim.
    pub claim: Claim,
    /// What was concluded.
    pub verdict: Verdict,
    /// What was checked, or why it could not be.
    pub summary: String,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was verified, in a line.
    pub subject: String,
    /// One for each of [`Claim::ALL`], in that order.
    pub verdicts: Vec<Conclusion>,
    /// What was found, in the order it was found.
    pub findings: Vec<Finding>,
    /// The exit code that goes with it.
    pub exit: u8,
}

impl Report {
    /// The verdict on a claim.
    #[must_use]
    pub fn verdict(&self, claim: Claim) -> Verdict {
        let found = self.verdicts.iter().find(|conclusion| conclusion.claim == claim);
        found.map_or(Verdict::Unknown, |conclusion| conclusion.verdict)
    }

    /// Whether there is a finding with this code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    /// The report as JSON: `{"subject", "verdicts", "findings", "exit"}`, with a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |json| json + "\n")
    }
}

/// The report for people: a line for each verdict, then the findings.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.subject)?;
        for Conclusion { claim, verdict, summary } in &self.verdicts {
            writeln!(f, "{:<13} {:<8} {summary}", claim.as_str(), verdict.as_str())?;
        }
        if !self.findings.is_empty() {
            f.write_char('\n')?;
        }
        for Finding { weight, code, place, message, .. } in &self.findings {
            let weight = match weight {
                Weight::Fail => "fail",
                Weight::Unknown => "unknown",
                Weight::Note => "note",
            };
            writeln!(f, "{weight:<8} {code:<20} {place}: {message}")?;
        }
        Ok(())
    }
}

/// Collects findings and concludes from them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    /// Claim, weight and code of what was found, with how often.
    counts: Vec<(Claim, Weight, &'static str, u64)>,
    summaries: Vec<(Claim, String)>,
}

impl Findings {
    pub fn fail(&mut self, claim: Claim, code: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.add(Finding { claim, weight: Weight::Fail, code, place: place.into(), message: message.into() });
    }

    pub fn unknown(&mut self, claim: Claim, code: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.add(Finding { claim, weight: Weight::Unknown, code, place: place.into(), message: message.into() });
    }

    pub fn note(&mut self, claim: Claim, code: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.add(Finding { claim, weight: Weight::Note, code, place: place.into(), message: message.into() });
    }

    fn add(&mut self, finding: Finding) {
        let key = (finding.claim, finding.weight, finding.code);
        let seen = match self.counts.iter_mut().find(|(claim, weight, code, _)| (*claim, *weight, *code) == key) {
            Some((.., count)) => {
                *count += 1;
                *count
            }
            None => {
                self.counts.push((key.0, key.1, key.2, 1));
                1
            }
        };
        if seen <= KEPT_PER_CODE {
            let (place, message) = (printable(&finding.place), printable(&finding.message));
            self.kept.push(Finding { place, message, ..finding });
        }
    }

    /// Says in a few words what was checked for a claim. Several are joined.
    pub fn summary(&mut self, claim: Claim, text: impl Into<String>) {
        self.summaries.push((claim, text.into()));
    }

    /// How many findings speak against a claim.
    pub fn failures(&self, claim: Claim) -> u64 {
        self.count(claim, Weight::Fail)
    }

    fn count(&self, claim: Claim, weight: Weight) -> u64 {
        let of = |(c, w, _, n): &(Claim, Weight, &str, u64)| if (*c, *w) == (claim, weight) { *n } else { 0 };
        self.counts.iter().map(of).sum()
    }

    fn conclude(&self, claim: Claim) -> Conclusion {
        let checked: Vec<&str> =
            self.summaries.iter().filter(|(of, _)| *of == claim).map(|(_, text)| text.as_str()).collect();
        let (verdict, found) = match (self.count(claim, Weight::Fail), self.count(claim, Weight::Unknown)) {
            (0, 0) if checked.is_empty() => (Verdict::Unknown, Some("nothing was checked".to_owned())),
            (0, 0) => (Verdict::Pass, None),
            (0, unknown) => (Verdict::Unknown, Some(format!("{unknown} open"))),
            (failures, _) => (Verdict::Fail, Some(format!("{failures} found"))),
        };
        let parts: Vec<&str> = found.as_deref().into_iter().chain(checked).collect();
        Conclusion { claim, verdict, summary: parts.join("; ") }
    }

    /// The report on `subject`.
    pub fn report(mut self, subject: String) -> Report {
        let verdicts: Vec<Conclusion> = Claim::ALL.iter().map(|claim| self.conclude(*claim)).collect();
        for (claim, weight, code, count) in &self.counts {
            if let Some(more) = count.checked_sub(KEPT_PER_CODE).filter(|more| *more > 0) {
                let message = format!("{more} more of the same kind are not listed");
                let place = "…".to_owned();
                self.kept.push(Finding { claim: *claim, weight: *weight, code, place, message });
            }
        }
        let of = |claim: Claim| verdicts.iter().find(|c| c.claim == claim).map_or(Verdict::Unknown, |c| c.verdict);
        let exit = match () {
            () if self.kept.iter().any(|finding| finding.code == ROLLBACK) => 3,
            () if of(Claim::Integrity) == Verdict::Fail => 1,
            () if of(Claim::Integrity) == Verdict::Unknown => 2,
            () if [Claim::Completeness, Claim::Freshness, Claim::Erasure].map(of).contains(&Verdict::Fail) => 2,
            () if of(Claim::Independence) == Verdict::Fail => 4,
            () => 0,
        };
        Report { subject: printable(&subject), verdicts, findings: self.kept, exit }
    }
}

/// The code of findings that show two histories signed by one log.
pub(crate) const ROLLBACK: &str = "log.rollback";

/// Text of a bounded length that cannot steer a terminal: names in a package are whatever somebody wrote there.
fn printable(text: &str) -> String {
    let shown = text.chars().take(LONGEST_TEXT);
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    shown.flat_map(|c| if steers(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Milliseconds since the epoch as RFC 3339, to the second.
pub(crate) fn instant(ms: i64) -> String {
    let (days, second) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    // Days since 0000-03-01, in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A span of milliseconds in words, as its largest unit.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds.unsigned_abs() {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_793_400_000_123, "2026-10-30T22:40:00Z"),
            (-1000, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(instant(ms), text);
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(instant(extreme).ends_with('Z'));
        }
    }

    #[test]
    fn given_nothing_checked_when_concluded_then_no_claim_passes_and_the_exit_code_is_not_zero() {
        let report = Findings::default().report("nothing".into());
        assert!(report.verdicts.iter().all(|conclusion| conclusion.verdict == Verdict::Unknown));
        assert_eq!(report.exit, 2);
    }

    #[test]
    fn given_a_name_that_steers_a_terminal_when_reported_then_it_is_shown_escaped() {
        let mut findings = Findings::default();
        findings.fail(Claim::Integrity, "file.unlisted", "a\u{1b}[2Jb\u{202e}", "x".repeat(1000));
        let report = findings.report("c\nd".into());
        assert_eq!(report.subject, "c\\nd");
        assert_eq!(report.findings[0].place, "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(report.findings[0].message.len(), LONGEST_TEXT);
    }

    #[test]
    fn given_a_thousand_findings_of_one_kind_when_reported_then_a_few_are_listed_and_all_are_counted() {
        let mut findings = Findings::default();
        for _ in 0..1000 {
            findings.fail(Claim::Integrity, "entry.form", "entry 1", "is not canonical");
        }
        let report = findings.report("many".into());
        assert_eq!(report.findings.len() as u64, KEPT_PER_CODE + 1);
        assert_eq!(
            report.findings.last().map(|f| f.message.as_str()),
            Some("980 more of the same kind are not listed")
        );
        assert_eq!(report.verdicts[0].summary, "1000 found");
    }
}
