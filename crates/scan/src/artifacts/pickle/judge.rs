//! What is thought of calls, and what comes of them.

use std::cell::Cell;
use std::rc::Rc;

use super::allow::Use;
use super::value::{Dtype, Import, Value};
use super::vm::Vm;
use crate::artifacts::rules;
use crate::artifacts::shown;

/// What takes more than this of memory, by one call with a number, is out of proportion.
const MOST_MADE: i64 = 1 << 30;

/// How texts may be turned into bytes: what pickles for Python 2 need.
const ENCODINGS: [&str; 6] = ["latin1", "latin-1", "utf-8", "utf8", "ascii", "raw_unicode_escape"];

/// A call of a function or class with arguments.
pub(super) fn call(vm: &mut Vm, function: &Value, arguments: &Value, at: u64) -> Value {
    let Value::Import(import) = function else {
        vm.found(&rules::PICKLE_CALL, at, "it calls what it did not name".to_owned());
        return Value::Plain;
    };
    vm.out.ran = true;
    match import.how {
        None => Value::Made(import.clone()),
        Some(Use::New) => {
            vm.found(&rules::PICKLE_CALL, at, format!("it calls `{}` with arguments of its own", named(import)));
            Value::Made(import.clone())
        }
        Some(Use::Name) => {
            vm.found(&rules::PICKLE_CALL, at, format!("it calls `{}`, which it may only name", named(import)));
            Value::Plain
        }
        Some(Use::Class | Use::Call) => allowed(vm, import, arguments, at),
    }
}

/// A class that an object is made of without its `__init__`.
pub(super) fn new(vm: &mut Vm, class: &Value, arguments: &Value, at: u64) -> Value {
    let Value::Import(import) = class else {
        vm.found(&rules::PICKLE_CALL, at, "it makes an object of a class that it did not name".to_owned());
        return Value::Plain;
    };
    vm.out.ran = true;
    if import.how.is_some_and(|how| !how.is_class()) {
        vm.found(&rules::PICKLE_CALL, at, format!("it uses the function `{}` as a class", named(import)));
    }
    if import.is("functools", "partial") {
        partial(vm, if let Value::Tuple(items) = arguments { items } else { &[] }, at);
    }
    Value::Made(import.clone())
}

/// A call for later, of a function with arguments, whose method may be called in its stead.
fn partial(vm: &mut Vm, items: &[Value], at: u64) {
    let named = matches!(items.first(), Some(Value::Import(import))
        if !matches!(import.how, Some(Use::Call | Use::New)) && !import.is("functools", "partial"));
    if !named || items.iter().skip(1).any(has_methods) {
        let reason = "it prepares a call of what it did not name, or may not call so".to_owned();
        vm.found(&rules::PICKLE_CALL, at, reason);
    }
}

/// The state of such a call: the function, its arguments, those with names, attributes.
fn partial_state(vm: &mut Vm, state: &Value, at: u64) {
    let mut items = Vec::new();
    if let Value::Tuple(parts) = state {
        items.extend(parts.first().cloned());
        match parts.get(1) {
            Some(Value::Tuple(arguments)) => items.extend(arguments.iter().cloned()),
            _ => items.push(Value::Lost),
        }
        match parts.get(2) {
            Some(Value::None) => {}
            // It stays that of the call, so that nothing may be set in it any more.
            Some(Value::Dict(named)) if !named.partly.get() => {
                named.sealed.set(true);
                items.extend(named.entries.borrow().iter().map(|(_, value)| value.clone()));
            }
            _ => items.push(Value::Lost),
        }
    }
    partial(vm, &items, at);
    attributes(vm, state, at);
}

/// Whether a value may be an object with attributes of a pickle's own.
fn has_methods(value: &Value) -> bool {
    match value {
        Value::Lost => true,
        Value::Made(import) => !import.module.starts_with("numpy"),
        _ => false,
    }
}

/// Something that is added to an object, which calls its `append`, `extend` or `add`.
pub(super) fn add(vm: &mut Vm, object: &Value, at: u64) {
    let known = match object {
        Value::Made(import) => {
            let builtin = matches!(import.module.as_str(), "builtins" | "__builtin__");
            builtin && matches!(import.name.as_str(), "list" | "set") || import.is("collections", "deque")
        }
        Value::Import(_) | Value::Dtype(_) | Value::Lost => false,
        _ => true,
    };
    if !known {
        let reason = "it adds to an object that is no list, which calls what that has under a name".to_owned();
        vm.found(&rules::PICKLE_CALL, at, reason);
    }
}

/// Whether objects of a class are dictionaries.
fn mapping(class: &Import) -> bool {
    match class.module.as_str() {
        "builtins" | "__builtin__" => class.name == "dict",
        "collections" | "sklearn.utils._bunch" | "sklearn.utils" | "sklearn.utils.deprecation" => true,
        "scipy.optimize._optimize" => true,
        module => module.starts_with("scipy.sparse"),
    }
}

/// An entry that is set in an object, which calls its class' `__setitem__`.
pub(super) fn enter(vm: &mut Vm, object: &Value, at: u64) {
    let known = match object {
        Value::Made(import) => mapping(import),
        Value::Import(_) | Value::Dtype(_) | Value::Lost => false,
        _ => true,
    };
    if !known {
        let reason = "it sets an entry of an object that is no dictionary".to_owned();
        vm.found(&rules::PICKLE_CALL, at, reason);
    }
}

/// State that is set on an object.
pub(super) fn build(vm: &mut Vm, object: &Value, state: &Value, at: u64) {
    match object {
        Value::Import(import) => {
            vm.out.ran = true;
            vm.found(&rules::PICKLE_BUILD, at, format!("it sets attributes of `{}`", named(import)));
        }
        Value::Dtype(dtype) => dtype_state(dtype, state),
        Value::Made(import) if import.is("functools", "partial") && !matches!(state, Value::Dict(_)) => {
            partial_state(vm, state, at);
        }
        _ => attributes(vm, state, at),
    }
}

/// The attributes that a state sets: none may stand in the place of a method that Python calls while it reads pickles.
fn attributes(vm: &mut Vm, state: &Value, at: u64) {
    if strange(state) {
        let reason = "it sets attributes that Python would call, or whose names are not known".to_owned();
        vm.found(&rules::PICKLE_BUILD, at, reason);
    }
}

/// Whether a state sets such attributes, or others than are known.
pub(super) fn strange(state: &Value) -> bool {
    match state {
        Value::Dict(dict) => dict.strange.get(),
        Value::Tuple(items) => items.iter().any(|item| match item {
            Value::Dict(dict) => dict.strange.get(),
            other => items.len() == 2 && unknown(other),
        }),
        other => unknown(other),
    }
}

/// Whether a value may be a dictionary of which nothing is known.
fn unknown(value: &Value) -> bool {
    match value {
        Value::Lost => true,
        Value::Made(import) => mapping(import) || import.how == Some(Use::Call) && !import.module.starts_with("numpy"),
        _ => false,
    }
}

fn named(import: &Import) -> String {
    format!("{}.{}", shown(&import.module), shown(&import.name))
}

fn allowed(vm: &mut Vm, import: &Rc<Import>, arguments: &Value, at: u64) -> Value {
    let items: &[Value] = if let Value::Tuple(items) = arguments { items } else { &[] };
    let first = items.first();
    let bomb = match (import.module.as_str(), import.name.as_str(), first) {
        ("builtins" | "__builtin__", "bytes" | "bytearray", Some(Value::Int(length))) => *length > MOST_MADE,
        ("builtins" | "__builtin__", _, Some(Value::Made(range))) => range.name == "range" || range.name == "xrange",
        (_, "_reconstruct", _) => items.get(1).and_then(elements).is_some_and(|count| count > MOST_MADE),
        (_, "ndarray", Some(shape)) => elements(shape).is_some_and(|count| count > MOST_MADE),
        _ => false,
    };
    if bomb {
        vm.found(&rules::PICKLE_BOMB, at, format!("a call of `{}` takes gigabytes of memory", named(import)));
    }
    let name = (import.module.as_str(), import.name.as_str());
    // What these get they call, or make a class' object of, or give back.
    let fits = match name {
        ("copyreg" | "copy_reg", "_reconstructor") => class(first) && items.get(1).is_some_and(base),
        ("copyreg" | "copy_reg", _) | (_, "_new_Index" | "_new_DatetimeIndex" | "_new_PeriodIndex" | "newObj") => {
            class(first)
        }
        (_, "_mareconstruct") => class(first) && class(items.get(1)),
        (_, name) if name.starts_with("__pyx_unpickle_") => class(first),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => {
            matches!(first, Some(Value::Dtype(dtype)) if dtype.objects.get() == Some(false))
        }
        ("numpy.random._pickle", "__randomstate_ctor" | "__generator_ctor") => match items.get(1) {
            None => true,
            Some(Value::Import(other)) => other.is("numpy.random._pickle", "__bit_generator_ctor"),
            Some(_) => false,
        },
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            matches!(first, Some(Value::Made(made)) if made.module.starts_with("torch"))
        }
        ("torch._tensor", "_rebuild_from_type_v2") => {
            matches!(first, Some(Value::Import(function)) if function.module == "torch._utils")
        }
        _ => true,
    };
    if !fits {
        let reason = format!("it calls `{}` with something that it did not name, or that is none of it", named(import));
        vm.found(&rules::PICKLE_CALL, at, reason);
    }
    match name {
        ("_codecs", "encode") => {
            let known = match items {
                [_] => true,
                [_, Value::Text(encoding)] => ENCODINGS.contains(&&**encoding),
                _ => false,
            };
            if !known {
                let reason = "it turns a text into bytes in a way that pickles do not need".to_owned();
                vm.found(&rules::PICKLE_CALL, at, reason);
            }
            Value::Plain
        }
        // It imports what its arguments say.
        ("numpy.core", "_ufunc_reconstruct") => match items {
            [Value::Text(module), Value::Text(name)] => vm.import(module, name, at),
            _ => {
                let reason = "it names a function by what are not two texts in it".to_owned();
                vm.found(&rules::PICKLE_COMPUTED, at, reason);
                Value::Plain
            }
        },
        ("functools", "partial") => {
            partial(vm, items, at);
            Value::Made(import.clone())
        }
        ("copyreg" | "copy_reg", _) => match first {
            Some(Value::Import(class)) => Value::Made(class.clone()),
            _ => Value::Plain,
        },
        ("numpy", "dtype") => dtype(first),
        _ => Value::Made(import.clone()),
    }
}

/// Whether this is a class that was named.
fn class(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Import(class)) if class.how.is_none_or(Use::is_class))
}

/// Whether this is one of the classes of Python that others are made from in protocols 0 and 1.
fn base(value: &Value) -> bool {
    let Value::Import(class) = value else { return false };
    match class.module.as_str() {
        "builtins" | "__builtin__" => {
            matches!(
                class.name.as_str(),
                "object" | "dict" | "list" | "tuple" | "set" | "frozenset" | "str" | "unicode" | "int" | "float"
            )
        }
        "numpy" => class.name == "ndarray",
        _ => false,
    }
}

/// How many elements an array of a shape has.
pub(super) fn elements(shape: &Value) -> Option<i64> {
    match shape {
        Value::Int(count) => Some(*count),
        Value::Tuple(items) => items.iter().try_fold(1_i64, |count, item| match item {
            Value::Int(length) if *length >= 0 => Some(count.saturating_mul(*length)),
            _ => None,
        }),
        _ => None,
    }
}

/// The type of this code, such as `f8`.
fn dtype(code: Option<&Value>) -> Value {
    let made = |size, objects| Value::Dtype(Rc::new(Dtype { size: Cell::new(size), objects: Cell::new(objects) }));
    let Some(Value::Text(code)) = code else { return made(None, None) };
    let code = code.trim_start_matches(['<', '>', '=', '|']);
    let (kind, digits) = code.split_at(code.chars().next().map_or(0, char::len_utf8));
    let length: Option<u64> = digits.split('[').next().and_then(|digits| digits.parse().ok());
    match (kind, length) {
        ("O", _) => made(Some(8), Some(true)),
        ("b" | "i" | "u" | "f" | "c" | "S" | "V" | "M" | "m", Some(length)) => made(Some(length), Some(false)),
        ("U", Some(length)) => made(length.checked_mul(4), Some(false)),
        _ => made(None, None),
    }
}

/// A type's state: version, order, subtype, names, fields, size, alignment, flags.
fn dtype_state(dtype: &Dtype, state: &Value) {
    let items: &[Value] = if let Value::Tuple(items) = state { items } else { &[] };
    let size = items.get(5).and_then(|size| if let Value::Int(size) = size { Some(*size) } else { None });
    let Some(size) = size.filter(|_| matches!(items.len(), 8 | 9)) else {
        dtype.size.set(None);
        return dtype.objects.set(None);
    };
    if !matches!(items.get(2), Some(Value::None)) {
        // An array of arrays: what it holds is elsewhere.
        dtype.objects.set(None);
    }
    let size = u64::try_from(size).ok();
    if matches!(items.get(4), Some(Value::None)) {
        // Texts take their length from here, so that one that differs from their name's is nothing to rely on.
        if size.is_some() && size != dtype.size.get() {
            dtype.size.set(None);
        }
        return;
    }
    dtype.size.set(size);
    let flags = items.get(7).and_then(|flags| if let Value::Int(flags) = flags { Some(flags & 1 != 0) } else { None });
    let fields = match items.get(4) {
        Some(Value::Dict(fields)) if !fields.partly.get() => Some(fields.entries.borrow().iter().any(|(_, field)| {
            !matches!(field, Value::Tuple(parts) if matches!(parts.first(), Some(Value::Dtype(part)) if part.objects.get() == Some(false)))
        })),
        _ => None,
    };
    // What flags and fields say differently is nothing that can be relied on.
    dtype.objects.set(flags.filter(|_| flags == fields));
}

/// What PyTorch keeps outside of its pickle: `("storage", type, key, place, length, ...)`.
pub(super) fn storage(id: &Value) -> Option<(String, String, u64)> {
    let Value::Tuple(items) = id else { return None };
    match (items.first(), items.get(1), items.get(2), items.get(4)) {
        (Some(Value::Text(word)), Some(Value::Import(kind)), Some(Value::Text(key)), Some(Value::Int(length)))
            if &**word == "storage" =>
        {
            Some((key.to_string(), kind.name.clone(), u64::try_from(*length).ok()?))
        }
        _ => None,
    }
}
