//! The labelled texts in `corpus/`: every kind is found well enough, and `docs/detectors.md` prints what is measured.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use scan::detect::Kind;

use crate::measure::{Measured, measure, read, root};

/// The texts, with what the table calls them.
const CORPORA: [(&str, &str); 2] = [("world", "world.jsonl"), ("Australia", "australia.jsonl")];

/// Kinds that a check digit tells from others.
const CHECKED: [Kind; 7] = [Kind::Card, Kind::Iban, Kind::Tfn, Kind::Abn, Kind::Acn, Kind::Medicare, Kind::Nhs];

const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- end of what is measured -->\n";

fn measured() -> Vec<(&'static str, usize, Measured)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let of = |(name, file): (&'static str, &str)| {
        let texts = read(&corpus.join(file));
        (name, texts.len(), measure(&texts))
    };
    CORPORA.into_iter().map(of).collect()
}

#[test]
fn given_labelled_texts_when_searched_then_every_kind_is_found_and_little_else() {
    for (name, _, measured) in measured() {
        for (kind, counts) in &measured.counts {
            let least = if CHECKED.contains(kind) { 0.97 } else { 0.95 };
            let of = |error: &&String| error.contains(kind.as_str());
            let errors: Vec<_> = measured.errors.iter().filter(of).take(20).collect();
            assert!(counts.f2() >= least, "{name}: {} has F2 {:.3}: {errors:#?}", kind.as_str(), counts.f2());
        }
    }
}

#[test]
fn given_the_docs_when_read_then_they_print_what_is_measured() {
    let path = root().join("docs/detectors.md");
    let text = fs::read_to_string(&path).expect("docs/detectors.md");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (printed, after) = rest.split_once(END).expect("where it ends");
    let table = table();
    if std::env::var("UPDATE_EXPECT").is_ok() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(printed, table, "UPDATE_EXPECT=1 cargo test -p scan writes what is measured into docs/detectors.md");
}

fn table() -> String {
    let measured = measured();
    let mut table = String::new();
    for (name, texts, one) in &measured {
        writeln!(table, "\n{name}: {texts} texts.\n").expect("text grows");
        table.push_str("| kind | labelled | found | missed | wrong | precision | recall | F2 |\n");
        table.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for (kind, counts) in &one.counts {
            writeln!(
                table,
                "| `{}` | {} | {} | {} | {} | {:.3} | {:.3} | {:.3} |",
                kind.as_str(),
                counts.found + counts.missed,
                counts.found,
                counts.missed,
                counts.wrong,
                counts.precision(),
                counts.recall(),
                counts.f2()
            )
            .expect("text grows");
        }
    }
    table.push_str(
        "\nHow many findings of a score were right, in both:\n\n| score | findings | right |\n| --- | ---: | ---: |\n",
    );
    for tenth in 3..10 {
        let sum = |part: fn(&(u32, u32)) -> u32| measured.iter().map(|(.., one)| part(&one.tenths[tenth])).sum::<u32>();
        let (right, all) = (sum(|one| one.0), sum(|one| one.1));
        writeln!(table, "| {tenth}00 to {tenth}99 | {all} | {right} |").expect("text grows");
    }
    table.push('\n');
    table
}
