//! Odds. A score is a sum of hundredths of the natural logarithm of odds: what a value starts with, what its form and its
//! check digits say, and what the words around it say.

/// What a check digit adds that one in this many random numbers passes.
pub(crate) const ONE_IN_10: i32 = 230;
pub(crate) const ONE_IN_11: i32 = 240;
pub(crate) const ONE_IN_20: i32 = 300;
pub(crate) const ONE_IN_89: i32 = 449;
pub(crate) const ONE_IN_97: i32 = 457;

/// The probability in thousandths.
pub(crate) fn permille(score: i32) -> u16 {
    let odds = f64::from(score.clamp(-1_000, 1_000)) / 100.0;
    // At most 999: nothing that is read off a text is certain.
    ((1000.0 / (1.0 + (-odds).exp())).round() as u16).min(999)
}

/// The score of that probability.
pub(crate) fn odds(permille: u16) -> i32 {
    let probability = f64::from(permille.clamp(1, 999)) / 1000.0;
    (100.0 * (probability / (1.0 - probability)).ln()).round() as i32
}

/// What may have been found, before it is compared with what overlaps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub kind: super::kinds::Kind,
    pub start: usize,
    pub end: usize,
    pub score: i32,
}
