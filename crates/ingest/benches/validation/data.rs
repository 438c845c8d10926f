//! Loans of 20 columns with faults planted in them, the same for the same number of rows, and the contract that finds
//! them: 30 rules, each a thing that every library of this kind can say.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// The contract that finds what is planted.
pub const CONTRACT: &str = include_str!("contract.toml");

/// One row in so many has a fault.
const ONE_IN: u64 = 200;

/// A rule that is broken by one row, or by two that are alike, at each place where its fault is planted.
const FAULTS: [&str; 26] = [
    "id.unique",
    "account.unique",
    "customer.required",
    "country.required",
    "amount.required",
    "opened.required",
    "status.required",
    "currency.required",
    "amount.range",
    "paid.range",
    "rate.range",
    "term.range",
    "age.range",
    "score.range",
    "country.allowed",
    "currency.allowed",
    "product.allowed",
    "status.allowed",
    "channel.allowed",
    "account.pattern",
    "email.pattern",
    "postcode.pattern",
    "iban.pattern",
    "paid-not-more-than-lent",
    "closed-after-opened",
    "within-limit",
];

/// Rules in which no row has a fault: whether there is a value in the keys, and what is said of all rows, of which the last is
/// broken.
const OTHERS: [(&str, u64); 4] = [("id.required", 0), ("account.required", 0), ("enough", 0), ("mean-rate", 1)];

const HEADER: &str = "id,account,customer,country,currency,product,status,channel,email,postcode,iban,amount,paid,\
                      credit_limit,rate,term,age,score,opened,closed\n";

const COUNTRIES: [&str; 6] = ["AU", "NZ", "GB", "US", "DE", "FR"];
const CURRENCIES: [&str; 5] = ["AUD", "NZD", "GBP", "USD", "EUR"];
const PRODUCTS: [&str; 4] = ["car", "home", "personal", "card"];
const STATUSES: [&str; 4] = ["open", "closed", "late", "written_off"];
const CHANNELS: [&str; 3] = ["branch", "phone", "web"];

/// Xorshift: the same numbers each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap_or_default()]
    }
}

/// Writes CSV until there are `rows` rows or `bytes` bytes, whichever is first; returns the rows and how many break each rule.
pub fn write(to: &mut dyn Write, rows: u64, bytes: u64) -> io::Result<(u64, BTreeMap<String, u64>)> {
    let mut broken: BTreeMap<String, u64> = FAULTS.iter().map(|rule| ((*rule).to_owned(), 0)).collect();
    broken.extend(OTHERS.iter().map(|(rule, rows)| ((*rule).to_owned(), *rows)));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut text, mut written, mut row, mut sound) = (HEADER.as_bytes().to_vec(), 0, 0, false);
    while row < rows && written + (text.len() as u64) < bytes {
        row += 1;
        let place = (chance.below(ONE_IN) == 0).then(|| FAULTS[chance.below(FAULTS.len() as u64) as usize]);
        // What is like the row before must be like no third.
        let fault = place.filter(|rule| sound || !rule.ends_with(".unique"));
        sound = fault.is_none();
        if let Some(rule) = fault {
            *broken.entry(rule.to_owned()).or_default() += if rule.ends_with(".unique") { 2 } else { 1 };
        }
        one(&mut text, row, fault.unwrap_or_default(), &mut chance)?;
        if text.len() > 1 << 20 {
            to.write_all(&text)?;
            written += text.len() as u64;
            text.clear();
        }
    }
    to.write_all(&text)?;
    to.flush()?;
    Ok((row, broken))
}

fn one(to: &mut Vec<u8>, row: u64, fault: &str, chance: &mut Chance) -> io::Result<()> {
    let before = |rule| row - u64::from(fault == rule);
    let word = |chance: &mut Chance, column: &str, words: &[&'static str]| {
        let word = chance.of(words);
        match fault.strip_prefix(column) {
            Some(".required") => "",
            Some(".allowed") => "other",
            _ => word,
        }
    };
    write!(to, "{},", before("id.unique"))?;
    let account = before("account.unique");
    write!(to, "{}-{account:010},", if fault == "account.pattern" { "XX" } else { "AC" })?;
    match fault {
        "customer.required" => to.push(b','),
        _ => write!(to, "{},", 1 + chance.below(row))?,
    }
    for (column, words) in [
        ("country", &COUNTRIES[..]),
        ("currency", &CURRENCIES),
        ("product", &PRODUCTS),
        ("status", &STATUSES),
        ("channel", &CHANNELS),
    ] {
        write!(to, "{},", word(chance, column, words))?;
    }
    write!(to, "user{row}{}example.com,", if fault == "email.pattern" { " at " } else { "@" })?;
    write!(to, "{:03}{},", chance.below(1000), if fault == "postcode.pattern" { "X" } else { "0" })?;
    let country = if fault == "iban.pattern" { "g" } else { "G" };
    write!(to, "{country}B{:02}BANK{:014},", 10 + chance.below(90), chance.below(100_000_000_000_000))?;

    let amount = match fault {
        "amount.range" => 200_000,
        _ => 100 + chance.below(99_000),
    };
    let paid = chance.below(amount);
    match fault {
        "amount.required" => to.push(b','),
        _ => write!(to, "{amount}.50,")?,
    }
    match fault {
        "paid.range" => write!(to, "-1.25,")?,
        "paid-not-more-than-lent" => write!(to, "{}.25,", amount + 1)?,
        _ => write!(to, "{paid}.25,")?,
    }
    let limit = if fault == "within-limit" { amount - 1 } else { amount + 1 + chance.below(10_000) };
    let number = |rule: &str, good: u64, wrong: u64| if fault == rule { wrong } else { good };
    let (term, age, score) = (6 + chance.below(400), 18 + chance.below(70), chance.below(1001));
    write!(to, "{limit}.75,{}.{:04},", number("rate.range", 0, 2), chance.below(10_000))?;
    let (term, age) = (number("term.range", term, 999), number("age.range", age, 7));
    write!(to, "{term},{age},{},", number("score.range", score, 1001))?;

    let (year, month, day) = (2015 + chance.below(9), 1 + chance.below(12), 1 + chance.below(28));
    match fault {
        "opened.required" => to.push(b','),
        _ => write!(to, "{year}-{month:02}-{day:02},")?,
    }
    match (fault, chance.below(3)) {
        ("closed-after-opened", _) => writeln!(to, "{}-{month:02}-{day:02}", year - 1),
        (_, 0) => writeln!(to, "{}-{month:02}-{day:02}", year + 2),
        _ => writeln!(to),
    }
}
