//! Check digits of the numbers that people are known by: cards, Australian tax file numbers and Medicare numbers.
//!
//! Each function takes digits as numbers from 0 to 9, the most significant first.

/// Weights of the first eight digits of a tax file number; the ninth has the weight 10, which is -1 modulo 11.
const TFN_WEIGHTS: [u32; 8] = [1, 4, 3, 7, 5, 8, 6, 9];

/// Weights of the first eight digits of a Medicare number.
const MEDICARE_WEIGHTS: [u32; 8] = [1, 3, 7, 9, 1, 3, 7, 9];

/// The digit that makes `body` and it pass the Luhn test (ISO/IEC 7812-1), as on cards.
#[must_use]
pub fn luhn_check(body: &[u8]) -> u8 {
    let sum: u32 = body
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(*digit);
            match at % 2 {
                0 if digit > 4 => digit * 2 - 9,
                0 => digit * 2,
                _ => digit,
            }
        })
        .fold(0, u32::wrapping_add);
    small((10 - sum % 10) % 10)
}

/// Whether these are the digits of a card: 12 to 19 of them that pass the Luhn test.
#[must_use]
pub fn is_card(digits: &[u8]) -> bool {
    (12..=19).contains(&digits.len()) && digits.split_last().is_some_and(|(check, body)| luhn_check(body) == *check)
}

/// The ninth digit of a tax file number; `None` for the one in eleven beginnings that no number has.
#[must_use]
pub fn tfn_check(body: &[u8]) -> Option<u8> {
    let rest = weighted(body, &TFN_WEIGHTS)? % 11;
    (rest < 10).then(|| small(rest))
}

/// Whether these are the digits of a tax file number: nine, and the last fits the others.
#[must_use]
pub fn is_tfn(digits: &[u8]) -> bool {
    digits.split_last().is_some_and(|(check, body)| tfn_check(body) == Some(*check))
}

/// The ninth digit of a Medicare number; `None` when the eight before it are not those of one: it begins with 2 to 6.
#[must_use]
pub fn medicare_check(body: &[u8]) -> Option<u8> {
    let begins = body.first().is_some_and(|first| (2..=6).contains(first));
    begins.then(|| weighted(body, &MEDICARE_WEIGHTS)).flatten().map(|sum| small(sum % 10))
}

/// Whether these are the digits of a Medicare number: eight, their check digit, the issue, and perhaps the person's line.
#[must_use]
pub fn is_medicare(digits: &[u8]) -> bool {
    let fits = |body: &[u8], rest: &[u8]| {
        rest.first().is_some_and(|check| medicare_check(body) == Some(*check))
            && rest.iter().skip(1).all(|digit| *digit != 0)
    };
    (10..=11).contains(&digits.len()) && digits.split_at_checked(8).is_some_and(|(body, rest)| fits(body, rest))
}

fn weighted(body: &[u8], weights: &[u32; 8]) -> Option<u32> {
    let sum = body.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    (body.len() == weights.len()).then_some(sum)
}

/// A number below 11 as a byte.
fn small(number: u32) -> u8 {
    u8::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|b| b - b'0').collect()
    }

    #[test]
    fn given_published_examples_when_checked_then_they_are_genuine_and_their_neighbours_are_not() {
        type Is = fn(&[u8]) -> bool;
        let known: [(&str, Is); 6] = [
            ("4111111111111111", is_card),
            ("378282246310005", is_card),
            ("123456782", is_tfn),
            ("876543210", is_tfn),
            ("2123456701", is_medicare),
            ("29501012011", is_medicare),
        ];
        for (genuine, is) in known {
            assert!(is(&digits(genuine)), "{genuine}");
            for at in 0..genuine.len().min(9) {
                let mut other = digits(genuine);
                other[at] = (other[at] + 1) % 10;
                assert!(!is(&other), "{genuine} with another digit {at}");
            }
        }
        assert!(!is_card(&[]) && !is_tfn(&[]) && !is_medicare(&[]));
        assert!(!is_medicare(&digits("1123456701")), "no number begins with 1");
    }
}
