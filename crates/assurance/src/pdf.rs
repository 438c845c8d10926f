//! Plain documents in PDF: headings and paragraphs in the base fonts, which every reader has.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
const LEADING: f32 = 13.0;
const SIZE: f32 = 9.0;

/// Characters of a line: Courier is as wide as 0.6 of its size, whatever the character.
const COLUMNS: usize = 88;

/// A heading or a paragraph.
pub(crate) struct Line {
    text: String,
    heading: bool,
}

impl Line {
    pub fn text(text: impl ToString) -> Self {
        Self { text: text.to_string(), heading: false }
    }

    pub fn head(text: impl ToString) -> Self {
        Self { text: text.to_string(), heading: true }
    }
}

/// A moment, in UTC. `ms` is milliseconds since the epoch.
pub(crate) fn time(ms: i64) -> String {
    // Days since the epoch to a date, by the civil calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A document of as many pages as it takes.
pub(crate) fn write(title: &str, lines: &[Line]) -> Vec<u8> {
    let mut wrapped = vec![(title.to_owned(), true), (String::new(), false)];
    for line in lines {
        if line.heading {
            wrapped.push((String::new(), false));
        }
        wrapped.extend(wrap(&line.text).into_iter().map(|text| (text, line.heading)));
    }
    let a_page = ((HEIGHT - 2.0 * MARGIN) / LEADING) as usize;
    let pages: Vec<&[(String, bool)]> = wrapped.chunks(a_page).collect();
    let (catalog, tree, regular, bold, info) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5));
    let number = |i: usize, offset: i32| Ref::new(6 + 2 * i32::try_from(i).unwrap_or(0) + offset);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids((0..pages.len()).map(|i| number(i, 0))).count(count);
    pdf.document_info(info).title(TextStr(title));
    pdf.type1_font(regular).base_font(Name(b"Courier"));
    pdf.type1_font(bold).base_font(Name(b"Courier-Bold"));
    for (i, page_lines) in pages.iter().enumerate() {
        let mut page = pdf.page(number(i, 0));
        page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(number(i, 1));
        let mut resources = page.resources();
        let mut fonts = resources.fonts();
        fonts.pair(Name(b"R"), regular);
        fonts.pair(Name(b"B"), bold);
        fonts.finish();
        resources.finish();
        page.finish();
        pdf.stream(number(i, 1), &drawn(page_lines));
    }
    pdf.finish()
}

fn drawn(lines: &[(String, bool)]) -> Vec<u8> {
    let mut content = Content::new();
    let mut y = HEIGHT - MARGIN;
    for (text, heading) in lines {
        content.begin_text();
        content.set_font(Name(if *heading { b"B" } else { b"R" }), SIZE);
        content.next_line(MARGIN, y);
        // What the base fonts have no letter for is shown as a question mark.
        let bytes: Vec<u8> = text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect();
        content.show(Str(&bytes));
        content.end_text();
        y -= LEADING;
    }
    content.finish().to_vec()
}

/// Breaks a text at spaces, and a word that is longer than a line anywhere.
fn wrap(text: &str) -> Vec<String> {
    let indent: String = text.chars().take_while(|c| *c == ' ').collect();
    let mut lines = Vec::new();
    let mut line = indent.clone();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        loop {
            let space = usize::from(line.len() > indent.len());
            if line.chars().count() + space + word.chars().count() <= COLUMNS {
                if space == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if line.len() > indent.len() {
                lines.push(std::mem::replace(&mut line, indent.clone()));
                continue;
            }
            let cut = COLUMNS.saturating_sub(indent.len()).max(1);
            lines.push(format!("{indent}{}", word.chars().take(cut).collect::<String>()));
            word = word.chars().skip(cut).collect();
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_long_words_when_wrapped_then_nothing_is_lost_and_no_line_is_too_long() {
        let text = format!("    a {} b {}", "x".repeat(200), "y ".repeat(100));
        let lines = wrap(&text);
        assert!(lines.iter().all(|line| line.len() <= COLUMNS && line.starts_with("    ")));
        let letters = |text: &str| text.chars().filter(|c| *c != ' ').count();
        assert_eq!(lines.iter().map(|line| letters(line)).sum::<usize>(), letters(&text));
    }

    #[test]
    fn given_moments_when_written_then_they_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(1_795_380_849_000), "2026-11-22 20:54:09 UTC");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00 UTC");
    }

    #[test]
    fn given_many_lines_when_written_then_there_are_many_pages() {
        let lines: Vec<Line> = (0..200).map(Line::text).collect();
        let pdf = write("Title", &lines);
        assert!(pdf.starts_with(b"%PDF-"));
        let pages = pdf.windows(11).filter(|part| part == b"/Type /Page").count();
        assert!(pages > 3, "{pages}");
    }
}
