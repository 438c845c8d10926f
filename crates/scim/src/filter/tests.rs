use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::{GROUP, USER};

fn user() -> Map<String, Value> {
    let user = json!({
        "id": "a_1", "externalId": "Ext-7", "userName": "Zoe@Example.com", "active": true, "title": "Vice President",
        "name": {"givenName": "Zoë", "familyName": "Nguyễn"},
        "emails": [{"value": "zoe@work.example", "type": "work", "primary": true}, {"value": "z@home.example", "type": "home"}],
        "meta": {"created": "2026-11-28T03:00:00.500Z"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Risk", "manager": {"value": "a_9"}},
    });
    user.as_object().expect("an object").clone()
}

fn matches(filter: &str) -> bool {
    Filter::parse(&USER, filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&user())
}

#[test]
fn given_a_user_when_filters_are_asked_then_each_operator_means_what_the_standard_says() {
    for filter in [
        r#"userName eq "zoe@example.com""#,
        r#"USERNAME EQ "ZOE@EXAMPLE.COM""#,
        r#"externalId eq "Ext-7""#,
        r#"id eq "a_1""#,
        r#"userName ne "other""#,
        r#"name.familyName co "nguy""#,
        r#"userName sw "ZOE""#,
        r#"userName ew ".com""#,
        r#"title gt "V" and title lt "W" and title ge "Vice President" and title le "vice president""#,
        "title pr and not (nickName pr)",
        "active eq true",
        r#"active eq "True""#,
        "nickName eq null and title ne null",
        r#"emails eq "z@home.example""#,
        r#"emails.type eq "home""#,
        r#"emails[type eq "work" and value co "@work"]"#,
        r#"emails[type eq "work"].value eq "zoe@work.example""#,
        r#"emails[not (type eq "work")].value sw "z@""#,
        "emails pr and emails[primary eq true]",
        r#"meta.created gt "2026-11-28T03:00:00Z" and meta.created lt "2026-11-28T03:00:01Z""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "zoe""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "risk""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "a_9""#,
        r#"userName eq "x" or title pr and active eq true"#,
        r#"(userName eq "x" or title pr) and active eq true"#,
        r#"userName co "\u0040""#,
    ] {
        assert!(matches(filter), "{filter}");
    }
    for filter in [
        r#"externalId eq "ext-7""#,
        r#"emails[type eq "home" and value co "@work"]"#,
        r#"emails[type eq "home"].value eq "zoe@work.example""#,
        "active eq false",
        r#"userName eq "x" and title pr or active eq false"#,
        r#"nickName eq "x""#,
        "not (title pr)",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn given_a_filter_that_makes_no_sense_when_read_then_it_is_an_invalid_filter() {
    let deep = format!("{}title pr{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
    let wide = vec!["title pr"; MAX_TERMS + 1].join(" or ");
    let long = format!("title eq \"{}\"", "x".repeat(crate::MAX_FILTER_BYTES));
    for bad in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName eq x",
        "eq \"x\"",
        "userName xx \"x\"",
        "nothing pr",
        "userName eq \"x",
        "userName eq \"\\q\"",
        "(title pr",
        "title pr)",
        "title pr title pr",
        "title pr and",
        "and",
        "not title pr",
        "active gt true",
        "active co \"t\"",
        "userName eq 5",
        "userName gt null",
        "name eq \"x\"",
        "userName[type eq \"x\"]",
        "emails[type eq \"x\"",
        "emails[emails pr]",
        "emails[value[type pr]]",
        "emails[]",
        "emails.nothing pr",
        "emails[type eq \"x\"].nothing eq \"y\"",
        "userName eq \"x\" ; drop",
        "名 pr",
        "urn:nothing:userName pr",
        "userName eq 1e",
        &deep,
        &wide,
        &long,
    ] {
        let error = Filter::parse(&USER, bad).expect_err(bad);
        assert_eq!((error.status, error.scim_type), (400, Some("invalidFilter")), "{bad}");
    }
    assert!(Filter::parse(&GROUP, r#"members[value eq "a_1"]"#).is_ok());
    assert!(Filter::parse(&GROUP, "userName pr").is_err());
}

#[test]
fn given_a_filter_for_users_and_groups_when_asked_of_one_then_what_only_the_other_has_is_no_value() {
    let group = json!({"id": "gr_1", "displayName": "Trainers", "meta": {"resourceType": "Group"}});
    let group = group.as_object().expect("an object");
    for (filter, of_user, of_group) in [
        (r#"userName sw "zoe""#, true, false),
        (r#"displayName eq "trainers""#, false, true),
        (r#"userName sw "zoe" or displayName eq "trainers""#, true, true),
        ("not (userName pr)", false, true),
        (r#"emails[type eq "work"] or members pr"#, true, false),
        (r#"meta.resourceType eq "Group""#, false, true),
    ] {
        let user_filter = Filter::parse_of_all(&USER, filter).expect(filter);
        let group_filter = Filter::parse_of_all(&GROUP, filter).expect(filter);
        assert_eq!((user_filter.matches(&user()), group_filter.matches(group)), (of_user, of_group), "{filter}");
    }
    let error = Filter::parse_of_all(&USER, "password pr").expect_err("in neither");
    assert_eq!(error.scim_type, Some("invalidFilter"));
}

#[test]
fn given_a_filter_for_one_name_when_asked_then_it_says_so() {
    let parse = |text: &str| Filter::parse(&USER, text).expect("a filter");
    assert_eq!(parse(r#"userName eq "Zoe""#).wanted("userName"), Some("Zoe"));
    assert_eq!(parse(r#"userName ne "Zoe""#).wanted("userName"), None);
    assert_eq!(parse(r#"userName eq "Zoe" and active eq true"#).wanted("userName"), None);
}

fn filters() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        Just("title pr".to_owned()),
        ("eq|ne|co|sw|ew|gt|ge|lt|le", "[ -~à-ö]{0,8}").prop_map(|(op, text)| format!("userName {op} {}", json!(text))),
        any::<bool>().prop_map(|flag| format!("active eq {flag}")),
        "[a-z]{1,4}".prop_map(|word| format!("emails[type eq {}]", json!(word))),
    ];
    term.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|filter| format!("not ({filter})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) and ({other})")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one}) or {other}")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_prints_back_to_something_that_reads_the_same(text in filters()) {
        let filter = Filter::parse(&USER, &text).expect("made to be read");
        let printed = filter.to_string();
        let again = Filter::parse(&USER, &printed).expect("what was printed reads");
        prop_assert_eq!(&again, &filter);
        prop_assert_eq!(again.matches(&user()), filter.matches(&user()));
    }

    #[test]
    fn not_means_the_opposite(text in filters()) {
        let (one, other) = (Filter::parse(&USER, &text), Filter::parse(&USER, &format!("not ({text})")));
        prop_assert_ne!(one.expect("a filter").matches(&user()), other.expect("a filter").matches(&user()));
    }

    #[test]
    fn whatever_is_sent_is_read_or_refused(text in "\\PC{0,200}") {
        if let Err(error) = Filter::parse(&USER, &text) {
            prop_assert_eq!(error.scim_type, Some("invalidFilter"));
        }
    }
}
