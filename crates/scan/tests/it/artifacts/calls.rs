//! Pickles that name only what they may, and have something called all the same.

use super::build::{evil, name, named, text};
use super::{fails, look, passes};

/// A pickle of these parts.
fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x04", parts.concat().as_slice(), b"."].concat()
}

/// An object that takes any attribute.
fn bag() -> Vec<u8> {
    [name("argparse", "Namespace"), b")\x81".to_vec()].concat()
}

#[test]
fn given_a_function_of_numpy_by_name_when_it_is_another_then_that_is_judged() {
    let made = |module: &str, function: &str| {
        pickle(&[&name("numpy.core", "_ufunc_reconstruct"), &text(module), &text(function), b"\x86R"])
    };
    fails("a", &made("os", "system"), "pickle-code");
    fails("a", &made("numpy", "load"), "pickle-import");
    passes("a", &made("numpy", "log1p"));
    let computed = pickle(&[
        &name("numpy.core", "_ufunc_reconstruct"),
        &name("builtins", "str"),
        b")R",
        &text("system"),
        b"\x86R",
    ]);
    fails("a", &computed, "pickle-computed-name");
    fails("a", &named("numpy._core", "_ufunc_reconstruct"), "pickle-import");
}

#[test]
fn given_attributes_that_python_calls_when_set_then_they_fail_however_they_are_set() {
    let list = name("builtins", "list");
    for attribute in ["__setstate__", "__class__", "__new__", "append", "extend", "add"] {
        fails("a", &pickle(&[&bag(), b"}", &text(attribute), &list, b"sb"]), "pickle-build");
        fails("a", &pickle(&[&bag(), b"N}", &text(attribute), &list, b"s\x86b"]), "pickle-build");
    }
    let computed = [name("builtins", "str"), text("append"), b"\x85R".to_vec()].concat();
    fails("a", &pickle(&[&bag(), b"}", &computed, &list, b"sb"]), "pickle-build");
    // A state that a call makes may hold any.
    fails("a", &pickle(&[&bag(), &name("builtins", "dict"), b")Rb"]), "pickle-build");
    passes("a", &pickle(&[&bag(), b"}", &text("alpha"), &list, b"sb"]));
}

#[test]
fn given_an_object_that_is_no_list_when_something_is_added_then_it_fails() {
    for add in [b"K\x01a".as_slice(), b"(K\x01e", b"(K\x01\x90"] {
        fails("a", &pickle(&[&bag(), add]), "pickle-call");
        passes("a", &pickle(&[&name("collections", "deque"), b")R", add]));
        passes("a", &pickle(&[b"]", add]));
    }
    fails("a", &pickle(&[&name("pandas", "DataFrame"), b")\x81K\x01K\x02s"]), "pickle-call");
    passes("a", &pickle(&[&name("collections", "OrderedDict"), b")RK\x01K\x02s"]));
}

#[test]
fn given_functions_that_call_what_they_get_when_that_was_not_named_then_they_fail() {
    let bag = bag();
    let rebuilt =
        |function: &[u8]| pickle(&[&name("torch._tensor", "_rebuild_from_type_v2"), b"(", function, b"N)NtR"]);
    fails("a", &rebuilt(&bag), "pickle-call");
    fails("a", &rebuilt(&name("builtins", "list")), "pickle-call");
    passes("a", &rebuilt(&name("torch._utils", "_rebuild_tensor_v2")));
    let object =
        |base: &[u8]| pickle(&[&name("copyreg", "_reconstructor"), &name("argparse", "Namespace"), base, b"N\x87R"]);
    fails("a", &object(&bag), "pickle-call");
    fails("a", &object(&name("functools", "partial")), "pickle-call");
    passes("a", &object(&name("builtins", "object")));
    // `sqrt(x)` is `x.sqrt()`.
    fails("a", &pickle(&[&name("numpy", "sqrt"), &bag, b"\x85R"]), "pickle-call");
    fails("a", &pickle(&[&name("sklearn.metrics._scorer", "make_scorer"), &bag, b"\x85R"]), "pickle-call");
    fails("a", &pickle(&[&name("torch._utils", "_rebuild_parameter"), &bag, b"\x85R"]), "pickle-call");
    fails(
        "a",
        &pickle(&[&name("numpy.random._pickle", "__randomstate_ctor"), b"K\x01", &bag, b"\x86R"]),
        "pickle-call",
    );
    fails("a", &pickle(&[&name("sklearn.neighbors._kd_tree", "newObj"), &bag, b"\x85R"]), "pickle-call");
    // Calls for later, made at once, made without `__init__`, and by their state.
    let partial = name("functools", "partial");
    for call in [b"\x85R".as_slice(), b"\x85\x81"] {
        fails("a", &pickle(&[&partial, &bag, call]), "pickle-call");
        passes("a", &pickle(&[&partial, &name("numpy", "clip"), call]));
    }
    let state = |function: &[u8]| pickle(&[&partial, &name("numpy", "clip"), b"\x85R(", function, b")}Ntb"]);
    fails("a", &state(&bag), "pickle-call");
    passes("a", &state(&name("numpy", "clip")));
    // The call is of a method of its first argument, if that has one.
    fails("a", &pickle(&[&partial, &name("numpy", "clip"), &bag, b"\x86R"]), "pickle-call");
    let start = [partial.clone(), name("numpy", "clip"), b"\x85R(".to_vec(), name("numpy", "clip")].concat();
    fails("a", &pickle(&[&start, &bag, b"\x85}Ntb"]), "pickle-call");
    fails("a", &pickle(&[&start, b")}", &text("a"), &bag, b"sNtb"]), "pickle-call");
    fails("a", &pickle(&[&start, b")}\x94Ntb0h\x00", &text("a"), &bag, b"s"]), "pickle-call");
    passes("a", &pickle(&[&start, b")}", &text("a_min"), b"K\x01sNtb"]));
    fails("a", &pickle(&[&partial, &name("xgboost.core", "Booster"), &text("/etc/hostname"), b"\x86R"]), "pickle-call");
    // A scalar of an object is that object.
    let scalar = |code: &str| {
        let dtype = [name("numpy", "dtype"), text(code), b"\x85R".to_vec()].concat();
        pickle(&[&name("numpy.core.multiarray", "scalar"), &dtype, &bag, b"\x86R"])
    };
    fails("a", &scalar("O"), "pickle-call");
}

#[test]
fn given_a_very_long_list_of_words_when_attributes_follow_then_it_passes() {
    let mut pickle = [b"\x80\x04".as_slice(), &bag(), b"}(", &text("words"), b"]("].concat();
    for number in 0..450_000_u32 {
        pickle.extend(text(&format!("{number:07}")));
        pickle.push(0x94);
    }
    pickle.extend(b"e");
    for attribute in ["alpha", "beta"] {
        pickle.extend([text(attribute), b"\x94K\x01".to_vec()].concat());
    }
    // The next object's are remembered, and one is new.
    pickle.extend([b"ub".to_vec(), bag(), b"}(".to_vec()].concat());
    pickle.extend([b"j".as_slice(), &450_000_u32.to_le_bytes(), b"K\x01", &text("gamma"), b"K\x02ub"].concat());
    passes("a", &[pickle.as_slice(), b"."].concat());
    // One that Python calls is found there, too.
    for late in [text("append"), [text("append"), b"\x940j".to_vec(), 450_002_u32.to_le_bytes().to_vec()].concat()] {
        fails("a", &[pickle.as_slice(), &bag(), b"}", &late, b"K\x01sb."].concat(), "pickle-build");
    }
}

/// The state of an array of bytes as joblib writes it, but for the end.
fn array(shape: u8) -> Vec<u8> {
    [
        text("subclass"),
        name("numpy", "ndarray"),
        text("shape"),
        vec![b'K', shape, 0x85],
        text("order"),
        text("C"),
        text("dtype"),
        name("numpy", "dtype"),
        text("u1"),
        b"\x85R".to_vec(),
        text("allow_mmap"),
        b"\x89".to_vec(),
    ]
    .concat()
}

#[test]
fn given_an_array_of_joblib_that_the_scanner_would_not_skip_when_scanned_then_it_is_not_read_as_if_it_did() {
    // An object becomes the wrapper of an array by its state, and another reader's bytes are joblib's instructions.
    let hidden = [b"0".to_vec(), evil()].concat();
    let bytes = [b"B".as_slice(), &(hidden.len() as u32).to_le_bytes()].concat();
    let class = [text("__class__"), name("joblib.numpy_pickle", "NumpyArrayWrapper")].concat();
    let state = [b"N}(".to_vec(), class, array(bytes.len() as u8), b"u\x86b".to_vec()].concat();
    let swapped = [b"\x80\x04".to_vec(), bag(), state, bytes.clone(), hidden.clone(), b".".to_vec()].concat();
    let report = fails("a.joblib", &swapped, "pickle-build");
    assert!(report.unread.iter().any(|one| one.reason.contains("whether an array follows")), "{report:#?}");
    // A key that is computed replaces one that is known.
    let key = [name("builtins", "str"), text("shape"), b"\x85R".to_vec()].concat();
    let length = [b'K', bytes.len() as u8, 0x85];
    let state = [b"}(", array(0).as_slice(), &text("numpy_array_alignment_bytes"), b"N", &key, &length, b"ub"].concat();
    let wrapper = [name("joblib.numpy_pickle", "NumpyArrayWrapper"), b")\x81".to_vec()].concat();
    let stale = [b"\x80\x04".to_vec(), wrapper, state, bytes, hidden, b".".to_vec()].concat();
    let report = look("a.joblib", &stale);
    assert!(report.unread.iter().any(|one| one.reason.contains("not known in whole")), "{report:#?}");
}

#[test]
fn given_what_honest_models_hold_when_named_or_made_without_init_then_it_passes() {
    for (module, function) in [
        ("sklearn.feature_selection._univariate_selection", "f_classif"),
        ("sklearn.feature_selection._univariate_selection", "chi2"),
        ("sklearn.feature_selection._univariate_selection", "f_regression"),
        ("sklearn.feature_selection._mutual_info", "mutual_info_classif"),
        ("sklearn.feature_selection._mutual_info", "mutual_info_regression"),
        ("sklearn.cluster._kmeans", "_kmeans_single_lloyd"),
        ("sklearn.metrics.pairwise", "laplacian_kernel"),
        ("numpy", "number"),
        ("pandas", "NA"),
        ("__builtin__", "bytes"),
        ("torch.nn.functional", "relu"),
        ("torch", "float8_e4m3fn"),
        ("torch", "float8_e5m2"),
        ("torch", "uint16"),
    ] {
        passes("a", &pickle(&[&name(module, function)]));
    }
    for (module, class) in [
        ("sklearn.cluster._birch", "_CFNode"),
        ("sklearn.cluster._birch", "_CFSubcluster"),
        ("sklearn.cluster._bisect_k_means", "_BisectingTree"),
        ("sklearn.compose._column_transformer", "make_column_selector"),
        ("sklearn.compose._column_transformer", "_RemainderColsList"),
    ] {
        passes("a", &pickle(&[&name(module, class), b")\x81}", &text("n"), b"K\x01sb"]));
        fails("a", &pickle(&[&name(module, class), b")R"]), "pickle-call");
    }
    passes("a", &pickle(&[&name("torch.serialization", "_get_layout"), &text("torch.strided"), b"\x85R"]));
}
