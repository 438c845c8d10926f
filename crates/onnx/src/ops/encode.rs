//! Categories to numbers and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Args, Built, expected, kernel};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use crate::tensor::{DataType, Element, Tensor, TensorData};

/// Places of categories, by category.
enum Index {
    Integers(BTreeMap<i64, usize>),
    /// Floats by their bits: zero has one sign, and "not a number" is one key.
    Floats(BTreeMap<u64, usize>),
    Texts(BTreeMap<Arc<str>, usize>),
}

fn float_key(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

/// Of repeated keys the last counts, as in onnxruntime.
fn places<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    keys.enumerate().map(|(place, key)| (key, place)).collect()
}

impl Index {
    /// `nan_found`: a key that is not a number finds itself, as it does from version 4 of `LabelEncoder` on.
    fn of(keys: &TensorData, nan_found: bool) -> Result<Self, Problem> {
        let mut index = match keys {
            TensorData::I64(keys) => Self::Integers(places(keys.iter().copied())),
            TensorData::I32(keys) => Self::Integers(places(keys.iter().map(|&key| i64::from(key)))),
            TensorData::F32(keys) => Self::Floats(places(keys.iter().map(|&key| float_key(f64::from(key))))),
            TensorData::F64(keys) => Self::Floats(places(keys.iter().map(|&key| float_key(key)))),
            TensorData::Str(keys) => Self::Texts(places(keys.iter().cloned())),
            TensorData::Bool(_) => return Err(Problem::new("truth values as keys are not supported")),
        };
        if let (Self::Floats(places), false) = (&mut index, nan_found) {
            places.remove(&float_key(f64::NAN));
        }
        Ok(index)
    }

    /// The place of every element of input 0, `None` for an unknown category.
    fn find(&self, args: &Args<'_>) -> Result<Vec<Option<usize>>, Problem> {
        let input = args.tensor(0)?;
        Ok(match (self, input.data()) {
            (Self::Integers(index), TensorData::I64(values)) => values.iter().map(|v| index.get(v).copied()).collect(),
            (Self::Integers(index), TensorData::I32(values)) => {
                values.iter().map(|v| index.get(&i64::from(*v)).copied()).collect()
            }
            // Categories that arrive as floats are cut to integers, as the specification asks of `OneHotEncoder`.
            (Self::Integers(index), TensorData::F32(values)) => {
                values.iter().map(|v| index.get(&(*v as i64)).copied()).collect()
            }
            (Self::Integers(index), TensorData::F64(values)) => {
                values.iter().map(|v| index.get(&(*v as i64)).copied()).collect()
            }
            (Self::Floats(index), TensorData::F32(values)) => {
                values.iter().map(|v| index.get(&float_key(f64::from(*v))).copied()).collect()
            }
            (Self::Floats(index), TensorData::F64(values)) => {
                values.iter().map(|v| index.get(&float_key(*v)).copied()).collect()
            }
            (Self::Texts(index), TensorData::Str(values)) => values.iter().map(|v| index.get(v).copied()).collect(),
            (Self::Texts(_), _) => return Err(expected("BYTES, as its categories are text", 0, input)),
            _ => return Err(expected("a number, as its categories are", 0, input)),
        })
    }
}

/// One column per category, with a one for the category of each element. An unknown category is all zeros, or an
/// error if the model asks for that.
pub(super) fn one_hot_encoder(attributes: &mut Attributes<'_>) -> Built {
    let zeros = attributes.flag("zeros", true)?;
    let categories = match (attributes.ints("cats_int64s")?, attributes.texts("cats_strings")?) {
        (Some(categories), None) => TensorData::I64(categories),
        (None, Some(categories)) => TensorData::Str(categories),
        _ => return Err(Problem::new("it needs `cats_int64s` or `cats_strings`, and not both")),
    };
    let (index, width) = (Index::of(&categories, false)?, categories.len());
    kernel(move |args| {
        let input = args.tensor(0)?;
        let mut shape = input.shape().to_vec();
        shape.push(width);
        let mut columns = vec![0f32; args.budget.allocate(&shape)?];
        for ((element, row), place) in columns.chunks_mut(width.max(1)).enumerate().zip(index.find(args)?) {
            match place.and_then(|place| row.get_mut(place)) {
                Some(column) => *column = 1.0,
                None if zeros => {}
                None => {
                    return Err(Problem::new(format!("element {element} is not one of the {width} known categories")));
                }
            }
        }
        Ok(Tensor::of(shape, columns)?)
    })
}

/// A mapping from keys to values, written in one of three ways as the operator grew.
pub(super) fn label_encoder(attributes: &mut Attributes<'_>) -> Built {
    let classes = attributes.texts("classes_strings")?;
    if let Some(classes) = classes {
        return two_way(attributes, classes);
    }
    let keys = table(attributes, "keys")?;
    let values = table(attributes, "values")?;
    if keys.len() != values.len() {
        return Err(Problem::new(format!("it has {} keys and {} values", keys.len(), values.len())));
    }
    let default = default_for(attributes, values.datatype())?;
    let index = Index::of(&keys, attributes.opset >= 4)?;
    kernel(move |args| {
        if keys.datatype() != args.tensor(0)?.datatype() {
            return Err(expected(keys.datatype().as_str(), 0, args.tensor(0)?));
        }
        mapped(args, &index, &values, &default)
    })
}

/// `values` at the places of the input's elements, and `default` where there is none.
fn mapped(args: &Args<'_>, index: &Index, values: &TensorData, default: &TensorData) -> Result<Tensor, Problem> {
    fn choose<T: Element>(places: &[Option<usize>], values: &TensorData, default: &TensorData) -> Option<TensorData> {
        let (values, default) = (T::of(values)?, T::of(default)?.first()?);
        let chosen = places.iter().map(|place| place.and_then(|at| values.get(at)).unwrap_or(default).clone());
        Some(T::wrap(chosen.collect()))
    }
    let shape = args.tensor(0)?.shape();
    args.budget.allocate(shape)?;
    let places = index.find(args)?;
    let data = match values.datatype() {
        DataType::F32 => choose::<f32>(&places, values, default),
        DataType::F64 => choose::<f64>(&places, values, default),
        DataType::I64 => choose::<i64>(&places, values, default),
        DataType::I32 => choose::<i32>(&places, values, default),
        DataType::Bool => choose::<bool>(&places, values, default),
        DataType::Str => choose::<Arc<str>>(&places, values, default),
    };
    let data = data.ok_or_else(|| Problem::new("its default has another type than its values"))?;
    Ok(Tensor::new(shape.to_vec(), data)?)
}

/// The keys or values, whichever attribute holds them. Operator set 2 has lists, set 4 adds tensors.
fn table(attributes: &mut Attributes<'_>, what: &str) -> Result<TensorData, Problem> {
    let name = |suffix: &str| format!("{what}_{suffix}");
    let found = [
        attributes.texts(&name("strings"))?.map(TensorData::Str),
        attributes.ints(&name("int64s"))?.map(TensorData::I64),
        attributes.floats(&name("floats"))?.map(TensorData::F32),
        attributes.tensor(&name("tensor"))?.map(|tensor| tensor.into_parts().1),
    ];
    required(what, found.into_iter().flatten().next())
}

/// The value of unknown keys. Defaults for other types than the values' may be present and mean nothing.
fn default_for(attributes: &mut Attributes<'_>, values: DataType) -> Result<TensorData, Problem> {
    let text = attributes.text("default_string")?.unwrap_or_else(|| "_Unused".into());
    let integer = attributes.int("default_int64")?.unwrap_or(-1);
    let float = attributes.float("default_float", -0.0)?;
    let tensor = attributes.tensor("default_tensor")?.map(|tensor| tensor.into_parts().1);
    Ok(match (tensor, values) {
        (Some(data), _) => data,
        (None, DataType::Str) => TensorData::Str(vec![text]),
        (None, DataType::I64) => TensorData::I64(vec![integer]),
        (None, DataType::I32) => TensorData::I32(vec![-1]),
        (None, DataType::F32) => TensorData::F32(vec![float]),
        (None, DataType::F64) => TensorData::F64(vec![-0.0]),
        (None, DataType::Bool) => TensorData::Bool(vec![false]),
    })
}

/// The first form of the operator: text becomes its place in the list, an integer the text at that place.
fn two_way(attributes: &mut Attributes<'_>, classes: Vec<Arc<str>>) -> Built {
    let no_text = TensorData::Str(vec![attributes.text("default_string")?.unwrap_or_else(|| "_Unused".into())]);
    let no_place = TensorData::I64(vec![attributes.int("default_int64")?.unwrap_or(-1)]);
    let places = TensorData::I64((0..classes.len() as i64).collect());
    let classes = TensorData::Str(classes);
    let (by_text, by_place) = (Index::of(&classes, false)?, Index::of(&places, false)?);
    kernel(move |args| match args.tensor(0)?.data() {
        TensorData::Str(_) => mapped(args, &by_text, &places, &no_place),
        TensorData::I64(_) => mapped(args, &by_place, &classes, &no_text),
        _ => Err(expected("BYTES or INT64", 0, args.tensor(0)?)),
    })
}
