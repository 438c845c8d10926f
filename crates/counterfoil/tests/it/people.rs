//! Signing in to the pages.

use std::process::Command;

use ::http::Method;

use crate::support::{World, http, tools};

const PAGES: [&str; 7] = ["/", "/ledger", "/ledger/0", "/inferences", "/controls", "/criteria", "/evidence"];

/// A sign-in link to the world's server, whatever address it is told to write.
fn link(world: &World) -> String {
    let link = world.json(&["signin"])["url"].as_str().expect("a link").to_owned();
    let (_, secret) = link.split_once("/signin/").expect("a path");
    format!("{}/signin/{secret}", world.url)
}

/// The value of a cookie that an answer sets, as a request sends it back.
fn cookie(answer: &http::Response) -> Option<String> {
    Some(answer.header("set-cookie")?.split(';').next()?.to_owned())
}

#[test]
fn given_a_sign_in_link_when_opened_then_it_signs_in_once_and_the_pages_show_themselves() {
    let world = World::new();
    let link = link(&world);
    let ask = http::get(&link);
    assert_eq!(ask.status, 200, "looking at the link does not use it up");
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let opened = http::send(Method::POST, &link, &origin, "");
    assert!(matches!(opened.status, 302 | 303), "{}: {}", opened.status, opened.text());
    let session = cookie(&opened).expect("a session");
    let attributes = opened.header("set-cookie").expect("a cookie").to_lowercase();
    assert!(attributes.contains("httponly") && attributes.contains("samesite="), "{attributes}");

    for page in PAGES {
        let answer = http::send(Method::GET, &format!("{}{page}", world.url), &[("cookie", &session)], "");
        assert_eq!(answer.status, 200, "{page}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") || policy.contains("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    }
    let again = http::send(Method::POST, &link, &origin, "");
    assert!(again.status >= 400 && cookie(&again).is_none(), "a link is good once: {}", again.status);
}

#[test]
fn given_a_browser_when_it_shows_the_pages_then_they_are_accessible_and_call_nobody_else() {
    let test = "the pages in a browser";
    let (Some(packages), Some(chromium)) = (tools::node(test), tools::chromium(test)) else { return };
    let world = World::new();
    for route in ["chat", "limited", "chat"] {
        world.chat(route);
    }
    world.json(&["records", "seal"]);
    world.json(&["controls", "run"]);
    tools::run(
        Command::new("node")
            .arg(tools::client("pages.mjs"))
            .env("NODE_DIR", packages)
            .env("CHROMIUM", chromium)
            .env("BASE_URL", &world.url)
            .env("LINK", link(&world))
            .env("PATHS", PAGES.join(",")),
    );
}
