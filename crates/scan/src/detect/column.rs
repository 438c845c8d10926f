//! What a column holds: its name, and how many of its values are of a kind, against how many would be by chance.

use super::kinds::Kind;
use super::score::permille;
use super::{BLOCKED, Detectors, MASKED, Named, person, phone, text::Text};

/// Most values that are looked at.
const MOST_VALUES: usize = 2_000;

/// Most bytes of one value.
const MOST_BYTES: usize = 4_096;

/// What a column starts with: most are of no kind.
const RARE: i32 = -400;
/// What its name adds when it names the kind, and takes when it names another.
const NAMED: i32 = 450;
const FITS: i32 = 120;

/// How a column of values that are something else looks: the share that has the form by chance in thousandths, and the most
/// that the values can say for the kind, in hundredths of the logarithm of odds.
fn chance(detectors: &Detectors, kind: Kind) -> (f64, i32) {
    match kind {
        Kind::Email | Kind::Iban | Kind::Ip | Kind::Mac | Kind::Nino | Kind::Secret => (0.005, 900),
        Kind::Card => (0.02, 800),
        Kind::Abn => (0.012, 800),
        Kind::Medicare => (0.06, 750),
        Kind::Tfn | Kind::Acn | Kind::Nhs => (0.1, 700),
        Kind::Ssn => (0.1, 600),
        Kind::Address => (0.02, 700),
        Kind::Phone => (0.1, 550),
        Kind::Person => (0.2, 500),
        Kind::Bsb => (0.1, 450),
        Kind::Passport => (0.15, 450),
        Kind::BirthDate => (0.6, 330),
        Kind::Licence => (0.3, 330),
        // Whoever made it says how sure a match is.
        Kind::Custom(_) => match detectors.own(kind).map_or(0, |own| own.score_permille) {
            BLOCKED.. => (0.02, 800),
            MASKED.. => (0.1, 550),
            _ => (0.3, 330),
        },
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    /// Values that are of the kind as a whole.
    whole: u32,
    /// Those that hold one among other words, and the best of these.
    within: u32,
    best: u16,
}

/// The kind that a column most probably holds, and how probable that is in thousandths.
pub(crate) fn column<'a>(
    detectors: &Detectors,
    name: &str,
    values: impl Iterator<Item = &'a str>,
) -> Option<(Kind, u16)> {
    let named = detectors.named(name);
    let kinds = Kind::ALL.len() + detectors.names().count();
    let mut counts = vec![Count::default(); kinds];
    let place = |kind: Kind| match kind {
        Kind::Custom(at) => Kind::ALL.len() + usize::from(at),
        kind => Kind::ALL.iter().position(|one| *one == kind).unwrap_or(0),
    };
    let mut seen = 0_u32;
    for value in values.map(str::trim).filter(|value| !value.is_empty()).take(MOST_VALUES) {
        seen += 1;
        let value = head(value);
        for (kind, whole, score) in in_value(detectors, &named, value) {
            let Some(count) = counts.get_mut(place(kind)) else { continue };
            count.whole += u32::from(whole);
            if !whole && score >= super::REPORTED {
                count.within += 1;
                count.best = count.best.max(score);
            }
        }
    }
    let custom = (0..u16::MAX).zip(detectors.names()).map(|(at, _)| Kind::Custom(at));
    let scored = Kind::ALL.into_iter().chain(custom).filter_map(|kind| {
        let count = counts.get(place(kind)).copied().unwrap_or_default();
        let score = of_whole((detectors, kind), &named, count.whole, seen).max(of_parts(count, seen));
        (score >= super::REPORTED).then_some((kind, score))
    });
    // The first of the most probable: a tax file number before a company number.
    scored.fold(None, |best, one| match best {
        Some((_, score)) if score >= one.1 => best,
        _ => Some(one),
    })
}

fn head(value: &str) -> &str {
    let mut end = value.len().min(MOST_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.get(..end).unwrap_or_default()
}

/// What a value may be: each kind once, whether it is that as a whole, and its score.
fn in_value(detectors: &Detectors, column: &Named, value: &str) -> Vec<(Kind, bool, u16)> {
    let mut found: Vec<(Kind, bool, u16)> = Vec::new();
    // All that it may be, however improbable: how many there are says which.
    for one in detectors.candidates(value, column, i32::MIN / 2) {
        let whole = (one.end - one.start) * 10 >= value.len() * 9;
        if !found.iter().any(|(kind, ..)| *kind == one.kind) {
            found.push((one.kind, whole, permille(one.score)));
        }
    }
    let mut plain = |kind, is: bool| {
        if is && !found.iter().any(|(known, ..)| *known == kind) {
            found.push((kind, true, 500));
        }
    };
    let names = column.names(Kind::Person);
    plain(Kind::Person, person::is_plain(value) && (names || person::is_common(value)));
    plain(Kind::Phone, column.names(Kind::Phone) && phone::is_plain(Text(value)));
    found
}

/// By how many of the values are of the kind.
fn of_whole((detectors, kind): (&Detectors, Kind), column: &Named, whole: u32, seen: u32) -> u16 {
    let named = match kind {
        _ if column.names(kind) => NAMED,
        _ if column.context.suits(kind) => FITS,
        _ => column.context.adds(kind).min(0),
    };
    if seen == 0 {
        // An empty column is what its name says, perhaps.
        return permille(RARE + named);
    }
    let (chance, most) = chance(detectors, kind);
    let hit = (0.95 / chance).ln();
    let miss = (0.05 / (1.0 - chance)).ln();
    let evidence = f64::from(whole) * hit + f64::from(seen - whole) * miss.max(-3.0);
    let evidence = (evidence * 100.0).clamp(-900.0, f64::from(most));
    permille(RARE + named + evidence.round() as i32)
}

/// Free text that holds some: as probable as the best of them, less when they are few.
fn of_parts(count: Count, seen: u32) -> u16 {
    if seen == 0 || count.within == 0 {
        return 0;
    }
    let enough = (600 + 80 * count.within.min(5)).min(1000);
    u16::try_from(u32::from(count.best) * enough / 1000).unwrap_or(0)
}
