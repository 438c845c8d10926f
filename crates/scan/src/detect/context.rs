//! What the words around a value say of it: those that name it, those that fit it, and those that name something else.
//!
//! Only a few words of the same sentence are read, and the nearest name wins: in `ABN 51 824 753 556 TFN 123 456 782` each
//! number has its own. Scores are hundredths of the natural logarithm of odds.

use std::sync::LazyLock;

use super::kinds::Kind;
use super::text::{Text, is_word};
use super::words::{LONGEST, Words};

/// How far back words are read, in bytes and in words.
const BACK: usize = 56;
const BACK_WORDS: usize = 7;

/// How far on.
const AHEAD: usize = 28;
const AHEAD_WORDS: usize = 3;

const NAMED: i32 = 420;
const NAMED_BEHIND: i32 = 250;
const FITS: i32 = 150;
const OTHER: i32 = -300;
const AGAINST: i32 = -350;
const AGAINST_BEHIND: i32 = -250;
const AGAINST_A_LITTLE: i32 = -20;

/// The kinds that are numbers, one of which is not the other.
const NUMBERS: u32 = Kind::Card.bit()
    | Kind::Medicare.bit()
    | Kind::Tfn.bit()
    | Kind::Phone.bit()
    | Kind::Iban.bit()
    | Kind::Abn.bit()
    | Kind::Acn.bit()
    | Kind::Bsb.bit()
    | Kind::Passport.bit()
    | Kind::Licence.bit()
    | Kind::Ssn.bit()
    | Kind::Nhs.bit()
    | Kind::Nino.bit()
    | Kind::BirthDate.bit();

#[derive(Clone, Copy, Default)]
struct Word {
    /// Kinds that it names.
    names: u32,
    /// Kinds that it fits.
    fits: u32,
    /// Kinds that it speaks against.
    against: u32,
    /// Whether it speaks against any number, a little.
    little: bool,
    /// Whether it speaks against a number before it.
    behind: bool,
    /// Whether its full stop does not end a sentence.
    shortened: bool,
}

enum Role {
    Names,
    Fits,
    Against,
    Little,
}

use Role::{Against, Fits, Little, Names};

const ADDRESSES: u32 = Kind::Ip.bit() | Kind::Mac.bit();

/// The words by what they say.
const WORDS: &[(Role, u32, &str)] = &[
    (Names, Kind::Tfn.bit(), "tfn tfns taxfile"),
    (Fits, Kind::Tfn.bit(), "tax taxation ato payroll payg superannuation file withholding"),
    (Names, Kind::Abn.bit(), "abn abns"),
    (Fits, Kind::Abn.bit(), "business gst supplier trader invoice"),
    (Names, Kind::Acn.bit(), "acn acns arbn"),
    (Fits, Kind::Acn.bit(), "company corporation ltd limited asic directors"),
    (Names, Kind::Medicare.bit(), "medicare"),
    (Fits, Kind::Medicare.bit(), "irn patient health clinic gp"),
    (Names, Kind::Bsb.bit(), "bsb bsbs"),
    (Fits, Kind::Bsb.bit(), "bank branch account transfer deposit acct"),
    (Names, Kind::Card.bit(), "visa mastercard amex creditcard cardnumber pan maestro diners jcb unionpay discover cc"),
    (Fits, Kind::Card.bit(), "card credit debit charge payment pay cvv cvc express expires exp cardholder"),
    (Names, Kind::Iban.bit(), "iban ibans"),
    (Fits, Kind::Iban.bit(), "bic swift sepa bank account konto"),
    (
        Names,
        Kind::Phone.bit(),
        "phone phones telephone tel mobile mob cell cellphone fax ph whatsapp sms handy telefon landline",
    ),
    (Fits, Kind::Phone.bit(), "call ring text contact dial reach number hotline home work"),
    (Names, Kind::Passport.bit(), "passport passports reisepass passeport passaporto pasaporte"),
    (Fits, Kind::Passport.bit(), "travel document visa border nationality"),
    (
        Names,
        Kind::Licence.bit(),
        "licence license driver drivers licences licenses dl dlno driving führerschein permis patente",
    ),
    (Names, Kind::Ssn.bit(), "ssn ssns"),
    (Fits, Kind::Ssn.bit(), "social security"),
    (Names, Kind::Nhs.bit(), "nhs"),
    (Fits, Kind::Nhs.bit(), "patient hospital gp health"),
    (Names, Kind::Nino.bit(), "nino ni nin"),
    (Fits, Kind::Nino.bit(), "national insurance hmrc payroll"),
    (
        Names,
        Kind::BirthDate.bit(),
        "dob born birth birthdate birthday dateofbirth geboren geburtsdatum née nacimiento naissance birthdays",
    ),
    (Fits, Kind::BirthDate.bit(), "age aged patient"),
    (
        Names,
        Kind::Address.bit(),
        "address addr residence residing lives live deliver resides addresses street residential mailing postal living adresse",
    ),
    (Fits, Kind::Address.bit(), "at ship shipping delivery home send post moved visit billing house near property"),
    (
        Names,
        Kind::Person.bit(),
        "name names patient spoke dear mr mrs ms miss dr prof customer client employee surname contact regards sincerely \
         named signed",
    ),
    (
        Fits,
        Kind::Person.bit(),
        "with for by from to met attn author manager user member tenant applicant am i'm mother father wife husband sister \
         brother son daughter cc",
    ),
    (Names, Kind::Ip.bit(), "ip ipv4 ipv6 ips"),
    (
        Fits,
        Kind::Ip.bit(),
        "address addr host client server from blocked source remote login peer gateway dns ssh ping",
    ),
    (Names, Kind::Mac.bit(), "mac bssid hwaddr"),
    (Fits, Kind::Mac.bit(), "address ethernet wifi device adapter interface"),
    (
        Names,
        Kind::Secret.bit(),
        "password passwd pwd secret token apikey passphrase credential credentials secretkey accesskey",
    ),
    (Names, Kind::Email.bit(), "email emails mail mailto"),
    (
        Against,
        NUMBERS,
        "order orders ticket tickets invoice tracking parcel consignment part parts sku skus isbn issn doi batch serial \
         model barcode ean upc gtin asin imei imsi product item items epoch timestamp commit build revision hash quantity qty \
         total subtotal amount price cost revenue balance rows row score page pages case job run runs session request trace \
         checksum uuid guid port pid error code seed lot shipment booking reservation flight po rma quote catalogue catalog \
         bug issue pull coordinates latitude longitude population pixels",
    ),
    (
        Against,
        NUMBERS | ADDRESSES,
        "version versions ver build release released v firmware upgrade upgraded section oid",
    ),
    (Little, NUMBERS, "ref reference id identifier code value key index"),
    (
        Against,
        Kind::BirthDate.bit(),
        "date dated due expires expiry expired published created updated issued deadline meeting effective since until started \
         ended event scheduled paid posted received modified founded established valid delivered closes opened hired joined signed",
    ),
    (Against, Kind::Licence.bit(), "software plate key mit apache gpl agreement liquor gun fishing"),
    (Against, Kind::Person.bit(), "street avenue road university company inc team project city"),
    (Against, Kind::Address.bit(), "chapter version error step figure table"),
];

/// Words that speak against a number that stands before them.
const BEHIND: &str = "units unit ms rows row seconds sec bytes kb mb gb items shipped delayed failed reopened released \
                      declined usd aud eur gbp kg points dollars percent tokens records files times pixels users views \
                      copies people km metres meters";

/// Words whose full stop does not end a sentence; so has any single letter.
const SHORTENED: &str = "no nos num nr ph tel mob cell fax acc acct ref dr mr mrs ms prof st ext lic dl approx";

static KNOWN: LazyLock<Words<Word>> = LazyLock::new(|| {
    let said = |role: &Role, kinds: u32| match role {
        Names => Word { names: kinds, ..Word::default() },
        Fits => Word { fits: kinds, ..Word::default() },
        Against => Word { against: kinds, ..Word::default() },
        Little => Word { little: true, ..Word::default() },
    };
    let words = WORDS.iter().flat_map(|(role, kinds, words)| {
        let said = said(role, *kinds);
        words.split_whitespace().map(move |word| (word, said))
    });
    let behind = BEHIND.split_whitespace().map(|word| (word, Word { behind: true, ..Word::default() }));
    let shortened = SHORTENED.split_whitespace().map(|word| (word, Word { shortened: true, ..Word::default() }));
    Words::of(words.chain(behind).chain(shortened), |said, more| {
        said.names |= more.names;
        said.fits |= more.fits;
        said.against |= more.against;
        said.little |= more.little;
        said.behind |= more.behind;
        said.shortened |= more.shortened;
    })
});

fn known(word: &[u8]) -> Option<Word> {
    KNOWN.get(word)
}

/// What the words around a value say.
#[derive(Clone, Copy, Default)]
pub(crate) struct Context {
    names: u32,
    weight: i32,
    fits: u32,
    against: u32,
    little: bool,
    names_behind: u32,
    against_behind: bool,
}

impl Context {
    /// Reads the words before a value.
    pub(crate) fn before(text: Text<'_>, start: usize) -> Self {
        let mut context = Self::default();
        context.read_back(text, start);
        context
    }

    /// And those behind it.
    pub(crate) fn and_behind(mut self, text: Text<'_>, end: usize) -> Self {
        self.read_on(text, end);
        self
    }

    /// Reads the name of a column.
    pub(crate) fn of_column(name: &str) -> Self {
        let mut context = Self::default();
        let text = Text(name);
        let mut end = text.len();
        while end > 0 {
            let begin = text.run_back(end, usize::MAX, is_word);
            each_part(text, begin, end, &mut |word| context.read(word, 0, 0));
            end = begin.saturating_sub(1);
        }
        // `date_of_birth`, `ip address` and `mother's name` are named by the word that says more.
        if context.names & !Kind::Address.bit() & ADDRESSES != 0 || context.names & Kind::Email.bit() != 0 {
            context.names &= !Kind::Address.bit();
        }
        if context.names & (NUMBERS | ADDRESSES | Kind::Email.bit() | Kind::Secret.bit()) != 0 {
            context.names &= !Kind::Person.bit();
        }
        context
    }

    /// With the name of the column it stands in, unless something nearer names it.
    pub(crate) fn within(mut self, column: &Self) -> Self {
        if self.names == 0 {
            (self.names, self.weight) = (column.names, column.weight);
        }
        self.fits |= column.fits;
        self.against |= column.against & !self.names;
        self
    }

    /// Whether a value of this kind is named here.
    pub(crate) fn names(&self, kind: Kind) -> bool {
        (self.names | self.names_behind) & kind.bit() != 0
    }

    /// Whether a word fits or names this kind.
    pub(crate) fn suits(&self, kind: Kind) -> bool {
        (self.names | self.names_behind | self.fits) & kind.bit() != 0
    }

    /// What it adds to the score of a kind.
    pub(crate) fn adds(&self, kind: Kind) -> i32 {
        let bit = kind.bit();
        let mut sum = 0;
        if self.names & bit != 0 {
            // A licence of software or a plate is none of a driver, wherever the word stands.
            return self.weight + if self.against & bit & Kind::Licence.bit() != 0 { OTHER } else { 0 };
        }
        if self.names & NUMBERS != 0 && NUMBERS & bit != 0 {
            sum += OTHER;
        } else if self.names_behind & bit != 0 {
            return NAMED_BEHIND;
        }
        if self.fits & bit != 0 {
            sum += FITS;
        }
        if self.against & bit != 0 {
            sum += AGAINST;
        } else if self.little && NUMBERS & bit != 0 {
            sum += AGAINST_A_LITTLE;
        }
        if self.against_behind && NUMBERS & bit != 0 {
            sum += AGAINST_BEHIND;
        }
        sum
    }

    fn read_back(&mut self, text: Text<'_>, start: usize) {
        let floor = start.saturating_sub(BACK);
        let (mut end, mut distance, mut numbers) = (start, 0, 0);
        for _ in 0..BACK_WORDS {
            let Some((begin, last)) = word_before(text, floor, end, distance == 0) else { return };
            let digits = text.bytes(begin, last).iter().filter(|byte| byte.is_ascii_digit()).count();
            if digits >= 4 {
                numbers += 1;
            } else {
                each_part(text, begin, last, &mut |word| {
                    self.read(word, distance, numbers);
                    distance += 1;
                });
            }
            end = begin;
        }
    }

    fn read(&mut self, word: &[u8], distance: i32, numbers: i32) {
        let Some(word) = known(word) else { return };
        if word.names != 0 && self.names == 0 {
            self.names = word.names;
            let doubted = if self.against & word.names != 0 { 200 } else { 0 };
            self.weight = (NAMED - 20 * distance - 120 * numbers - doubted).max(50);
        } else {
            // In a column's name all words count; in a text the nearest name.
            self.names |= if distance == 0 { word.names } else { 0 };
        }
        if numbers == 0 {
            self.fits |= word.fits;
        }
        // A name that stands nearer says more than what stands before it.
        self.against |= word.against & (!self.names | Kind::Licence.bit());
        self.little |= word.little;
    }

    fn read_on(&mut self, text: Text<'_>, end: usize) {
        let mut at = end;
        for _ in 0..AHEAD_WORDS {
            let Some((begin, until)) = word_behind(text, end, at) else { return };
            let word = text.bytes(begin, until);
            if word.iter().any(u8::is_ascii_digit) {
                return;
            }
            let known = known(word).unwrap_or_default();
            self.against_behind |= known.behind;
            if !names_the_next(text, until) {
                self.names_behind |= known.names;
            }
            at = until;
        }
    }
}

/// Whether one of the words beside a value says something: those in which its name would be looked for.
pub(crate) fn beside(text: Text<'_>, start: usize, end: usize, says: &dyn Fn(&[u8]) -> bool) -> bool {
    let (floor, mut at) = (start.saturating_sub(BACK), start);
    for nth in 0..BACK_WORDS {
        let Some((begin, last)) = word_before(text, floor, at, nth == 0) else { break };
        let mut said = false;
        each_part(text, begin, last, &mut |word| said |= says(word));
        if said {
            return true;
        }
        at = begin;
    }
    at = end;
    for _ in 0..AHEAD_WORDS {
        let Some((begin, until)) = word_behind(text, end, at) else { break };
        if says(text.bytes(begin, until)) && !names_the_next(text, until) {
            return true;
        }
        at = until;
    }
    false
}

/// The words of a name such as that of a column, in small letters.
pub(crate) fn parts(name: &str) -> Vec<String> {
    let (text, mut parts) = (Text(name), Vec::new());
    let mut end = text.len();
    while end > 0 {
        let begin = text.run_back(end, usize::MAX, is_word);
        each_part(text, begin, end, &mut |word| parts.push(String::from_utf8_lossy(word).to_lowercase()));
        end = begin.saturating_sub(1);
    }
    parts.reverse();
    parts
}

/// The word behind, unless a sentence or a part of it ends between: where it begins and ends.
fn word_behind(text: Text<'_>, end: usize, mut at: usize) -> Option<(usize, usize)> {
    while at < end + AHEAD && !is_word(text.byte(at)) {
        let (byte, next) = (text.byte(at), text.byte(at + 1));
        let ends = matches!(byte, b'.' | b'?' | b'!') && !is_word(next);
        if ends || matches!(byte, b'\n' | b',' | b';' | b'|' | b'\t' | 0) {
            return None;
        }
        at += 1;
    }
    let until = text.run(at, LONGEST, |byte| is_word(byte) && byte != b'_');
    (until > at).then_some((at, until))
}

/// Whether a word that ends there is followed by a colon or a number, and so names the next.
fn names_the_next(text: Text<'_>, until: usize) -> bool {
    let beyond = text.run(until, 3, |byte| matches!(byte, b' ' | b'#' | b'"'));
    let next = text.byte(beyond);
    matches!(next, b':' | b'=') || next.is_ascii_digit()
}

/// The word before, unless a sentence ends between: where it begins and ends.
fn word_before(text: Text<'_>, floor: usize, end: usize, first: bool) -> Option<(usize, usize)> {
    let (mut at, mut stop, mut lines) = (end, false, 0);
    while at > floor && !is_word(text.before(at)) {
        let (byte, next) = (text.before(at), text.byte(at));
        stop |= matches!(byte, b'?' | b'!' | b';') && next.is_ascii_whitespace();
        let full = byte == b'.' && next.is_ascii_whitespace();
        lines += usize::from(byte == b'\n');
        at -= 1;
        if full {
            let begin = text.run_back(at, LONGEST, is_word);
            let word = text.bytes(begin, at);
            let letter = matches!(word, [letter] if letter.is_ascii_alphabetic());
            stop |= !letter && !known(word).is_some_and(|word| word.shortened);
        }
    }
    // A name may stand on the line above, alone before the value.
    if stop || at <= floor || lines > 1 || (lines == 1 && !first) {
        return None;
    }
    let begin = text.run_back(at, 2 * LONGEST, |byte| is_word(byte) || byte == b'\'');
    (begin < at).then_some((begin, at))
}

/// The parts of `date_of_birth` and `dateOfBirth`, the last first.
fn each_part(text: Text<'_>, begin: usize, end: usize, then: &mut dyn FnMut(&[u8])) {
    let mut until = end;
    for at in (begin..end).rev() {
        let (byte, before) = (text.byte(at), if at > begin { text.byte(at - 1) } else { b'_' });
        let starts = byte != b'_' && (before == b'_' || (byte.is_ascii_uppercase() && before.is_ascii_lowercase()));
        if starts {
            then(text.bytes(at, until));
            until = at;
        }
        if byte == b'_' {
            until = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn adds(before: &str, behind: &str, kind: Kind) -> i32 {
        let text = format!("{before}123 456 782{behind}");
        Context::before(Text(&text), before.len()).and_behind(Text(&text), before.len() + 11).adds(kind)
    }

    #[test]
    fn given_a_name_nearby_when_read_then_the_nearest_counts_and_only_within_the_sentence() {
        assert!(adds("TFN: ", "", Kind::Tfn) > 350);
        assert!(adds("\"tax_file_number\": \"", "", Kind::Tfn) > 0);
        assert!(adds("medicare no. ", "", Kind::Medicare) > 350);
        assert!(adds("TFN 876 543 210 ACN ", "", Kind::Tfn) < 0, "the nearer name is another");
        assert_eq!(adds("He has a TFN. ", "", Kind::Tfn), 0, "another sentence");
        assert!(adds("TFN\n", "", Kind::Tfn) > 350, "a form");
        assert_eq!(adds("TFN\n\n", "", Kind::Tfn), 0, "another paragraph");
        assert!(adds("", " is my TFN", Kind::Tfn) > 200);
        assert_eq!(adds("", " ABN 51 824 753 556", Kind::Abn), 0, "it names the next");
    }

    #[test]
    fn given_words_for_something_else_when_read_then_they_speak_against() {
        for (before, behind) in [("order ", ""), ("order no. ", ""), ("", " units"), ("invoice total ", " units")] {
            assert!(adds(before, behind, Kind::Tfn) <= -250, "{before}…{behind}");
        }
        assert!(adds("ref ", "", Kind::Tfn) > -100, "a reference may be anything");
        assert!(adds("order by TFN ", "", Kind::Tfn) > 100, "the nearer word counts");
    }

    #[test]
    fn given_names_of_columns_when_read_then_they_name_what_the_column_holds() {
        let names = |name: &str, kind| Context::of_column(name).names(kind);
        assert!(names("dateOfBirth", Kind::BirthDate) && names("customer_email_address", Kind::Email));
        assert!(names("first_name", Kind::Person) && names("home address", Kind::Address));
        assert!(!names("customer_email_address", Kind::Address) && !names("ip_address", Kind::Address));
        assert!(!names("customer_phone", Kind::Person) && names("customer_phone", Kind::Phone));
    }
}
