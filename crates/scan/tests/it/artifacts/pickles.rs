//! Pickles: every class of bypass that scanners of pickles are known for.

use super::build::{base64, called, evil, named, text};
use super::{fails, incomplete, look, passes};

#[test]
fn given_modules_that_run_code_when_named_then_they_are_found_in_every_protocol() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("runpy", "_run_code"),
        ("importlib", "import_module"),
        ("pty", "spawn"),
        ("socket", "create_connection"),
        ("pickle", "loads"),
        // Private modules that do the same.
        ("_posixsubprocess", "fork_exec"),
        ("_interpreters", "run_string"),
        ("_aix_support", "_read_cmd_output"),
        ("_pickle", "loads"),
        // What takes an attribute of anything.
        ("operator", "attrgetter"),
        ("_operator", "methodcaller"),
        ("builtins", "getattr"),
        // What makes code of data.
        ("types", "CodeType"),
        ("cloudpickle.cloudpickle", "_make_function"),
        ("marshal", "loads"),
        ("timeit", "timeit"),
    ] {
        fails("a", &called(module, name, "true"), "pickle-code");
        fails("a.pkl", format!("c{module}\n{name}\n(S'true'\ntR.").as_bytes(), "pickle-code");
        fails("a", format!("(S'true'\ni{module}\n{name}\n.").as_bytes(), "pickle-code");
        fails("a", format!("\u{0}(c{module}\n{name}\nS'true'\no.").replace('\u{0}', "").as_bytes(), "pickle-code");
    }
}

#[test]
fn given_something_that_is_on_no_list_when_named_then_it_fails_whatever_it_is() {
    for (module, name) in [
        ("tensorboard.program", "launch"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("pandas", "read_pickle"),
        ("scipy.stats._continuous_distns", "norm_gen"),
        ("collections", "namedtuple"),
        ("lib", "f"),
        ("__main__", "Model"),
    ] {
        fails("a", &called(module, name, "x"), "pickle-import");
    }
}

#[test]
fn given_what_begins_with_allowed_names_when_named_then_it_is_not_let_through_by_them() {
    // Prefixes and dunder names of allowed modules: only exact pairs count.
    for (module, name) in [
        ("numpy", "__builtins__"),
        ("numpy", "size"),
        ("numpy.dtype", "__class__"),
        ("numpy", "dtype.__class__"),
        ("sklearn.svm._classes", "SVC.__init__.__globals__"),
        ("numpy.evil", "dtype"),
        ("Numpy", "dtype"),
    ] {
        fails("a", &called(module, name, "x"), "pickle-import");
    }
}

#[test]
fn given_an_allowed_name_when_used_as_it_may_not_be_then_it_fails() {
    // Attributes set on a class or function.
    let build = [named("numpy", "sum"), b"}(".to_vec(), text("__wrapped__"), text("x"), b"ub.".to_vec()].concat();
    fails("a", &build, "pickle-build");
    // The result of a call that is called.
    fails("a", &[named("collections", "OrderedDict"), b")R)R.".to_vec()].concat(), "pickle-call");
    fails("a", &[b"\x80\x04".to_vec(), text("f"), b")R.".to_vec()].concat(), "pickle-call");
    // A class that opens a file when it is called.
    fails("a", &called("xgboost.core", "Booster", "/etc/hostname"), "pickle-call");
    passes("a", &[named("xgboost.core", "Booster"), b")\x81.".to_vec()].concat());
    // A way to decode that may be anything.
    fails("a", &[named("_codecs", "encode"), text("x"), text("rot13"), b"\x86R.".to_vec()].concat(), "pickle-call");
    // A function as a class.
    fails("a", &[named("numpy", "sum"), b")\x81.".to_vec()].concat(), "pickle-call");
}

#[test]
fn given_names_that_go_through_memo_or_are_no_texts_when_named_then_they_are_followed_or_refused() {
    let memo = [
        b"\x80\x04".to_vec(),
        text("posix"),
        b"\x94".to_vec(),
        text("system"),
        b"\x94000".to_vec()[..2].to_vec(),
        b"h\x00h\x01\x93".to_vec(),
        text("x"),
        b"\x85R.".to_vec(),
    ]
    .concat();
    fails("a", &memo, "pickle-code");
    // A place in the memo that was never filled: others stop with an error, and Python may not.
    let missing = [b"\x80\x04h\x09h\x08\x93".to_vec(), text("x"), b"\x85R.".to_vec()].concat();
    fails("a", &missing, "pickle-computed-name");
    // Numbers and bytes in the place of names.
    fails("a", b"\x80\x04K\x01K\x02\x93.", "pickle-computed-name");
    // A name that a call returns.
    let computed =
        [named("builtins", "str"), text("posix"), b"\x85R".to_vec(), text("system"), b"\x93.".to_vec()].concat();
    fails("a", &computed, "pickle-computed-name");
    // One name twice, and the stack turned around with marks.
    let turned = [
        b"\x80\x04(".to_vec(),
        text("posix"),
        b"1".to_vec(),
        text("posix"),
        b"2".to_vec(),
        b"0".to_vec(),
        text("system"),
        b"\x93.".to_vec(),
    ]
    .concat();
    fails("a", &turned, "pickle-code");
    // A text with escapes.
    fails("a", b"\x80\x04S'\\x70osix'\nS'sys\\164em'\n\x93.", "pickle-code");
    fails("a", b"\x80\x04Vposi\\u0078\nVsystem\n\x93.", "pickle-code");
}

#[test]
fn given_the_register_of_extensions_when_used_then_it_fails() {
    for code in [b"\x80\x02\x82\x01.".as_slice(), b"\x80\x02\x83\x01\x00.", b"\x80\x02\x84\x01\x00\x00\x00."] {
        fails("a", code, "pickle-extension");
    }
}

#[test]
fn given_a_stream_that_breaks_behind_its_payload_when_scanned_then_the_payload_is_found() {
    for end in [b"".as_slice(), b"\xff", b"X\xff\xff\xff\x7fno", b"0000000000", b"\x80\x63."] {
        let mut broken = evil();
        broken.pop();
        fails("a", &[broken, end.to_vec()].concat(), "pickle-code");
    }
    incomplete("a", b"\x80\x04K\x01\xff", "breaks at byte 4");
    incomplete("a", b"\x80\x04X\xff\xff\xff\x7fno", "ends early");
}

#[test]
fn given_several_pickles_in_one_file_when_scanned_then_each_is_interpreted() {
    let harmless = b"\x80\x04K\x01.".as_slice();
    fails("a", &[harmless, &evil()].concat(), "pickle-code");
    fails("a", &[harmless, harmless, b"cos\nsystem\n(S'true'\ntR."].concat(), "pickle-code");
    passes("a", &[harmless, harmless].concat());
    // What follows and is no pickle, is looked at for what it is.
    fails("a", &[harmless, b"\x7fELF\x02\x01\x01"].concat(), "native-code");
    incomplete("a", &[harmless, b"\xfe\xfe\xfe\xfe"].concat(), "no form");
}

#[test]
fn given_pickles_in_texts_and_bytes_when_scanned_then_they_are_found_however_they_are_written() {
    let bytes = |inner: &[u8]| {
        [b"\x80\x04B".to_vec(), (inner.len() as u32).to_le_bytes().to_vec(), inner.to_vec(), b".".to_vec()].concat()
    };
    let written = |inner: &str| {
        [b"\x80\x04X".to_vec(), (inner.len() as u32).to_le_bytes().to_vec(), inner.as_bytes().to_vec(), b".".to_vec()]
            .concat()
    };
    let hex: String = evil().iter().map(|byte| format!("{byte:02x}")).collect();
    fails("a", &bytes(&evil()), "pickle-nested");
    fails("a", &bytes(b"cos\nsystem\n(S'true'\ntR."), "pickle-nested");
    fails("a", &written(&base64(&evil())), "pickle-nested");
    fails("a", &written(&hex), "pickle-nested");
    fails("a", &written(&base64(b"cos\nsystem\n(S'true'\ntR.")), "pickle-nested");
    fails("a", &bytes(&bytes(&bytes(&evil()))), "pickle-nested");
    // Base64 of a pickle in base64, with the call that would decode it.
    fails("a", &called("base64", "b64decode", &base64(&evil())), "pickle-nested");
    // Data that merely begin like one.
    passes("a", &bytes(b"\x80\x04 and then nothing of the kind"));
    passes("a", &written("gAAAAAAAAAAAAAAAAAAAAAAAAA"));
    passes("a", &written("category of the loan: c\nd\ne"));
}

#[test]
fn given_calls_that_take_memory_when_scanned_then_they_are_bombs() {
    fails(
        "a",
        &[named("builtins", "bytearray"), b"\x8a\x05\x00\x00\x00\x00\x10\x85R.".to_vec()].concat(),
        "pickle-bomb",
    );
    // A place in the memo that makes Python allocate gigabytes.
    fails("a", b"\x80\x02K\x01r\xff\xff\xff\xff.", "pickle-bomb");
    let range =
        [named("builtins", "list"), named("builtins", "range")[2..].to_vec(), b"J\xff\xff\xff\x7f\x85R\x85R.".to_vec()]
            .concat();
    fails("a", &range, "pickle-bomb");
}

#[test]
fn given_a_pickle_under_another_name_when_scanned_then_its_content_counts() {
    for name in ["README.md", "picture.png", "config.json", "model", "weights.safetensors"] {
        fails(name, &evil(), "pickle-code");
        fails(name, b"cos\nsystem\n(S'true'\ntR.", "pickle-code");
    }
    // Text that begins with letters which are instructions is text.
    for text in [
        "classes:\n- a\n- b\n",
        "import x\nfrom y\n",
        "notes\nof a model\n",
        "(see below)\nmore\n",
        "I.\nII.\n",
        "config\nname\n",
    ] {
        passes("notes.txt", text.as_bytes());
    }
}

#[test]
fn given_torch_magic_that_is_computed_when_scanned_then_the_computing_is_found() {
    let magic = called("builtins", "eval", "0x1950a86a20f9469cfc6c");
    fails("model.pt", &[magic, b"\x80\x02M\xe9\x03.".to_vec()].concat(), "pickle-code");
}

#[test]
fn given_a_joblib_array_when_other_readers_would_run_its_bytes_then_that_is_found() {
    let honest = std::fs::read(super::honest::path("linear.joblib")).expect("a fixture");
    passes("a.joblib", &honest);
    // The length of the padding stands behind the instruction that builds the wrapper; here it is one that goes on.
    let at = honest
        .windows(3)
        .position(|three| three[0] == b'b' && (1..=16).contains(&three[1]) && three[2] == 0xff)
        .expect("an array");
    let mut padded = honest.clone();
    padded[at + 1] = b'N';
    assert_ne!(look("a.joblib", &padded).verdict().as_str(), "pass");
    let report = look("a.joblib", &padded);
    assert!(report.findings.iter().any(|one| one.rule.id == "joblib-padding"), "{report:#?}");
}

#[test]
fn given_a_pickle_that_leaves_objects_out_when_scanned_then_that_is_told_and_no_failure() {
    let report = passes("a", b"\x80\x02U\x01aQ.");
    assert_eq!(report.findings[0].rule.id, "pickle-persistent");
}

#[test]
fn given_names_with_control_characters_when_told_then_they_are_escaped() {
    let report = fails("a\u{1b}[31m.pkl", &called("o\u{202e}s", "\u{1b}]0;x", "x"), "pickle-import");
    let told = format!("{} {}", report.findings[0].path, report.findings[0].reason);
    assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{told:?}");
}

#[test]
fn given_numbers_written_as_python_reads_them_when_scanned_then_what_follows_is_found() {
    for number in ["1_0", " 10 ", "+10", "\u{b}1_0\u{c}", &"0".repeat(5000), "-0", "0_0"] {
        for name in ["a", "a.pkl", "notes.txt"] {
            fails(name, format!("Np{number}\n0cos\nsystem\n(S'true'\ntR.").as_bytes(), "pickle-code");
        }
    }
    fails("a", b"F1_0.5\n0cos\nsystem\n(S'true'\ntR.", "pickle-code");
    // What breaks in this reader, and is named like a pickle, is none that was read.
    for broken in ["Np1__0\n0cos\nsystem\n.", "Np9999999999999999999999\n0cos\nsystem\n."] {
        incomplete("a.pkl", broken.as_bytes(), "breaks");
    }
}
