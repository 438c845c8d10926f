//! What the API has is in its documentation, and so are the pages of data.

/// Addresses as they are routed, with what is in braces left out, for parameters have other names in the documentation.
fn routes(source: &str) -> impl Iterator<Item = (String, &str)> {
    source.split(".route(\"").skip(1).filter_map(|rest| {
        let (path, handlers) = rest.split_once('"')?;
        Some((bare(path), handlers.lines().next().unwrap_or_default()))
    })
}

fn bare(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "{" + part.trim_start_matches(|c: char| c.is_ascii_lowercase()))
}

#[test]
fn given_an_endpoint_or_a_page_of_data_when_there_is_one_then_the_documentation_has_it() {
    let documented = bare(include_str!("../../../../docs/api.md"));
    for (path, _) in routes(include_str!("../api/mod.rs")) {
        let named = [" ", "?", "`"].iter().any(|after| documented.contains(&format!(" {path}{after}")));
        assert!(named, "`docs/api.md` lacks {path}");
    }
    for (path, handlers) in routes(include_str!("../data/mod.rs")).filter(|(path, _)| path.starts_with("/data")) {
        let is_page = handlers.contains("get(");
        assert!(!is_page || documented.contains(&format!("`{path}`")), "`docs/api.md` lacks the page {path}");
    }
}
