//! Arrays as joblib writes them: raw bytes in the middle of the pickle, behind the instruction that builds their wrapper.
//! Only joblib skips them: Python's own reader takes them for instructions, so both views are looked at.

use std::io;

use super::judge::{self, elements};
use super::value::{Import, Value};
use super::vm::{Outcome, State, Vm};
use crate::artifacts::rules;
use crate::artifacts::source::{Cursor, bad};

/// joblib aligns arrays to this many bytes.
const ALIGNMENT: u64 = 16;

/// Whether this is what joblib skips an array behind.
pub(super) fn is_wrapper(import: &Import) -> bool {
    import.is("joblib.numpy_pickle", "NumpyArrayWrapper")
}

/// Reads over the array, if `object` is the wrapper of one and `state` says how long it is.
pub(super) fn after_build(vm: &mut Vm, object: &Value, state: &Value) -> io::Result<()> {
    match object {
        Value::Made(import) if is_wrapper(import) => {}
        Value::Made(_) | Value::Dtype(_) if !judge::strange(state) => return Ok(()),
        _ if !vm.out.arrays => return Ok(()),
        _ => return Err(bad("state is set that is not known, so that it cannot be told whether an array follows")),
    }
    let Value::Dict(state) = state else { return Err(bad("the wrapper of an array has no state that is known")) };
    if state.partly.get() {
        return Err(bad("the wrapper of an array has a state that is not known in whole"));
    }
    let Some(Value::Dtype(dtype)) = state.get("dtype") else {
        return Err(bad("an array is of a type that is not known"));
    };
    let objects = dtype.objects.get().ok_or_else(|| bad("an array is of a type that is not known"))?;
    if objects {
        let how = super::How { depth: vm.how.depth + 1, ..vm.how };
        if how.depth > super::MAX_NESTED {
            return Err(bad("pickles lie too deep in one another"));
        }
        // The pickle of the objects has a stack and a memo of its own, and this one goes on where it ends.
        let elsewhere = Cursor::new(vm.cursor.source(), 0);
        let cursor = std::mem::replace(&mut vm.cursor, elsewhere);
        let (out, tries) = (Outcome::default(), vm.tries);
        let mut inner = Vm { cursor, state: State::default(), how, out, forks: vm.forks, tries };
        inner.go();
        let Vm { cursor, out, forks, tries, .. } = inner;
        (vm.cursor, vm.forks, vm.tries) = (cursor, forks, tries);
        let broke = out.broke.clone();
        join(vm, out);
        return match broke {
            Some((at, why)) => Err(bad(format!("the objects of an array break at byte {at}: {why}"))),
            None => Ok(()),
        };
    }
    let shape = state.get("shape").ok_or_else(|| bad("an array has no shape"))?;
    let count = elements(&shape).and_then(|count| u64::try_from(count).ok());
    let length = count.zip(dtype.size.get()).and_then(|(count, size)| count.checked_mul(size));
    let length = length.ok_or_else(|| bad("the length of an array is not known"))?;
    let aligned = !matches!(state.get("numpy_array_alignment_bytes"), None | Some(Value::None));
    if aligned {
        let at = vm.cursor.at();
        let padding = u64::from(vm.cursor.byte()?.ok_or_else(|| bad("it ends early"))?);
        // No instruction is numbered 1 to 16: there another reader stops. A zero or more would let it go on.
        let expected = ALIGNMENT - (at + 1) % ALIGNMENT;
        if padding == 0 || padding > ALIGNMENT {
            let reason = format!("an array is padded by {padding} bytes, and joblib would write {expected}");
            vm.found(&rules::JOBLIB_PADDING, at, reason);
        }
        vm.cursor.skip(padding)?;
    } else {
        other_view(vm)?;
    }
    vm.cursor.skip(length)
}

/// What Python's own reader makes of an array without padding: its bytes are instructions.
fn other_view(vm: &mut Vm) -> io::Result<()> {
    if vm.forks == 0 {
        return Err(bad("it has more arrays in the form of joblib before 1.2 than are followed twice"));
    }
    vm.forks -= 1;
    let how = super::How { depth: super::MAX_NESTED, most: 1 << 20, ..vm.how };
    let at = vm.cursor.at();
    let cursor = Cursor::new(vm.cursor.source(), at);
    let mut other = Vm { cursor, state: vm.state.clone(), how, out: Outcome::default(), forks: 0, tries: 0 };
    other.go();
    for (rule, at, reason) in other.out.found {
        vm.found(rule, at, format!("read by another reader than joblib, {reason}"));
    }
    Ok(())
}

fn join(vm: &mut Vm, inner: Outcome) {
    vm.out.imports += inner.imports;
    for (rule, at, reason) in inner.found {
        vm.found(rule, at, reason);
    }
}
