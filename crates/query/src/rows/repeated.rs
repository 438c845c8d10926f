//! What tells rows apart, as hashes of 128 bits under a key of this process; and an aggregate over them for checks: how many
//! rows have the same values as another, beside whatever else is asked in one pass.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::mem::size_of_val;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

/// What it is called in a question: `__repeated_rows(a, b)`. It is NULL of more rows than are held in memory for it.
pub const REPEATED_ROWS: &str = "__repeated_rows";

/// The most rows of which it says something: 32 MiB of hashes.
const MAX_ROWS: usize = if cfg!(test) { 100 } else { 2 << 20 };

/// Bytes of a hash.
const WIDTH: usize = size_of::<u128>();

static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// The hash of each row of some columns; `None` where a value is missing.
///
/// # Errors
/// When a column is of a type that has no order.
pub fn hashes(columns: &[ArrayRef]) -> Result<Vec<Option<u128>>, ArrowError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let rows = RowConverter::new(fields.collect())?.convert_columns(columns)?;
    let [one, other] = &*KEYS;
    let hashed = rows.iter().enumerate().map(|(at, row)| {
        let half = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            hasher.write(row.data());
            u128::from(hasher.finish())
        };
        columns.iter().all(|column| column.is_valid(at)).then(|| (half(one) << 64) | half(other))
    });
    Ok(hashed.collect())
}

/// The aggregate.
pub(super) fn repeated_rows() -> AggregateUDF {
    RepeatedRows { signature: Signature::variadic_any(Volatility::Immutable) }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RepeatedRows {
    signature: Signature,
}

impl AggregateUDFImpl for RepeatedRows {
    fn name(&self) -> &str {
        REPEATED_ROWS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> EngineResult<Box<dyn Accumulator>> {
        Ok(Box::new(Held { hashes: Some(Vec::new()) }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> EngineResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[hashes]", args.name), DataType::LargeBinary, true))])
    }
}

/// The hashes of the rows so far; none of too many.
#[derive(Debug)]
struct Held {
    hashes: Option<Vec<u128>>,
}

impl Held {
    fn take(&mut self, more: impl Iterator<Item = u128>) {
        if let Some(hashes) = &mut self.hashes {
            hashes.extend(more);
            if hashes.len() > MAX_ROWS {
                self.hashes = None;
            }
        }
    }
}

impl Accumulator for Held {
    fn update_batch(&mut self, values: &[ArrayRef]) -> EngineResult<()> {
        if self.hashes.is_some() {
            self.take(hashes(values)?.into_iter().flatten());
        }
        Ok(())
    }

    fn evaluate(&mut self) -> EngineResult<ScalarValue> {
        let repeated = self.hashes.take().map(|mut hashes| {
            hashes.sort_unstable();
            let same = hashes.chunk_by(|one, other| one == other).map(<[u128]>::len);
            same.filter(|rows| *rows > 1).sum::<usize>() as i64
        });
        Ok(ScalarValue::Int64(repeated))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.hashes.as_ref().map_or(0, |hashes| hashes.capacity() * WIDTH)
    }

    fn state(&mut self) -> EngineResult<Vec<ScalarValue>> {
        let bytes = self.hashes.take().map(|hashes| hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect());
        Ok(vec![ScalarValue::LargeBinary(bytes)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> EngineResult<()> {
        for state in states {
            let parts: &LargeBinaryArray = state.as_binary();
            for part in parts {
                match part {
                    Some(bytes) => {
                        self.take(bytes.as_chunks::<WIDTH>().0.iter().map(|hash| u128::from_le_bytes(*hash)));
                    }
                    None => self.hashes = None,
                }
            }
        }
        Ok(())
    }
}
