//! When two names are the same, and which names nobody may have because they look like another.
//!
//! A user name is compared after NFKC and with case folded, so `Zoe@Example.com` and `ｚｏｅ@example.com` are one name.
//! Names that only look alike stay two, and the ones made to deceive are refused: letters of two scripts in one word
//! (UTS 39, mixed script), and words of another script that look wholly like ASCII (`раура1` in Cyrillic).

use domain::{Refusal, RefusalCode};
use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// The longest e-mail address, in bytes (RFC 5321, section 4.5.3.1, less the brackets of a path).
pub const MAX_EMAIL_BYTES: usize = 254;

/// The form in which a user name is compared.
///
/// # Errors
/// A refusal that says which rule the name breaks, without repeating it.
pub fn user_name(name: &str) -> Result<String, Refusal> {
    honest("user name", name)
}

/// The form in which a name is compared, when no word of it looks like another.
fn honest(what: &str, name: &str) -> Result<String, Refusal> {
    let folded = folded(what, name)?;
    let allowed = |c: char| c.is_ascii_graphic() || c == ' ' || GeneralSecurityProfile::identifier_allowed(c);
    if !folded.chars().all(allowed) {
        return Err(invalid(&format!("a {what} has letters, digits and ASCII signs: take the others out")));
    }
    let words = folded.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_ascii()) {
        if !word.is_single_script() {
            return Err(invalid(&format!("a word of the {what} mixes letters of different scripts, which look alike")));
        }
        let latin = word.chars().any(|c| c.script() == Script::Latin);
        if !latin && skeleton(word).all(|c| c.is_ascii()) {
            return Err(invalid(&format!(
                "a word of the {what} looks like another in ASCII letters: write it in those"
            )));
        }
    }
    Ok(folded)
}

/// Whether an e-mail address can be one, and no label of it looks like another: whether it is somebody's is known to the
/// mail system alone.
///
/// # Errors
/// A refusal that says what an address has, without repeating it.
pub fn email(address: &str) -> Result<(), Refusal> {
    let seen = |c: char| !c.is_whitespace() && !c.is_control();
    let parts = address
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    match parts && address.chars().all(seen) && address.len() <= MAX_EMAIL_BYTES {
        true => honest("mail address", address).map(drop),
        false => Err(invalid(&format!(
            "an e-mail address has one `@` with something on both sides, no space or line break, and at most \
             {MAX_EMAIL_BYTES} bytes: write it as name@example.com"
        ))),
    }
}

/// Whether somebody or something can be shown by a text: it is short, and nothing in it turns the text around it.
///
/// # Errors
/// A refusal that says what such a text has, without repeating it.
pub fn label(text: &str) -> Result<(), Refusal> {
    let turns = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match text.len() <= MAX_NAME_BYTES && !text.chars().any(|c| c.is_control() || turns(c)) {
        true => Ok(()),
        false => Err(invalid(&format!(
            "a name or title has at most {MAX_NAME_BYTES} bytes, and no line breaks, control characters or marks that turn \
             the direction of writing"
        ))),
    }
}

/// The form in which the name of a group is compared.
///
/// # Errors
/// A refusal when it is empty, too long, or has characters that nobody sees.
pub fn group_name(name: &str) -> Result<String, Refusal> {
    folded("name of a group", name)
}

/// NFKC with case folded. Upper case first: it brings together what lower case leaves apart, such as `ς` and `σ`.
fn folded(what: &str, name: &str) -> Result<String, Refusal> {
    if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(invalid(&format!("a {what} has 1 to {MAX_NAME_BYTES} bytes")));
    }
    if name.trim() != name || name.chars().any(|c| c.is_control() || ignorable(c)) {
        return Err(invalid(&format!("a {what} neither begins nor ends with space, and has nothing that nobody sees")));
    }
    Ok(alike(name))
}

/// The form in which texts of people are compared when any text may be given: no rule is broken by it.
pub fn alike(text: &str) -> String {
    let upper = text.trim().nfkc().flat_map(char::to_uppercase).collect::<String>();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

/// Characters that leave no trace on a page: joiners, marks of direction, fillers, variation selectors, tags.
fn ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(RefusalCode::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_written_differently_are_one_name() {
        for same in ["zoe@example.com", "Zoe@EXAMPLE.com", "ｚｏｅ@example.com"] {
            assert_eq!(user_name(same).as_deref(), Ok("zoe@example.com"), "{same}");
        }
        assert_eq!(user_name("ΣΟΦΟΣ"), user_name("σοφος"));
        assert_eq!(user_name("STRASSE"), user_name("straße"));
        assert_eq!(user_name("Zoe\u{308}"), user_name("zoë"), "composed or not");
    }

    #[test]
    fn addresses_that_cannot_be_are_refused_without_being_repeated() {
        let long = format!("{}@example.com", "a".repeat(243));
        for bad in ["notanemail", "zoe@", "@zoe.example", "a@b@c", "zoe@example.com\nbcc:x", "z oe@example.com", &long]
        {
            let refusal = email(bad).expect_err(bad);
            assert_eq!(refusal.code, RefusalCode::Invalid);
            assert!(!refusal.message.contains(bad));
        }
        for alike in ["anna@\u{435}xample.com", "ann\u{430}@example.com", "anna@раура1.com", "anna@example.\u{441}om"]
        {
            let refusal = email(alike).expect_err(alike);
            assert!(refusal.message.contains("look") && !refusal.message.contains(alike), "{refusal}");
        }
        for good in
            ["иван@почта.example", "zoe@example.com", "o'brien+x@example.com", "zoë@münchen.example", &long[1..]]
        {
            assert!(email(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn labels_that_turn_or_break_a_line_are_refused_without_being_repeated() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["Anna\u{202e}nimda", "\u{2066}Anna\u{2069}", "Anna\nAdmin", "\u{1b}[1mAnna", "a\u{85}b", &long] {
            assert!(!label(bad).expect_err("refused").message.contains(bad));
        }
        for good in ["", "Zoë Nguyễn", "山田たろう", "Ο’Κόνορ, Dr.", &long[1..]] {
            assert!(label(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn names_of_people_everywhere_are_names() {
        for name in ["kjær", "josé@example.com", "иван.петров@example.ru", "山田たろう", "o'brien+x@example.com", "ø"]
        {
            assert!(user_name(name).is_ok(), "{name}");
        }
        assert_ne!(user_name("zoe"), user_name("zoë"));
        assert_ne!(user_name("anna1"), user_name("annal"), "ASCII stays as it is");
    }

    #[test]
    fn names_that_are_made_to_deceive_are_refused_without_being_repeated() {
        let cyrillic = "раура1@example.com";
        for bad in ["zоe@example.com", cyrillic, "zoe\u{200b}", " zoe", "zoe\n", "", "\u{202e}eoz", "zoe\u{e0041}"] {
            let refusal = user_name(bad).expect_err(bad);
            assert_eq!(refusal.code, RefusalCode::Invalid);
            assert!(bad.trim().is_empty() || !refusal.message.contains(bad.trim()));
        }
        assert!(user_name(&"a".repeat(257)).is_err());
        assert!(group_name("ML approvers, Zürich").is_ok() && group_name("a\u{200d}b").is_err());
    }
}
