//! What is written to the ledger of what is in a version: never a value, and digests that only this data set's key makes.

use std::io::Write as _;

use domain::data::content::{MAX_GROUPS, MAX_LISTED_BYTES, MAX_LISTED_COLUMNS};
use domain::data::{Content, ContentColumn, Form};
use domain::{Refusal, RefusalCode};
use engine::{Arrived, ExecuteError};
use query::rows::{Group, RangeRead, Survey};
use vault::Fingerprint;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

pub(crate) fn describe(
    arrived: &Arrived,
    form: Form,
    survey: &Survey,
    bytes: &dyn RangeRead,
) -> Result<Content, ExecuteError> {
    for (at, (name, _)) in survey.columns.iter().enumerate() {
        if crate::classify::is_about_somebody(name) {
            let message = format!(
                "column {} is named by what looks like data about a person, and names are written to the ledger: name it \
                 otherwise: nothing was stored",
                at + 1
            );
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
    }
    let mut schema = arrived.fingerprint("schema");
    let whole = serde_json::to_vec(&survey.columns).map_err(|error| ExecuteError::Internal(error.to_string()))?;
    wrote(schema.write_all(&whole))?;
    let (groups, groups_each) = groups(arrived, &survey.groups, bytes)?;
    Ok(Content {
        form,
        rows: survey.rows,
        width: survey.columns.len() as u64,
        columns: listed(&survey.columns),
        schema: hex(schema),
        digest: Some(arrived.digest().to_owned()),
        groups,
        groups_each,
    })
}

/// The first columns, as many as an event has room for.
fn listed(columns: &[(String, String)]) -> Vec<ContentColumn> {
    let mut room = MAX_LISTED_BYTES;
    let mut listed = Vec::new();
    for (name, kind) in columns.iter().take(MAX_LISTED_COLUMNS) {
        // As JSON writes it: quotes and backslashes take two bytes.
        let length = name.len() + name.bytes().filter(|b| matches!(b, b'"' | b'\\')).count();
        match room.checked_sub(length) {
            Some(left) => room = left,
            None => break,
        }
        listed.push(ContentColumn { name: name.clone(), kind: kind.clone() });
    }
    listed
}

/// A fingerprint for each row group, or for several together when there are many.
fn groups(arrived: &Arrived, groups: &[Group], bytes: &dyn RangeRead) -> Result<(Vec<String>, u64), ExecuteError> {
    let each = groups.len().div_ceil(MAX_GROUPS).max(1);
    let mut made = Vec::with_capacity(groups.len().div_ceil(each));
    let mut piece = vec![0; PIECE_BYTES];
    for together in groups.chunks(each) {
        let mut fingerprint = arrived.fingerprint("group");
        for group in together {
            let mut at = group.from;
            while at < group.to {
                let length = usize::try_from(group.to - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
                wrote(bytes.read_at(at, &mut piece[..length]))?;
                wrote(fingerprint.write_all(&piece[..length]))?;
                at += length as u64;
            }
        }
        made.push(hex(fingerprint));
    }
    Ok((made, each as u64))
}

fn wrote(done: std::io::Result<()>) -> Result<(), ExecuteError> {
    done.map_err(|error| ExecuteError::Unavailable(error.to_string()))
}

fn hex(fingerprint: Fingerprint) -> String {
    merkle::hex(&fingerprint.finish())
}
