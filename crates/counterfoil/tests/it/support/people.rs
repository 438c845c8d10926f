//! People of a world: registering them, giving them duties, and signing them in to the pages.

use ::http::Method;

use super::World;
use super::http::{self, Response};

/// Pseudonym and secret of a key.
pub type Person = (String, String);

/// Everybody with a duty of their own.
pub struct Staff {
    pub lead: Person,
    pub trainer: Person,
    pub approver: Person,
    pub deployer: Person,
}

impl Staff {
    /// The operator makes the security lead, who approves the others.
    pub fn new(world: &World) -> Self {
        let lead = somebody(world);
        let asked = ask(world, &lead.0, "security_lead", "org");
        world.json(&["grants", "approve", &asked]);
        let with = |role: &str| {
            let person = somebody(world);
            let asked = ask(world, &person.0, role, "org");
            world.json(&["--token", &lead.1, "grants", "approve", &asked]);
            person
        };
        let (trainer, approver, deployer) = (with("model_trainer"), with("model_approver"), with("deployer"));
        Self { lead, trainer, approver, deployer }
    }
}

/// Registers somebody and makes them a key.
#[track_caller]
pub fn somebody(world: &World) -> Person {
    let actor = world.json(&["people", "add", "--kind", "human"])["actor"].as_str().expect("a pseudonym").to_owned();
    let key = world.json(&["keys", "create", "--actor", &actor, "--expires", "1d"]);
    (actor, key["secret"].as_str().expect("a secret").to_owned())
}

/// Somebody with a role, which the security lead approved.
#[track_caller]
pub fn somebody_with(world: &World, staff: &Staff, role: &str) -> Person {
    let person = somebody(world);
    let asked = ask(world, &person.0, role, "org");
    world.json(&["--token", &staff.lead.1, "grants", "approve", &asked]);
    person
}

/// Asks for a role; the grant's identifier.
#[track_caller]
pub fn ask(world: &World, actor: &str, role: &str, scope: &str) -> String {
    let words = ["grants", "request", "--actor", actor, "--role", role, "--scope", scope, "--reference", "CHG-1042"];
    world.json(&words)["grant"].as_str().expect("a grant").to_owned()
}

/// Signs in to the pages whoever has this key; the cookie.
#[track_caller]
pub fn session(world: &World, key: &str) -> String {
    let link = world.json(&["--token", key, "signin"])["url"].as_str().expect("a link").to_owned();
    let (_, secret) = link.split_once("/signin/").expect("a path");
    let link = format!("{}/signin/{secret}", world.url);
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let opened = http::send(Method::POST, &link, &origin, "");
    let cookie = opened.header("set-cookie").expect("a session").split(';').next();
    cookie.expect("a cookie").to_owned()
}

/// Sends a form as a page does.
pub fn form(world: &World, cookie: &str, path: &str, body: &str) -> Response {
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let headers = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin"), ("cookie", cookie), kind];
    http::send(Method::POST, &format!("{}{path}", world.url), &headers, body.to_owned())
}
