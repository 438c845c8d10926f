//! Vaulted tokens, in the same file as the keys that they are sealed under, and with its layout: rows are added at the end
//! and overwritten in place, so that a subject's go in the transaction in which its keys do.
//!
//! The indexes hold what may stay: tokens are random, references of erased subjects are in the key store anyway, and what
//! leads from a value to its token takes the subject's key, which is gone then.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use vault::tokens::{KeptToken, PutToken, TokenCount, TokenInfo, TokenRow, TokenStore};
use vault::{BoxError, SubjectRef};

use crate::keys::{KeyStoreError, SqliteKeys, execute, failed, is_erased, time};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS token (
        id INTEGER PRIMARY KEY,
        token TEXT NOT NULL,
        scope TEXT NOT NULL,
        idx BLOB NOT NULL,
        subject BLOB NOT NULL,           -- zeros once it is erased
        sealed BLOB NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS token_name ON token (token);
    CREATE UNIQUE INDEX IF NOT EXISTS token_idx ON token (scope, idx);
    CREATE INDEX IF NOT EXISTS token_subject ON token (subject);
    CREATE TABLE IF NOT EXISTS token_count (
        scope TEXT PRIMARY KEY, live INTEGER NOT NULL, erased INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Stands where the subject was. A random reference is not zero.
const ERASED: SubjectRef = SubjectRef([0; 16]);

/// Makes the tables where they are missing: files of before there were tokens have none.
pub(crate) fn prepare(connection: &Connection) -> Result<(), KeyStoreError> {
    connection.execute_batch(SCHEMA).map_err(failed("create the tables of tokens"))
}

/// Overwrites what a subject's tokens stood for and how they were found.
pub(crate) fn forget(tx: &Transaction<'_>, subject: &SubjectRef) -> Result<(), KeyStoreError> {
    let count = "
        UPDATE token_count SET live = live - gone.n, erased = erased + gone.n
        FROM (SELECT scope, count(*) AS n FROM token WHERE subject = ?1 GROUP BY scope) AS gone
        WHERE token_count.scope = gone.scope";
    execute(tx, count, [subject.0])?;
    let wipe = "
        UPDATE token SET idx = randomblob(32), sealed = zeroblob(length(sealed)), subject = zeroblob(16)
        WHERE subject = ?1";
    execute(tx, wipe, [subject.0])
}

impl TokenStore for SqliteKeys {
    fn put_tokens(&self, rows: &[TokenRow]) -> Result<Vec<PutToken>, BoxError> {
        let put = self.write(|tx| rows.iter().map(|row| put(tx, row)).collect::<Result<Vec<_>, _>>())?;
        Ok(put)
    }

    fn find_tokens(&self, scope: &str, idx: &[[u8; 32]]) -> Result<Vec<Option<String>>, BoxError> {
        let connection = self.lock();
        let found = idx.iter().map(|idx| find(&connection, scope, idx)).collect::<Result<Vec<_>, _>>()?;
        Ok(found)
    }

    fn get_tokens(&self, tokens: &[String]) -> Result<Vec<Option<KeptToken>>, BoxError> {
        let action = "read tokens";
        let connection = self.lock();
        let select = "SELECT token, scope, idx, subject, sealed, created_ms FROM token WHERE token = ?1";
        let mut select = connection.prepare_cached(select).map_err(failed(action))?;
        let mut kept = Vec::with_capacity(tokens.len());
        for token in tokens {
            kept.push(select.query_row([token], |row| Ok(read(row))).optional().map_err(failed(action))?.transpose()?);
        }
        Ok(kept)
    }

    fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, BoxError> {
        let action = "read the tokens of a subject";
        let connection = self.lock();
        let select = "SELECT token, scope, created_ms FROM token WHERE subject = ?1";
        let mut select = connection.prepare_cached(select).map_err(failed(action))?;
        let rows = select.query_map([subject.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let mut tokens = Vec::new();
        for row in rows.map_err(failed(action))? {
            let (token, scope, created_ms): (String, String, i64) = row.map_err(failed(action))?;
            tokens.push(TokenInfo { token, scope, created_ms: millis(created_ms)? });
        }
        Ok(tokens)
    }

    fn count_tokens(&self, scope: &str) -> Result<TokenCount, BoxError> {
        let select = "SELECT live, erased FROM token_count WHERE scope = ?1";
        let found: Option<(i64, i64)> = self
            .lock()
            .prepare_cached(select)
            .and_then(|mut select| select.query_row([scope], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(failed("count tokens"))?;
        let (live, erased) = found.unwrap_or_default();
        Ok(TokenCount { live: millis(live)?, erased: millis(erased)? })
    }
}

fn put(tx: &Transaction<'_>, row: &TokenRow) -> Result<PutToken, KeyStoreError> {
    if is_erased(tx, &row.subject)? {
        return Ok(PutToken::SubjectErased);
    }
    if let Some(known) = find(tx, &row.scope, &row.idx)? {
        return Ok(PutToken::Exists(known));
    }
    let keep = "
        INSERT INTO token (token, scope, idx, subject, sealed, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let TokenRow { token, scope, idx, subject, sealed, created_ms } = row;
    execute(tx, keep, params![token, scope, idx, subject.0, sealed, time(*created_ms)?])?;
    let count = "
        INSERT INTO token_count (scope, live, erased) VALUES (?1, 1, 0)
        ON CONFLICT (scope) DO UPDATE SET live = live + 1";
    execute(tx, count, [scope])?;
    Ok(PutToken::Stored)
}

fn find(connection: &Connection, scope: &str, idx: &[u8; 32]) -> Result<Option<String>, KeyStoreError> {
    connection
        .prepare_cached("SELECT token FROM token WHERE scope = ?1 AND idx = ?2")
        .and_then(|mut select| select.query_row(params![scope, idx], |row| row.get(0)).optional())
        .map_err(failed("look a token up"))
}

fn read(row: &Row<'_>) -> Result<KeptToken, KeyStoreError> {
    let failed = || failed("read a token");
    let scope: String = row.get(1).map_err(failed())?;
    let subject = SubjectRef(row.get(3).map_err(failed())?);
    if subject == ERASED {
        return Ok(KeptToken::Erased { scope });
    }
    let created_ms: i64 = row.get(5).map_err(failed())?;
    Ok(KeptToken::Live(TokenRow {
        token: row.get(0).map_err(failed())?,
        scope,
        idx: row.get(2).map_err(failed())?,
        subject,
        sealed: row.get(4).map_err(failed())?,
        created_ms: millis(created_ms)?,
    }))
}

/// A count or time, of which this program writes none that is negative.
fn millis(number: i64) -> Result<u64, KeyStoreError> {
    u64::try_from(number).map_err(|_| KeyStoreError::BrokenRow("negative number at tokens"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use vault::tokens::{Format, Owner};
    use vault::{Custodian, SecretKey, Vault};

    use super::*;

    const NOW_MS: u64 = 1_795_000_000_000;

    fn open(path: &Path) -> (Arc<SqliteKeys>, Vault) {
        let keys = Arc::new(SqliteKeys::open(path).unwrap());
        let root = vault::memory::MemoryCustodian::new(SecretKey::from_bytes(&[1; 32]));
        let root: Arc<dyn Custodian> = Arc::new(root);
        let vault = Vault::open("log.example/1", keys.clone(), root, NOW_MS).unwrap();
        (keys, vault)
    }

    #[test]
    fn given_an_erased_subject_when_the_file_is_searched_then_nothing_of_its_tokens_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, vault) = open(&dir.path().join("keys.db"));
        let [anna, ben] = [SubjectRef([1; 16]), SubjectRef([2; 16])];
        // Given enough tokens of two people for many pages, one after the other in turn.
        let values: Vec<(String, Owner)> =
            (0..2_000).map(|n| (format!("person {n}"), Owner::Subject(if n % 2 == 0 { anna } else { ben }))).collect();
        let tokens = vault.tokenize("personal", Format::Text, "crm", &values, NOW_MS).unwrap();
        assert_eq!(keys.count_tokens("crm").unwrap(), TokenCount { live: 2_000, erased: 0 });
        let live: Vec<TokenRow> = keys
            .get_tokens(&tokens)
            .unwrap()
            .into_iter()
            .filter_map(|kept| match kept {
                Some(KeptToken::Live(row)) => Some(row),
                _ => None,
            })
            .collect();
        assert_eq!(live.len(), 2_000);
        let left = |of: SubjectRef| {
            let bytes: Vec<u8> = ["keys.db", "keys.db-wal"]
                .iter()
                .flat_map(|name| std::fs::read(dir.path().join(name)).unwrap_or_default())
                .collect();
            let parts: std::collections::HashSet<&[u8]> = bytes.windows(16).collect();
            let rows = live.iter().filter(|row| row.subject == of);
            rows.filter(|row| row.sealed.windows(16).any(|part| parts.contains(part))).count()
        };
        assert_eq!(left(anna), 1_000, "the search finds what is there");

        vault.destroy_subject(&anna, NOW_MS).unwrap();

        assert_eq!((left(anna), left(ben)), (0, 1_000));
        assert_eq!(keys.count_tokens("crm").unwrap(), TokenCount { live: 1_000, erased: 1_000 });
        assert_eq!(keys.tokens_of(&anna).unwrap(), []);
        let rows = live.iter().filter(|row| row.subject == anna);
        let idx: Vec<[u8; 32]> = rows.map(|row| row.idx).collect();
        assert!(keys.find_tokens("crm", &idx).unwrap().iter().all(Option::is_none));
        let opened = vault.detokenize("personal", "crm", &tokens[1..2]).unwrap();
        assert_eq!(opened, [Some("person 1".to_owned())], "the others stay");
    }

    #[test]
    fn given_a_key_store_of_before_there_were_tokens_when_opened_then_it_keeps_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.db");
        drop(open(&path));
        Connection::open(&path).unwrap().execute_batch("DROP TABLE token; DROP TABLE token_count").unwrap();
        let (_, vault) = open(&path);
        let values = [("Anna".to_owned(), Owner::Scope)];
        let tokens = vault.tokenize("personal", Format::Text, "crm", &values, NOW_MS).unwrap();
        assert_eq!(vault.detokenize("personal", "crm", &tokens).unwrap(), [Some("Anna".to_owned())]);
    }
}
