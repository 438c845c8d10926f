//! What is read of YAML, and what is refused.

use serde_json::json;

use super::*;

#[test]
fn given_a_contract_as_people_write_it_when_read_then_it_means_what_yaml_says() {
    let text = "---\n# a comment\nkind: DataContract # kept\nid: 53581432-6c55\nversion: 1.1.0\nempty:\nnone: ~\n\
                list: [ 'a', \"b\\n\", 3, -1.5, true, {x: 1, 'y z': [ ]} ]\nurl: https://example.com/a#b\ntime: 09:00-08:00\n\
                day: 2022-10-03\nquoted: \"a: b # c\"\nsingle: 'it''s'\nlong: select a\n  from b\n  where c\n\
                schema:\n- name: one\n  parts:\n  - 1\n  -  name: x\n     y: 2\n  - - deep\n    - er\n  -\n    z: 3\n\
                block: |\n  SELECT 1 # kept\n\n    FROM x: y\nfolded: >-\n  one\n  two\n\n  three\nmany: [1,\n  2, # two\n  3]\nlast: x\n";
    let expected = json!({
        "kind": "DataContract", "id": "53581432-6c55", "version": "1.1.0", "empty": null, "none": null,
        "list": ["a", "b\n", 3, -1.5, true, {"x": 1, "y z": []}], "url": "https://example.com/a#b", "time": "09:00-08:00",
        "day": "2022-10-03", "quoted": "a: b # c", "single": "it's", "long": "select a from b where c",
        "schema": [{"name": "one", "parts": [1, {"name": "x", "y": 2}, ["deep", "er"], {"z": 3}]}],
        "block": "SELECT 1 # kept\n\n  FROM x: y\n", "folded": "one two\nthree", "many": [1, 2, 3], "last": "x",
    });
    assert_eq!(read(text), Ok(expected));
}

#[test]
fn given_more_than_is_read_when_read_then_it_is_refused_with_its_line() {
    for (text, why) in [
        ("a: &x 1", "line 1: anchors"),
        ("a: 1\nb: *x", "line 2: anchors"),
        ("a: !!str 1", "line 1: anchors"),
        ("a:\n  <<: b", "line 2: merges"),
        ("a: 1\na: 2", "line 2: a member of this name"),
        ("a: {b: 1, b: 2}", "line 1: a member of one name"),
        ("%YAML 1.2\n---\na: 1", "line 1: one document"),
        ("a: 1\n---\nb: 2", "line 2: one document"),
        ("a:\n\tb: 1", "line 2: a tab"),
        ("a: \"b\n  c\"", "line 1: a quoted value"),
        ("a: [1, 2", "line 1: a bracket"),
        ("a: [1, 2] 3", "line 1: something follows"),
        ("a: b: c", "line 1: a value with"),
        ("a: 1\n    b: 2", "line 2: "),
        ("a:\n    b: 1\n  c: 2", "line 3: "),
        ("- 1\nb: 2", "line 2: "),
        ("a: b\n\n  c", "line 3: a value over several lines"),
        ("a: |2\n  x", "line 1: a block of text"),
        ("? a\n: b", "line 1: a name is plain"),
        ("a: \"\\q\"", "line 1: there is no such escape"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(why), "{text:?}: {error}");
    }
    let deep = "- ".repeat(200) + "x";
    assert!(read(&deep).expect_err("deep").contains("deeper"));
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(read(&deep).expect_err("deep").contains("deeper"));
    let many = format!("a: [{}]", "1,".repeat(60_000));
    assert!(read(&many).expect_err("many").contains("more values"));
}
