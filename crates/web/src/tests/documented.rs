//! What the API has is in its documentation, and so are the pages of data.

/// Addresses as they are routed and what handles each, with what is in braces left out, for parameters have other names in
/// the documentation.
fn routes(source: &str) -> Vec<(String, &str)> {
    let routed = source.split("#[cfg(test)]").next().unwrap_or_default().split(".route(").skip(1);
    let read = routed.filter_map(|rest| {
        let (path, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let mut depth = 1;
        let end = rest.find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        })?;
        Some((bare(path), &rest[..end]))
    });
    read.collect()
}

fn bare(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "{" + part.trim_start_matches(|c: char| c.is_ascii_lowercase()))
}

#[test]
fn given_an_endpoint_or_a_page_of_data_when_there_is_one_then_the_documentation_has_it() {
    let documented = bare(include_str!("../../../../docs/api.md"));
    let (api, pages) = (routes(include_str!("../api/mod.rs")), routes(include_str!("../data/mod.rs")));
    // There are more; where they went when there are not, this has to follow.
    assert!(api.len() >= 140 && pages.len() >= 10, "{} and {} routes are found", api.len(), pages.len());
    for (path, _) in api {
        let named = [" ", "?", "`"].iter().any(|after| documented.contains(&format!(" {path}{after}")));
        assert!(named, "`docs/api.md` lacks {path}");
    }
    for (path, handlers) in pages.into_iter().filter(|(path, _)| path.starts_with("/data")) {
        let is_page = handlers.contains("get(");
        assert!(!is_page || documented.contains(&format!("`{path}`")), "`docs/api.md` lacks the page {path}");
    }
}

#[test]
fn given_a_route_over_several_lines_when_read_then_all_its_methods_are() {
    let source = "Router::new()\n.route(\n\"/data/{id}\",\npost(add)\n.get(show),\n)\n.route(\"/b\", put(c))";
    assert_eq!(routes(source), [(bare("/data/{id}"), ",\npost(add)\n.get(show),\n"), (bare("/b"), ", put(c)")]);
}
