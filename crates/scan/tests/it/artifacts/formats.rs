//! Formats beside pickles and archives.

use super::build::{evil, field, member, named, npy, zip};
use super::{fails, incomplete, look, passes};

#[test]
fn given_an_array_of_objects_when_scanned_then_its_pickle_is_interpreted() {
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
    fails("a.npy", &npy(header, &evil()), "pickle-code");
    fails("a.npz", &zip(&[member("a.npy", &npy(header, &evil()))]), "pickle-code");
    let structured = "{'descr': [('a', '<f8'), ('b', '|O')], 'fortran_order': False, 'shape': (1,), }";
    fails("a.npy", &npy(structured, &evil()), "pickle-code");
}

#[test]
fn given_an_array_whose_header_does_not_fit_when_scanned_then_it_fails() {
    let numbers = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    passes("a.npy", &npy(numbers, &[0; 16]));
    fails("a.npy", &npy(numbers, &[0; 8]), "numpy-header");
    fails(
        "a.npy",
        &npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", &[0; 8]),
        "numpy-header",
    );
    for header in [
        "__import__('os').system('true')",
        // Python takes the last of two keys, and puts texts together.
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'descr': '|O', }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'de' 'scr': '|O', }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), '\\x64escr': '|O', }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), \"descr\": '|O', }",
    ] {
        fails("a.npy", &npy(header, &[0; 8]), "numpy-header");
    }
    fails("a.npy", &npy(numbers, &[[0; 16].as_slice(), &evil()].concat()), "pickle-code");
}

#[test]
fn given_an_array_of_fields_when_scanned_then_their_types_are_read_as_numpy_writes_them() {
    let of = |descr: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}");
    // Python reads these, too, and there are objects in them.
    for descr in ["[('a', 'object')]", "[('a', '(2,)O')]", "[('a', 'f8,O')]", "'f8,O'", "'object'", "[('a', '<<f8')]"] {
        fails("a.npy", &npy(&of(descr), &evil()), "numpy-header");
    }
    for descr in ["[('a', 'O')]", "[('a', [('b', '<f8'), ('c', '|O', (2,))])]", "[(('title', 'a'), '|O')]"] {
        fails("a.npy", &npy(&of(descr), &evil()), "pickle-code");
    }
    // Names count for nothing, and what follows the numbers is looked at.
    let fields =
        "[('O', '<f8'), ('', '|V4'), (('a b]', 'c'), '<U3', (2, 1)), ('d', [('e', '<M8[ns]'), ('f', '?')], 2)]";
    passes("a.npy", &npy(&of(fields), &[0; 2 * (8 + 4 + 24 + 18)]));
    fails("a.npy", &npy(&of(fields), &[0; 100]), "numpy-header");
    fails("a.npy", &npy(&of(fields), &[[0; 2 * (8 + 4 + 24 + 18)].as_slice(), &evil()].concat()), "pickle-code");
    incomplete("a.npy", &npy(&of("[('a', 'f')]"), &evil()), "not known");
}

#[test]
fn given_another_form_that_is_a_pickle_too_when_scanned_then_it_is_both() {
    let inner = "0cos\nsystem\n(S'true'\ntR.";
    let start = "{\"__metadata__\":{\"a\":\"";
    let mut json = format!("{start}{}{inner}\"}}}}", "x".repeat(2 + 0x20 - 8 - start.len()));
    json.push_str(&" ".repeat(0x208a - json.len()));
    let bytes = [0x208a_u64.to_le_bytes().as_slice(), json.as_bytes()].concat();
    for name in ["a.pkl", "model.safetensors"] {
        fails(name, &bytes, "archive-polyglot");
        fails(name, &bytes, "pickle-code");
        fails(name, &bytes, "safetensors-header");
    }
    fails("a.gguf", &[b"GGUF\x03\0\0\0\x01".as_slice(), inner.as_bytes()].concat(), "pickle-code");
}

fn keras(layers: &str) -> Vec<u8> {
    let config = format!(
        r#"{{"module":"keras","class_name":"Sequential","registered_name":null,"config":{{"name":"s","layers":[{layers}]}}}}"#
    );
    zip(&[member("metadata.json", b"{\"keras_version\":\"3.5.0\"}"), member("config.json", config.as_bytes())])
}

#[test]
fn given_keras_layers_that_carry_code_when_scanned_then_they_are_found() {
    for (layer, rule) in [
        (
            r#"{"module":"keras.layers","class_name":"Lambda","config":{"function":{"class_name":"__lambda__","config":{"code":"4w=="}}}}"#,
            "keras-code",
        ),
        (r#"{"module":"keras.layers","class_name":"TFSMLayer","config":{"filepath":"/tmp/other"}}"#, "keras-code"),
        (r#"{"module":"keras.layers","class_name":"TorchModuleWrapper","config":{"module":"x"}}"#, "keras-code"),
        // Spelled so that a search for the word would not find it, and said twice.
        (r#"{"module":"keras.layers","\u0063lass_name":"\u004cambda","config":{}}"#, "keras-code"),
        (r#"{"module":"keras.layers","class_name":"Lambda","class_name":"Dense","config":{}}"#, "keras-code"),
        // Functions of Keras that do other things, as if they were layers.
        (
            r#"{"module":"keras.utils","class_name":"get_file","config":{"origin":"http://example.org/x"}}"#,
            "keras-module",
        ),
        (r#"{"module":"keras.config","class_name":"enable_unsafe_deserialization","config":{}}"#, "keras-module"),
        (r#"{"module":"keras.src.utils.file_utils","class_name":"get_file","config":{}}"#, "keras-module"),
        (r#"{"module":"os","class_name":"system","config":"true"}"#, "keras-module"),
        (r#"{"module":"builtins","class_name":"function","config":"my_loss"}"#, "keras-class"),
        (r#"{"module":"keras.layers","class_name":"Mine","config":{},"registered_name":"mine>Mine"}"#, "keras-class"),
    ] {
        fails("model.keras", &keras(layer), rule);
        fails("config.json", layer.as_bytes(), rule);
    }
    passes(
        "model.keras",
        &keras(r#"{"module":"keras.layers","class_name":"Dense","config":{"units":1},"registered_name":null}"#),
    );
}

#[test]
fn given_an_hdf5_model_with_a_lambda_when_scanned_then_it_is_found_in_both_forms_of_the_file() {
    for name in ["model.h5", "model-latest.h5"] {
        let honest = std::fs::read(super::honest::path(name)).expect("a fixture");
        passes(name, &honest);
        let replaced = |from: &str, to: &str| {
            let mut bytes = honest.clone();
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("the configuration");
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        fails(name, &replaced(r#""class_name": "Dense", "#, r#""class_name": "Lambda","#), "keras-code");
        fails(name, &replaced(r#""module": "keras.layers""#, r#""module": "keras.utilss""#), "keras-module");
        incomplete(
            name,
            &replaced(r#"{"class_name": "Sequential""#, r#"{'class_name': "Sequential""#)
                .iter()
                .map(|byte| if *byte == b'{' { b'(' } else { *byte })
                .collect::<Vec<_>>(),
            "configuration",
        );
    }
}

#[test]
fn given_a_saved_model_that_reaches_out_when_scanned_then_its_operations_are_found() {
    let node = |op: &str| field(1, &[field(1, b"n"), field(2, op.as_bytes())].concat());
    let saved = |graph: &[u8]| [vec![0x08, 1], field(2, &field(2, graph))].concat();
    for op in [
        "ReadFile",
        "WriteFile",
        "PyFunc",
        "EagerPyFunc",
        "ImmutableConst",
        "SaveDatasetV2",
        "PrintV2",
        "RecordInput",
        "MergeV2Checkpoints",
    ] {
        fails("saved_model.pb", &saved(&node(op)), "tensorflow-op");
        fails("frozen.pb", &node(op), "tensorflow-op");
        // In a function of the library.
        let function = field(3, &[field(1, b"n"), field(2, op.as_bytes())].concat());
        fails("saved_model.pb", &saved(&field(2, &field(1, &function))), "tensorflow-op");
    }
    passes("saved_model.pb", &saved(&[node("MatMul"), node("SaveV2"), node("RestoreV2")].concat()));
    let metadata = field(1, &field(5, br#"{"class_name": "Lambda", "config": {}}"#));
    fails("keras_metadata.pb", &metadata, "keras-code");
    passes("variables.data-00000-of-00001", b"\x00\x01\x02\x03");
}

fn onnx(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![0x08, 8], field(2, b"test"), field(7, &parts.concat())].concat()
}

#[test]
fn given_an_onnx_model_when_its_data_lie_outside_or_its_operators_are_not_its_own_then_it_fails() {
    let tensor = |location: &str| {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        field(5, &[field(8, b"w"), field(13, &entry), vec![0x70, 1]].concat())
    };
    for location in ["/etc/passwd", "../../x", "..\\x", "C:\\x", "a/../../x", "http://example.org/x"] {
        fails("a.onnx", &onnx(&[tensor(location)]), "onnx-path");
    }
    let report = passes("a.onnx", &onnx(&[tensor("model.data")]));
    assert_eq!(report.findings[0].rule.id, "onnx-external");
    let node = |domain: &[u8]| field(1, &[field(4, b"Relu"), field(7, domain)].concat());
    passes("a.onnx", &onnx(&[node(b""), node(b"ai.onnx.ml")]));
    fails("a.onnx", &onnx(&[node(b"com.example")]), "onnx-domain");
    // In a graph of an attribute, and in a tensor of one.
    let within = |attribute: &[u8]| field(1, &[field(4, b"If"), field(5, attribute)].concat());
    fails("a.onnx", &onnx(&[within(&field(6, &node(b"com.example")))]), "onnx-domain");
    let constant = tensor("/etc/passwd");
    fails("a.onnx", &onnx(&[within(&constant)]), "onnx-path");
    // A function of the model itself.
    let own =
        |name: &[u8]| [onnx(&[node(b"local")]), field(25, &[field(1, name), field(10, b"local")].concat())].concat();
    passes("a.onnx", &own(b"Relu"));
    // Another of the same family says nothing of this one.
    fails("a.onnx", &own(b"Gelu"), "onnx-domain");
}

fn gguf(values: &[(&str, &[u8])], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let text = |text: &[u8]| [(text.len() as u64).to_le_bytes().to_vec(), text.to_vec()].concat();
    let mut out = [
        b"GGUF\x03\0\0\0".to_vec(),
        (tensors.len() as u64).to_le_bytes().to_vec(),
        (values.len() as u64).to_le_bytes().to_vec(),
    ]
    .concat();
    for (name, value) in values {
        out.extend(text(name.as_bytes()));
        out.extend(8_u32.to_le_bytes());
        out.extend(text(value));
    }
    out.extend(tensors.concat());
    out.resize(out.len().next_multiple_of(32) + data, 0);
    out
}

fn tensor(dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut out =
        [1_u64.to_le_bytes().to_vec(), b"w".to_vec(), (dimensions.len() as u32).to_le_bytes().to_vec()].concat();
    dimensions.iter().for_each(|length| out.extend(length.to_le_bytes()));
    out.extend(kind.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out
}

#[test]
fn given_templates_when_they_reach_into_python_then_they_fail_and_others_pass() {
    for template in [
        "{{ self.__init__.__globals__ }}",
        "{% for c in ''.__class__.__mro__[1].__subclasses__() %}{% endfor %}",
        "{{ cycler.__init__.__globals__.os.popen('true').read() }}",
        "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
        "{{ ''|attr('_' * 2 ~ 'class') }}",
        "{{ messages['_' ~ '_class_' ~ '_'] }}",
        "{{ messages['__class__'] }}",
        "{% set x = lipsum %}{{ lipsum.x }}",
        "{% include '/etc/passwd' %}",
        "{{ '}}' ~ messages.__class__ }}",
        "{{ joiner()['a'] }}",
    ] {
        fails("model.gguf", &gguf(&[("tokenizer.chat_template", template.as_bytes())], &[], 0), "template-code");
        let json = serde_json::json!({"chat_template": template}).to_string();
        fails("tokenizer_config.json", json.as_bytes(), "template-code");
        fails("chat_template.jinja", template.as_bytes(), "template-code");
    }
    let honest = "{% set ns = namespace(found=false) %}{%- for message in messages -%}{% if message['role'] == 'user' and \
                  not ns.found %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' }}\
                  {% elif message.tool_calls is defined %}{{ message.tool_calls | tojson }}{% endif %}{%- endfor -%}\
                  {% if add_generation_prompt %}{{ raise_exception('no') }}{% endif %} self.__class__ outside of brackets";
    passes("model.gguf", &gguf(&[("tokenizer.chat_template", honest.as_bytes())], &[], 0));
}

#[test]
fn given_a_gguf_header_that_points_outside_when_scanned_then_it_fails() {
    passes("a.gguf", &gguf(&[("general.name", b"x")], &[tensor(&[4], 0, 0)], 16));
    fails("a.gguf", &gguf(&[], &[tensor(&[5], 0, 0)], 16), "gguf-bounds");
    fails("a.gguf", &gguf(&[], &[tensor(&[4], 0, 1 << 40)], 16), "gguf-bounds");
    fails("a.gguf", &gguf(&[], &[tensor(&[1 << 33, 1 << 33], 0, 0)], 16), "gguf-bounds");
    fails("a.gguf", &gguf(&[], &[tensor(&[u64::MAX], 0, u64::MAX)], 16), "gguf-bounds");
    fails("a.gguf", &gguf(&[("a", b"x"), ("a", b"y")], &[], 0), "gguf-bounds");
    incomplete("a.gguf", &gguf(&[], &[tensor(&[4], 200, 0)], 16), "type 200");
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().to_vec(), header.as_bytes().to_vec(), vec![0; data]].concat()
}

#[test]
fn given_a_safetensors_header_that_does_not_fit_when_scanned_then_it_fails() {
    passes(
        "a",
        &safetensors(r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8),
    );
    for (header, data) in [
        (r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9),
        (r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7),
        (r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8),
        (r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8),
        (r#"{"w":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#, 8),
        (
            r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8,
        ),
        (
            r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12,
        ),
        (
            r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}"#,
            24,
        ),
        (r#"{"w":{"dtype":"EVIL","shape":[2],"data_offsets":[0,8]}}"#, 8),
        (r#"{"__metadata__":{"a":1}}"#, 0),
        (r#"{"w":}"#, 0),
    ] {
        fails("a", &safetensors(header, data), "safetensors-header");
    }
}

#[test]
fn given_a_skops_file_that_names_other_types_when_scanned_then_it_fails() {
    let skops = |node: &str| zip(&[member("schema.json", node.as_bytes())]);
    for (node, rule) in [
        (r#"{"__class__":"system","__module__":"os","__loader__":"FunctionNode"}"#, "pickle-code"),
        (r#"{"__class__":"Mine","__module__":"mine","__loader__":"ObjectNode"}"#, "skops-type"),
        (
            r#"{"__class__":"SVC","__module__":"sklearn.svm._classes","__loader__":"MethodNode","content":{"func":"__init__"}}"#,
            "skops-node",
        ),
        (r#"{"__class__":"attrgetter","__module__":"operator","__loader__":"OperatorFuncNode"}"#, "skops-node"),
        (r#"{"__class__":"dict","__module__":"builtins","__module__":"os","__loader__":"DictNode"}"#, "skops-node"),
        (
            r#"{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{"a":{"__class__":"eval","__module__":"builtins","__loader__":"TypeNode"}}}"#,
            "pickle-code",
        ),
    ] {
        fails("a.skops", &skops(node), rule);
    }
}

#[test]
fn given_torchscript_when_its_code_reaches_files_or_libraries_then_it_fails() {
    let script = |code: &str| {
        zip(&[
            member("m/data.pkl", b"\x80\x02c__torch__.mine\nModel\n)\x81."),
            member("m/version", b"3\n"),
            member("m/code/__torch__/mine.py", code.as_bytes()),
            member("m/data/0", b"\x80\x04 these are numbers"),
        ])
    };
    passes(
        "m.pt",
        &script(
            "class Model(Module):\n  def forward(self, x):\n    return torch.add(x, 1)\n    y = ops.prim.NumToTensor(2)\n",
        ),
    );
    fails("m.pt", &script("    x = torch.from_file(\"/etc/passwd\")\n"), "torchscript-op");
    fails("m.pt", &script("    x = torch.save(y, \"/tmp/x\")\n"), "torchscript-op");
    fails("m.pt", &script("    x = ops.mine.run(y)\n"), "torchscript-op");
    fails("m.pt", &script("    x = ^Function()(y)\n"), "torchscript-op");
    // Outside of an archive of TorchScript the same name is a module of Python's.
    fails("m.pkl", b"\x80\x02c__torch__.mine\nModel\n)\x81.", "pickle-import");
}

#[test]
fn given_packages_from_elsewhere_when_scanned_then_they_fail() {
    for line in [
        "--extra-index-url https://example.org/simple",
        "-i http://example.org",
        "git+https://example.org/x.git",
        "x @ https://example.org/x.whl",
    ] {
        fails("requirements.txt", format!("scikit-learn==1.9\n{line}\n").as_bytes(), "requirement");
    }
    fails("conda.yaml", b"dependencies:\n- pip:\n  - git+https://example.org/x\n", "requirement");
    passes("requirements.txt", b"# see https://example.org\nmlflow==3.17\nscikit-learn==1.9.1\n");
    incomplete("MLmodel", b"flavors:\n  python_function:\n    loader_module: mine\n", "loader_module: mine`");
    incomplete(
        "MLmodel",
        b"flavors:\n  python_function:\n    code: code\n    loader_module: mlflow.sklearn\n",
        "`code: code`",
    );
    passes("MLmodel", b"flavors:\n  python_function:\n    code: null\n    loader_module: mlflow.sklearn\n");
    incomplete("code/mine.py", b"def f():\n    pass\n", "program");
    incomplete("run", b"#!/bin/sh\ntrue\n", "program");
    fails("lib.so", b"\x7fELF\x02\x01\x01\0", "native-code");
    fails("x.pyc", b"\xa7\x0d\r\n\0\0\0\0\0\0\0\0\0\0\0\0\xe3\0\0\0", "native-code");
}

#[test]
fn given_secrets_and_personal_data_in_texts_when_scanned_then_they_are_told_and_not_shown() {
    let report = fails("README.md", b"token=ghp_nD4lz4kWNjGo5sdbEU0dqu23vFjXD3dzH9j0\n", "secret");
    assert!(!format!("{report:?}").contains("ghp_nD4"));
    let report = look("card.json", br#"{"author": "Write to jane.citizen@example.com.au, card 4111 1111 1111 1111"}"#);
    assert!(report.findings.iter().any(|one| one.rule.id == "personal-data"), "{report:#?}");
    assert_eq!(report.verdict().as_str(), "pass");
    fails("a.zip", &zip(&[member("notes/keys.txt", b"token=ghp_nD4lz4kWNjGo5sdbEU0dqu23vFjXD3dzH9j0\n")]), "secret");
}

#[test]
fn given_names_of_numpy_functions_when_pickled_then_they_are_what_an_honest_model_holds() {
    passes("a", &[named("numpy", "log1p"), b".".to_vec()].concat());
}
