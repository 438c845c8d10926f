//! The rules that every page keeps, as plain searches in its text: our templates are regular enough for that.

/// The rules that a page breaks.
pub(super) fn broken(html: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut rule = |holds: bool, what: &str| {
        if !holds {
            broken.push(what.to_owned());
        }
    };
    rule(html.matches("<h1").count() == 1, "has one h1");
    rule(html.matches("<main").count() == 1, "has one main landmark");
    rule(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "says its language");
    let title = between(html, "<title>", "</title>").unwrap_or_default();
    rule(title.len() > " · Counterfoil".len(), "has a title");
    rule(!html.contains(" style="), "has no inline style");
    rule(!html.contains("<style"), "has no style element");
    rule(tags(html, "script").iter().all(|tag| tag.contains(" src=\"/assets/")), "has no inline script");
    rule(
        !tags_any(html).any(|tag| tag.contains(" on") && tag.contains("=\"javascript")),
        "has no script in an attribute",
    );
    for attribute in ["src", "href", "action"] {
        let off = values(html, attribute).any(|value| value.contains("//") || value.starts_with("data:"));
        rule(!off, &format!("has no {attribute} to another origin"));
    }
    let shown = |tag: &&str| !tag.contains("type=\"hidden\"");
    for tag in ["input", "select", "textarea"].into_iter().flat_map(|name| tags(html, name)).filter(shown) {
        let id = values(tag, "id").next().unwrap_or_default();
        rule(!id.is_empty() && html.contains(&format!("<label for=\"{id}\">")), &format!("labels {tag}"));
    }
    rule(html.matches("<table").count() == html.matches("<caption>").count(), "captions each table");
    rule(tags(html, "th").iter().all(|tag| tag.contains("scope=\"")), "scopes each heading cell");
    rule(
        html.matches("<svg").count()
            == html.matches("role=\"img\"").count()
                + html.matches("aria-hidden=\"true\" fill").count()
                + html.matches("role=\"group\" aria-label=").count(),
        "names or hides each picture",
    );
    let ids: Vec<&str> = values(html, "id").collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    rule(once.len() == ids.len(), "has no id twice");
    rule(values(html, "aria-labelledby").all(|id| ids.contains(&id)), "has what aria-labelledby names");
    rule(headings_descend(html), "skips no heading level");
    broken
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

/// The opening tags of an element.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    tags_any(html)
        .filter(|tag| tag.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '>'])))
        .collect()
}

fn tags_any(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag))
}

/// The values of an attribute.
fn values<'a>(html: &'a str, attribute: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {attribute}=\"");
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&start)?;
        let (value, after) = after.split_once('"')?;
        rest = after;
        Some(value)
    })
}

fn headings_descend(html: &str) -> bool {
    let levels = tags_any(html).filter_map(|tag| tag.strip_prefix('h')?.chars().next()?.to_digit(10));
    let mut last = 0;
    levels.into_iter().all(|level| {
        let fits = level <= last + 1;
        last = level;
        fits
    })
}

#[test]
fn a_page_that_breaks_rules_is_caught() {
    let bad = r#"<h1>a</h1><h3>b</h3><img src="https://evil.example/x.png"><input id="q"><p style="color:red">"#;
    let broken = broken(bad).join("\n");
    for expected in ["inline style", "src to another origin", "labels input", "heading level", "title", "main"] {
        assert!(broken.contains(expected), "{expected} in:\n{broken}");
    }
}
