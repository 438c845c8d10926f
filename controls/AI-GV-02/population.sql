SELECT doc_id AS item FROM documents WHERE kind='policy' AND superseded_at IS NULL
UNION SELECT g.principal_id FROM role_grants g JOIN principals p ON p.principal_id=g.principal_id
WHERE p.kind='human' AND g.granted_at<$now AND (g.expires_at IS NULL OR g.expires_at>$now) AND (g.revoked_at IS NULL OR g.revoked_at>$now)
