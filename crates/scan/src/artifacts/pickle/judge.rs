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
        Some(Use::Class | Use::Call) => allowed(vm, import, arguments, at),
    }
}

/// A class that an object is made of without its `__init__`.
pub(super) fn new(vm: &mut Vm, class: &Value, at: u64) -> Value {
    let Value::Import(import) = class else {
        vm.found(&rules::PICKLE_CALL, at, "it makes an object of a class that it did not name".to_owned());
        return Value::Plain;
    };
    vm.out.ran = true;
    if import.how == Some(Use::Call) {
        vm.found(&rules::PICKLE_CALL, at, format!("it uses the function `{}` as a class", named(import)));
    }
    Value::Made(import.clone())
}

/// State that is set on an object.
pub(super) fn build(vm: &mut Vm, object: &Value, state: &Value, at: u64) {
    match object {
        Value::Import(import) => {
            vm.out.ran = true;
            vm.found(&rules::PICKLE_BUILD, at, format!("it sets attributes of `{}`", named(import)));
        }
        Value::Dtype(dtype) => dtype_state(dtype, state),
        _ => {}
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
    match (import.module.as_str(), import.name.as_str()) {
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
        ("copyreg" | "copy_reg", _) => match first {
            Some(Value::Import(class)) if class.how != Some(Use::Call) => Value::Made(class.clone()),
            Some(Value::Import(_)) | None => Value::Plain,
            Some(_) => {
                vm.found(&rules::PICKLE_CALL, at, "it makes an object of a class that it did not name".to_owned());
                Value::Plain
            }
        },
        ("numpy", "dtype") => dtype(first),
        _ => Value::Made(import.clone()),
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
