//! `inference_records`: every inference record as it was committed to.

use domain::serving::InferenceCore;

use crate::tables::records::RecordTable;

/// Name of the table.
pub(crate) const RECORDS: &str = "inference_records";

impl RecordTable for InferenceCore {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = RECORDS;
    const DOC: &'static str = "Every inference record of the sealed segments, with all of its committed fields; refused calls too. \
        `leaf_hash` is the record's leaf in its segment and `seq` the entry that sealed the segment. Unsealed records are \
        here only when they are asked for.";
}
