//! Files that are one thing at their beginning and another to whoever opens them, and names spelled otherwise.

use std::time::Instant;

use super::build::{field, member, npy, zip};
use super::{fails, incomplete, passes};

const LAMBDA: &str = r#"{"class_name":"Lambda","config":{}}"#;

#[test]
fn given_hdf5_behind_a_block_of_text_when_scanned_then_it_is_found_however_long_the_block_is() {
    let honest = std::fs::read(super::honest::path("model.h5")).expect("a fixture");
    for length in [512, 4096, 8192, 65_536, 1 << 22] {
        let text = b"a model\n".iter().copied().cycle().take(length);
        let report = super::look("a.h5", &text.chain(honest.iter().copied()).collect::<Vec<_>>());
        assert!(report.looked.iter().any(|part| part.kind == "hdf5"), "{length}: {report:#?}");
    }
    let lambda = [vec![b' '; 8192], b"\x89HDF\r\n\x1a\n".to_vec(), LAMBDA.as_bytes().to_vec()].concat();
    fails("a.txt", &lambda, "keras-code");
    let array = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (8000,), }", &[0; 8000]);
    let behind = [array.clone(), vec![0; 8192 - array.len()], lambda[8192..].to_vec()].concat();
    fails("a.npy", &behind, "keras-code");
}

#[test]
fn given_a_text_that_goes_on_as_something_else_when_scanned_then_that_was_not_read() {
    let mut bytes = b"a model\n".repeat(1000);
    passes("a.txt", &bytes);
    passes("a.txt", "ü".repeat(300_000).as_bytes());
    bytes.extend(b"\0\x01\x02");
    incomplete("a.txt", &bytes, "begins as a text");
}

#[test]
fn given_json_behind_a_mark_of_its_bytes_when_scanned_then_it_is_read() {
    let marked = |text: &str| [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    fails("config.json", &marked(LAMBDA), "keras-code");
    let node = r#"{"__class__":"system","__module__":"os","__loader__":"FunctionNode"}"#;
    fails("a.skops", &zip(&[member("schema.json", &marked(node))]), "pickle-code");
    incomplete("a.keras", &zip(&[member("config.json", b"= {}")]), "no JSON");
    incomplete("a.txt", b"{'class_name': 'Lambda'}", "no JSON");
}

#[test]
fn given_an_archive_at_the_end_of_another_form_when_scanned_then_it_is_opened() {
    let archive = zip(&[member("config.json", LAMBDA.as_bytes())]);
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}", archive.len());
    let array = npy(&header, &archive);
    fails("a.keras", &array, "keras-code");
    fails("a.keras", &array, "archive-polyglot");
    fails("a.keras", &[b"\x80\x04N.".as_slice(), &archive].concat(), "keras-code");
}

#[test]
fn given_an_end_of_a_directory_that_readers_disagree_about_when_scanned_then_all_they_read_is_seen() {
    // The signature again, in fields that count disks.
    let mut archive = zip(&[member("config.json", LAMBDA.as_bytes())]);
    let end = archive.len() - 22;
    archive[end + 4..end + 8].copy_from_slice(b"PK\x05\x06");
    fails("a.keras", &[b"a model\n".repeat(600), archive].concat(), "keras-code");
    // A signature behind it that is no end.
    let mut archive = zip(&[member("config.json", LAMBDA.as_bytes())]);
    let end = archive.len() - 22;
    archive[end + 20] = 22;
    archive.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    fails("a.keras", &[b"a model\n".repeat(600), archive].concat(), "keras-code");
    // Places counted from before the file.
    let mut archive = zip(&[member("config.json", LAMBDA.as_bytes())]);
    let (end, entry) = (archive.len() - 22, archive.len() - 22 - 46 - "config.json".len());
    for at in [end + 16, entry + 42] {
        let place = u32::from_le_bytes(archive[at..at + 4].try_into().expect("four")) + 6000;
        archive[at..at + 4].copy_from_slice(&place.to_le_bytes());
    }
    fails("a.keras", &[b"a model\n".repeat(600), archive].concat(), "keras-code");
    // A long end that points to another than the one that stands before it.
    let (mut out, mut decoy) = (Vec::new(), 0);
    for config in [r#"{"class_name":"Dense","config":{}}"#, LAMBDA] {
        let mut archive = zip(&[member("config.json", config.as_bytes())]);
        let end = archive.split_off(archive.len() - 22);
        let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().expect("four")));
        let base = out.len() as u64;
        let entry = archive.len() - number(12) as usize;
        archive[entry + 42..entry + 46].copy_from_slice(&(base as u32).to_le_bytes());
        out.extend(archive);
        if decoy == 0 {
            decoy = out.len() as u64;
        }
        out.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
        for number in [1, 1, number(12), base + number(16)] {
            out.extend(number.to_le_bytes());
        }
    }
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(decoy.to_le_bytes());
    out.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0\x01\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    fails("a.keras", &out, "keras-code");
    fails("a.keras", &out, "archive-mismatch");
}

#[test]
fn given_a_configuration_that_is_hard_to_read_when_in_hdf5_then_it_is_read_or_that_is_told() {
    let hdf5 = |text: &[u8]| [b"\x89HDF\r\n\x1a\n\0\0\0\0".as_slice(), text, b"\0\0\0\0"].concat();
    let long = |digits: usize| format!(r#"{{"x":{},"class_name":"Lambda","config":{{}}}}"#, "1".repeat(digits));
    fails("a.h5", &hdf5(long(500).as_bytes()), "keras-code");
    fails("a.h5", &hdf5(b"{\"\xff\":1,\"class_name\":\"Lambda\",\"config\":{}}"), "keras-code");
    incomplete("a.h5", &hdf5(long(5000).as_bytes()), "begins like a configuration");
    incomplete("a.h5", &hdf5(br#"{"class_name":"Lambda","config":{},"x":(}"#), "begins like a configuration");
}

#[test]
fn given_a_vocabulary_that_is_a_path_when_scanned_then_it_fails() {
    for class in ["StringLookup", "IntegerLookup", "TextVectorization"] {
        let layer = |words: &str| {
            format!(r#"{{"module":"keras.layers","class_name":"{class}","config":{{"vocabulary":{words}}}}}"#)
        };
        fails("config.json", layer(r#""/etc/passwd""#).as_bytes(), "keras-code");
        passes("config.json", layer(r#"["a","b"]"#).as_bytes());
        passes("config.json", layer("null").as_bytes());
    }
}

#[test]
fn given_templates_that_spell_names_otherwise_when_scanned_then_they_fail() {
    for template in [
        r"{{ ''['\N{LOW LINE}\N{LOW LINE}class\N{LOW LINE}\N{LOW LINE}'] }}",
        r"{{ ''['\U0000005f\U0000005fclass'] }}",
        r"{{ ''['\137\137class'] }}",
        "{{ ''[['_','_class_','_']|join] }}",
        "{{ ''['%c%cclass%c%c'|format(95,95,95,95)] }}",
        "{{ ''['--class--'|replace('-', '_')] }}",
        r#"{# {{ " #}{{ ''|attr('_'~'_class_'~'_') }}{# " }} #}"#,
        r#"{% raw %}{{ " {% endraw %}{{ ''.__class__ }}{%- raw -%} " }}{%- endraw %}"#,
        "{{ {'a':{'b':''}}['__class__'] }}",
        "{{ ['']|map('attr', x)|list }}",
        "{# {{ ''.__class__ }}",
    ] {
        fails("chat_template.jinja", template.as_bytes(), "template-code");
    }
    for template in [
        "{# ''.__class__ {{ ''.__class__ }} #}{{ messages[0]['role'] }}",
        "{% raw %}{{ ''.__class__ }}{% endraw %}{{ messages[loop.index0 + 1]['tool_calls'] }}",
        "{% if role in ['tool' + name, 'a_b'] %}{{ '\\n\\t\\'' }}{{ messages[-1]['content'] | trim }}{% endif %}",
        "{{ {'a': {'b': 1}} | tojson }}",
    ] {
        passes("chat_template.jinja", template.as_bytes());
    }
}

#[test]
fn given_templates_that_are_long_when_scanned_then_that_takes_no_longer_than_their_length() {
    let begun = Instant::now();
    for part in ["{{}}", "{#", "{% raw %}", "{{'_'~", "{{a[", "{", "{%"] {
        super::look("chat_template.jinja", part.repeat(900_000 / part.len()).as_bytes());
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let json = serde_json::json!({"chat_template": "a".repeat(2 << 20)}).to_string();
    incomplete("tokenizer_config.json", json.as_bytes(), "a template");
    incomplete("chat_template.jinja", "a\n".repeat(1 << 20).as_bytes(), "was not judged");
}

#[test]
fn given_configurations_that_name_code_when_scanned_then_that_is_not_judged_however_it_is_written() {
    for text in [
        "flavors:\n  python_function:\n    \"loader_module\": evil\n",
        "flavors: {python_function: {loader_module: evil}}\n",
        "flavors:\n  python_function:\n    loader_module:\n      evil\n",
        "flavors:\n  python_function:\n    ? code\n    : dir\n",
        "flavors:\n  python_function:\n    \"loader\\x5fmodule\": evil\n",
        "flavors:\n  python_function:\n    model_code_path: a.py\n",
    ] {
        assert_eq!(super::look("MLmodel", text.as_bytes()).verdict().as_str(), "incomplete", "{text}");
    }
    passes(
        "MLmodel",
        b"signature:\n  inputs: '[{\"type\": \"long\", \"name\": \"code\"}, {\"name\": \"postcode\"}]'\n",
    );
    incomplete("config.yaml", b"model:\n  _target_: os.system\n", "_target_");
    incomplete("config.yaml", b"model: !!python/object/apply:os.system [true]\n", "!!python");
    incomplete("config.json", br#"{"auto_map": {"AutoModel": "me/repo--modeling.Mine"}}"#, "auto_map");
    incomplete("config.json", br#"{"\u005ftarget_": "os.system"}"#, "_target_");
    passes("README.md", b"# Set `auto_map` to load it\n");
}

#[test]
fn given_bytes_of_no_form_when_they_end_like_an_index_then_only_an_index_is_one() {
    let bytes = b"\x00\x01\x02\x03\x57\xfb\x80\x8b\x24\x75\x47\xdb";
    incomplete("model.bin", bytes, "no form");
    passes("variables.index", bytes);
    let saved = |op: &str| {
        let node = field(1, &[field(1, b"n"), field(2, op.as_bytes())].concat());
        [vec![0x08, 1], field(2, &field(2, &node))].concat()
    };
    fails("saved_model.pb", &saved("LoadAndRemapMatrix"), "tensorflow-op");
}
