//! The key store's part in rotations and in the ratchet of the root: keys are overwritten in place here too.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use vault::{DestroyOutcome, KeyCount, KeyKind, KeyName, Turn, WrappedKey, same_versions};

use super::{
    KeyStoreError, SELECT_KEY, bury, children, execute, failed, find, insert, live_version, overwrite, read_row,
    replace, select, time,
};

/// Live keys that an outgoing bucket key wraps, in a range of rows. The unary plus keeps the index of buckets out of it: rows come as
/// they lie, so that the pages written in one step are few.
const LAGGING: &str = "
    WHERE +class = ?1 AND +bucket <> '' AND destroyed_ms IS NULL AND key.id > ?2 AND key.id <= ?4
        AND parent_version = (
            SELECT version FROM key AS outgoing
            WHERE outgoing.kind = 'outgoing' AND outgoing.class = ?1 AND outgoing.unit = key.bucket
                AND outgoing.destroyed_ms IS NULL)
    ORDER BY key.id LIMIT ?3";

pub(super) fn roots(connection: &Connection) -> Result<Vec<WrappedKey>, KeyStoreError> {
    let rows = select(connection, "WHERE kind IN ('class', 'index', 'format') AND destroyed_ms IS NULL", [])?;
    let mut keys: Vec<WrappedKey> = rows.into_iter().map(|row| row.key).collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(keys)
}

pub(super) fn rewrap_roots(tx: &Transaction<'_>, keys: &[WrappedKey]) -> Result<DestroyOutcome, KeyStoreError> {
    if !same_versions(&roots(tx)?, keys) {
        return Ok(DestroyOutcome::Conflict);
    }
    keys.iter().try_for_each(|key| replace(tx, key))?;
    Ok(DestroyOutcome::Done)
}

pub(super) fn turn(tx: &Transaction<'_>, turn: &Turn) -> Result<DestroyOutcome, KeyStoreError> {
    let class = &turn.class.name;
    if !turn.fits(live_version(tx, class)?, &children(tx, class)?) {
        return Ok(DestroyOutcome::Conflict);
    }
    replace(tx, &turn.class)?;
    for bucket in &turn.buckets {
        match find(tx, &bucket.outgoing.name)? {
            None => insert(tx, &bucket.outgoing, None)?,
            Some(row) => {
                replace(tx, &bucket.outgoing)?;
                execute(tx, "UPDATE key SET destroyed_ms = NULL WHERE id = ?1", [row.id])?;
            }
        }
        replace(tx, &bucket.incoming)?;
    }
    Ok(DestroyOutcome::Done)
}

pub(super) fn lagging(
    connection: &Connection,
    class: &str,
    (after, until): (u64, u64),
    limit: usize,
) -> Result<Vec<(u64, WrappedKey)>, KeyStoreError> {
    let action = "read keys";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = format!("{SELECT_KEY}{LAGGING}");
    let mut select = connection.prepare_cached(&sql).map_err(failed(action))?;
    let mut rows = select.query(params![class, time(after)?, limit, time(until)?]).map_err(failed(action))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(failed(action))? {
        let row = read_row(row)?;
        let mark = u64::try_from(row.id).map_err(|_| KeyStoreError::BrokenRow("negative number of a row"))?;
        keys.push((mark, row.key));
    }
    Ok(keys)
}

pub(super) fn rewrap(tx: &Transaction<'_>, keys: &[WrappedKey]) -> Result<u64, KeyStoreError> {
    let mut buckets: BTreeMap<KeyName, Option<u32>> = BTreeMap::new();
    let mut replaced = 0;
    for key in keys {
        let Some(bucket) = key.name.parent() else { continue };
        let version = match buckets.get(&bucket) {
            Some(version) => *version,
            None => *buckets.entry(bucket.clone()).or_insert(live_version(tx, &bucket)?),
        };
        if version == Some(key.parent_version)
            && let Some(id) = live_id(tx, key)?
        {
            overwrite(tx, id, key)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

/// The number of a key's row, when it is live at that version: nothing else of it is read, for this is asked of every key of a
/// class.
fn live_id(tx: &Transaction<'_>, key: &WrappedKey) -> Result<Option<i64>, KeyStoreError> {
    let KeyName { kind, class, unit } = &key.name;
    let sql =
        "SELECT id FROM key WHERE kind = ?1 AND class = ?2 AND unit = ?3 AND version = ?4 AND destroyed_ms IS NULL";
    tx.prepare_cached(sql)
        .and_then(|mut select| {
            select.query_row(params![kind.as_str(), class, unit, key.version], |row| row.get(0)).optional()
        })
        .map_err(failed("read keys"))
}

/// The live outgoing bucket keys of a class, with their versions.
pub(super) fn outgoing(connection: &Connection, class: &str) -> Result<Vec<(KeyName, u32)>, KeyStoreError> {
    let below = children(connection, &KeyName::class(class))?.into_iter();
    let outgoing = below.filter(|key| key.name.kind == KeyKind::Outgoing);
    Ok(outgoing.map(|key| (key.name, key.version)).collect())
}

/// Destroys the outgoing bucket keys of a class, if they are those given: of others it is not known what they wrap.
pub(super) fn forget_outgoing(
    tx: &Transaction<'_>,
    class: &str,
    known: &[(KeyName, u32)],
    at_ms: u64,
) -> Result<bool, KeyStoreError> {
    if outgoing(tx, class)? != known {
        return Ok(false);
    }
    known.iter().try_for_each(|(name, _)| bury(tx, name, at_ms))?;
    Ok(true)
}

/// The number of the newest row.
pub(super) fn last(connection: &Connection) -> Result<u64, KeyStoreError> {
    let newest: i64 = connection
        .query_row("SELECT coalesce(max(id), 0) FROM key", [], |row| row.get(0))
        .map_err(failed("read keys"))?;
    Ok(u64::try_from(newest).unwrap_or(0))
}

pub(super) fn count(connection: &Connection) -> Result<Vec<KeyCount>, KeyStoreError> {
    let failed = || failed("count keys");
    let sql = "SELECT kind, class, count(*) - count(destroyed_ms), count(destroyed_ms) FROM key GROUP BY kind, class";
    let mut select = connection.prepare_cached(sql).map_err(failed())?;
    let mut rows = select.query([]).map_err(failed())?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next().map_err(failed())? {
        let kind: String = row.get(0).map_err(failed())?;
        let kind = KeyKind::parse(&kind).ok_or(KeyStoreError::BrokenRow("unknown kind of key"))?;
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        let (live, destroyed) = (row.get(2).map_err(failed())?, row.get(3).map_err(failed())?);
        let class = row.get(1).map_err(failed())?;
        counts.push(KeyCount { kind, class, live: number(live), destroyed: number(destroyed) });
    }
    counts.sort_by(|a, b| (a.kind, &a.class).cmp(&(b.kind, &b.class)));
    Ok(counts)
}
