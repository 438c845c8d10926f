//! Questions about people who hold a role that the page and the command line both ask.

/// People who hold a role at a moment, a literal such as `TIMESTAMP '2026-11-22T10:00:00'`, as a subquery `h`.
#[must_use]
pub fn role_holders(now: &str) -> String {
    format!(
        "(SELECT DISTINCT g.principal_id FROM role_grants g JOIN principals p ON p.principal_id = g.principal_id\n  \
         WHERE p.kind = 'human' AND g.granted_at IS NOT NULL AND g.revoked_at IS NULL\n  \
         AND (g.expires_at IS NULL OR g.expires_at > {now})) h"
    )
}

/// Who holds a role at a moment and has not acknowledged what they are to.
#[must_use]
pub fn unacknowledged(now: &str) -> String {
    format!(
        "SELECT w.principal_id, w.doc_id, w.version FROM (\n  SELECT h.principal_id, d.doc_id, d.version FROM {}\n  \
         CROSS JOIN documents d WHERE d.superseded_at IS NULL AND d.ack_required) w\n\
         LEFT JOIN acknowledgements a ON a.doc_id = w.doc_id AND a.version = w.version AND a.principal_id = w.principal_id\n\
         WHERE a.principal_id IS NULL ORDER BY w.principal_id, w.doc_id",
        role_holders(now)
    )
}
