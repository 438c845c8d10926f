//! The same values in another shape, shapes as values, and constants.

use super::gather::indices;
use super::{Args, Built, axis, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData, each_type, volume};

/// The input's values in another shape.
fn reshaped(args: &Args<'_>, shape: Vec<usize>) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    args.budget.allocate(&shape)?;
    let fits = volume(&shape)? == input.data().len();
    if !fits {
        return Err(Problem::new(format!("shape {:?} cannot become {shape:?}", input.shape())));
    }
    Ok(Tensor::new(shape, input.data().clone())?)
}

pub(super) fn identity(_: &mut Attributes<'_>) -> Built {
    kernel(|args| reshaped(args, args.tensor(0)?.shape().to_vec()))
}

pub(super) fn reshape(attributes: &mut Attributes<'_>) -> Built {
    let allow_zero = attributes.flag("allowzero", false)?;
    kernel(move |args| {
        let input = args.tensor(0)?;
        let wanted = indices(args, 1)?;
        // -1 stands for whatever is left, 0 for the input's own size at that place.
        let size_at = |(at, &size): (usize, &i64)| match size {
            -1 => Some(1),
            0 if !allow_zero => input.shape().get(at).copied(),
            size => usize::try_from(size).ok(),
        };
        let sizes: Option<Vec<usize>> = wanted.iter().enumerate().map(size_at).collect();
        let cannot = || Problem::new(format!("shape {:?} cannot become {wanted:?}", input.shape()));
        let mut sizes = sizes.ok_or_else(cannot)?;
        let open: Vec<usize> = wanted.iter().enumerate().filter(|(_, size)| **size == -1).map(|(at, _)| at).collect();
        match open[..] {
            [] => {}
            [at] => {
                let inferred = match volume(&sizes)? {
                    0 => 0,
                    rest => input.data().len() / rest,
                };
                if let Some(size) = sizes.get_mut(at) {
                    *size = inferred;
                }
            }
            _ => return Err(cannot()),
        }
        reshaped(args, sizes)
    })
}

pub(super) fn flatten(attributes: &mut Attributes<'_>) -> Built {
    let split = attributes.int("axis")?.unwrap_or(1);
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        // The axis may also be the rank itself: everything before, nothing after.
        let split = if split == shape.len() as i64 { shape.len() } else { axis(split, shape.len())? };
        let (before, after) = shape.split_at_checked(split).unwrap_or((shape, &[]));
        reshaped(args, vec![before.iter().product(), after.iter().product()])
    })
}

/// The axes of `Squeeze` and `Unsqueeze`: an attribute before operator set 13, an input since.
fn given_axes(args: &Args<'_>, attribute: Option<&Vec<i64>>) -> Result<Option<Vec<i64>>, Problem> {
    match (attribute, args.maybe(1)) {
        (Some(axes), _) => Ok(Some(axes.clone())),
        (None, Some(_)) => indices(args, 1).map(Some),
        (None, None) => Ok(None),
    }
}

pub(super) fn squeeze(attributes: &mut Attributes<'_>) -> Built {
    let attribute = attributes.ints("axes")?;
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        let dropped: Vec<usize> = match given_axes(args, attribute.as_ref())? {
            Some(axes) => axes.iter().map(|&at| axis(at, shape.len())).collect::<Result<_, _>>()?,
            None => shape.iter().enumerate().filter(|(_, size)| **size == 1).map(|(at, _)| at).collect(),
        };
        let kept = shape.iter().enumerate().filter(|(at, _)| !dropped.contains(at)).map(|(_, size)| *size);
        reshaped(args, kept.collect())
    })
}

pub(super) fn unsqueeze(attributes: &mut Attributes<'_>) -> Built {
    let attribute = attributes.ints("axes")?;
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        let axes = given_axes(args, attribute.as_ref())?.ok_or_else(|| Problem::new("it has no axes"))?;
        let rank = shape.len() + axes.len();
        let mut added = axes.iter().map(|&at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
        added.sort_unstable();
        let mut sizes = shape.to_vec();
        for at in added {
            if at > sizes.len() {
                return Err(Problem::new(format!("axes {axes:?} repeat")));
            }
            sizes.insert(at, 1);
        }
        reshaped(args, sizes)
    })
}

pub(super) fn shape(attributes: &mut Attributes<'_>) -> Built {
    let (start, end) = (attributes.int("start")?.unwrap_or(0), attributes.int("end")?);
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        let rank = shape.len() as i64;
        let clamp = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
        let (start, end) = (clamp(start), clamp(end.unwrap_or(rank)));
        let sizes: Vec<i64> = shape.get(start..end).unwrap_or_default().iter().map(|&size| size as i64).collect();
        Ok(Tensor::of(vec![sizes.len()], sizes)?)
    })
}

pub(super) fn size(_: &mut Attributes<'_>) -> Built {
    kernel(|args| Ok(Tensor::of(vec![], vec![args.tensor(0)?.data().len() as i64])?))
}

/// A constant written as one of six attributes.
pub(super) fn constant(attributes: &mut Attributes<'_>) -> Built {
    let value = if let Some(tensor) = attributes.tensor("value")? {
        tensor
    } else if let Some(value) = attributes.int("value_int")? {
        Tensor::of(vec![], vec![value])?
    } else if let Some(values) = attributes.ints("value_ints")? {
        Tensor::of(vec![values.len()], values)?
    } else if let Some(values) = attributes.floats("value_floats")? {
        Tensor::of(vec![values.len()], values)?
    } else if let Some(value) = attributes.text("value_string")? {
        Tensor::of(vec![], vec![value])?
    } else if let Some(values) = attributes.texts("value_strings")? {
        Tensor::of(vec![values.len()], values)?
    } else {
        Tensor::of(vec![], vec![attributes.float("value_float", 0.0)?])?
    };
    kernel(move |args| {
        args.budget.allocate(value.shape())?;
        Ok(value.clone())
    })
}

pub(super) fn constant_of_shape(attributes: &mut Attributes<'_>) -> Built {
    let value = attributes.tensor("value")?.map_or(TensorData::F32(vec![0.0]), |tensor| tensor.into_parts().1);
    if value.len() != 1 {
        return Err(Problem::new("attribute `value` must hold one value"));
    }
    kernel(move |args| {
        let shape = indices(args, 0)?.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| Problem::new("its shape input has a negative size"))?;
        let count = args.budget.allocate(&shape)?;
        let data = each_type!(&value, values => {
            Element::wrap(values.iter().cycle().take(count).cloned().collect())
        });
        Ok(Tensor::new(shape, data)?)
    })
}
