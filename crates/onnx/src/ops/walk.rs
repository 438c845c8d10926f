//! Walks over a tensor's positions in another order than its own: broadcast, transposed, sliced, reduced. All the
//! shape operators are one walk each.

use crate::error::Problem;

/// One axis of a walk: how often it repeats, and how far each repetition moves in the source.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub size: usize,
    pub stride: isize,
}

/// Yields source positions in row-major order of `axes`. A position outside the source shows as one too large for
/// any tensor, so that `get` answers `None`.
#[derive(Clone)]
pub(super) struct Walk {
    axes: Vec<(Axis, usize)>,
    position: isize,
    left: usize,
}

impl Walk {
    /// `start` is the first source position.
    pub fn new(start: isize, axes: impl IntoIterator<Item = Axis>) -> Self {
        let axes: Vec<_> = axes.into_iter().map(|axis| (axis, 0)).collect();
        let left = axes.iter().fold(1usize, |product, (axis, _)| product.saturating_mul(axis.size));
        Self { axes, position: start, left }
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.position;
        for (axis, done) in self.axes.iter_mut().rev() {
            *done += 1;
            if *done < axis.size {
                self.position = self.position.wrapping_add(axis.stride);
                break;
            }
            self.position = self.position.wrapping_sub(axis.stride.wrapping_mul(axis.size as isize - 1));
            *done = 0;
        }
        Some(usize::try_from(here).unwrap_or(usize::MAX))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// The row-major axes of `shape`.
pub(super) fn axes(shape: &[usize]) -> Vec<Axis> {
    let mut stride = 1isize;
    let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
    for &size in shape.iter().rev() {
        axes.push(Axis { size, stride });
        stride = stride.wrapping_mul(size as isize);
    }
    axes.reverse();
    axes
}

/// The common shape that `shapes` broadcast to (`docs/Broadcasting.md`: sizes are equal or one, aligned at the end).
pub(super) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>, Problem> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for shape in shapes {
        for (size, &other) in common.iter_mut().rev().zip(shape.iter().rev()) {
            match (*size, other) {
                (mine, other) if mine == other || other == 1 => {}
                (1, other) => *size = other,
                _ => return Err(Problem::new(format!("shapes {shapes:?} do not broadcast"))),
            }
        }
    }
    Ok(common)
}

/// The walk over a tensor of shape `from` as if it had shape `to`, which `from` broadcasts to.
pub(super) fn broadcast_to(from: &[usize], to: &[usize]) -> Walk {
    let missing = to.len().saturating_sub(from.len());
    let padded = std::iter::repeat_n(Axis { size: 1, stride: 0 }, missing).chain(axes(from));
    let stretched = padded.zip(to).map(|(axis, &size)| match axis.size {
        1 => Axis { size, stride: 0 },
        _ => Axis { size, stride: axis.stride },
    });
    Walk::new(0, stretched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_positions_in_order_of_its_axes() {
        let [rows, columns] = axes(&[2, 3])[..] else { panic!("two axes") };
        assert_eq!(Walk::new(0, [rows, columns]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(Walk::new(0, [columns, rows]).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(Walk::new(0, []).collect::<Vec<_>>(), [0]);
        assert_eq!(Walk::new(0, [Axis { size: 0, stride: 1 }]).count(), 0);
    }

    #[test]
    fn sizes_of_one_stretch() {
        assert_eq!(broadcast(&[&[2, 1], &[3]]).unwrap(), [2, 3]);
        assert_eq!(broadcast(&[&[], &[0, 2]]).unwrap(), [0, 2]);
        assert!(broadcast(&[&[2], &[3]]).is_err());
        assert_eq!(broadcast_to(&[2, 1], &[2, 3]).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_to(&[3], &[2, 3]).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    }
}
