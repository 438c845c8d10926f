//! Check digits of the numbers that people and their accounts are known by.
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

/// Whether these are the eight digits of a tax file number of the old kind.
#[must_use]
pub fn is_old_tfn(digits: &[u8]) -> bool {
    weighted(digits, &[10, 7, 8, 4, 6, 3, 5, 1]).is_some_and(|sum| sum.is_multiple_of(11))
}

/// Whether these are the digits of an Australian business number: eleven, of which the first two check the others.
#[must_use]
pub fn is_abn(digits: &[u8]) -> bool {
    let Some((first, rest)) = digits.split_first().filter(|(first, rest)| **first > 0 && rest.len() == 10) else {
        return false;
    };
    let weights = (1..).step_by(2);
    let sum: u32 = rest.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    (sum + u32::from(first - 1) * 10).is_multiple_of(89)
}

/// Whether these are the digits of an Australian company number: nine, of which the last checks the others.
#[must_use]
pub fn is_acn(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    weighted(body, &[8, 7, 6, 5, 4, 3, 2, 1]).is_some_and(|sum| (10 - sum % 10) % 10 == u32::from(*check))
}

/// Whether these are the digits of a number of the British National Health Service: ten, of which the last checks the others.
#[must_use]
pub fn is_nhs(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().zip((1..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    digits.len() == 10 && sum.is_multiple_of(11)
}

/// Whether this is an international bank account number, in capital letters and digits: ISO 7064 modulo 97-10.
#[must_use]
pub fn is_iban(text: &[u8]) -> bool {
    let Some((head, body)) = text.split_at_checked(4) else { return false };
    let rest = body.iter().chain(head).try_fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    });
    rest == Some(1)
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
        let known: [(&str, Is); 10] = [
            ("4111111111111111", is_card),
            ("378282246310005", is_card),
            ("123456782", is_tfn),
            ("876543210", is_tfn),
            ("2123456701", is_medicare),
            ("29501012011", is_medicare),
            ("81854402", is_old_tfn),
            ("51824753556", is_abn),
            ("004085616", is_acn),
            ("9434765919", is_nhs),
        ];
        for (genuine, is) in known {
            assert!(is(&digits(genuine)), "{genuine}");
            for at in 0..genuine.len().min(9) {
                let mut other = digits(genuine);
                other[at] = (other[at] + 1) % 10;
                assert!(!is(&other), "{genuine} with another digit {at}");
            }
        }
        assert!(is_iban(b"DE89370400440532013000") && is_iban(b"GB29NWBK60161331926819"));
        assert!(!is_iban(b"DE88370400440532013000") && !is_iban(b"GB29NWBK60161331926891") && !is_iban(b"DE8"));
        assert!(!is_old_tfn(&[]) && !is_abn(&[]) && !is_acn(&[]) && !is_nhs(&[]));
        assert!(!is_card(&[]) && !is_tfn(&[]) && !is_medicare(&[]));
        assert!(!is_medicare(&digits("1123456701")), "no number begins with 1");
    }
}
