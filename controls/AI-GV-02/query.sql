WITH holders AS (
 SELECT DISTINCT g.principal_id FROM role_grants g JOIN principals p ON p.principal_id=g.principal_id
 WHERE p.kind='human' AND g.granted_at<$now AND (g.expires_at IS NULL OR g.expires_at>$now) AND (g.revoked_at IS NULL OR g.revoked_at>$now)),
in_force AS (
 SELECT doc_id, version, approved_by, approved_at, review_due, ack_required FROM documents WHERE kind='policy' AND superseded_at IS NULL),
trained AS (
 SELECT DISTINCT principal_id FROM training WHERE completed_at<$now AND expires_at>$now)
SELECT doc_id AS item, CASE WHEN approved_by IS NULL THEN 'policy not approved' ELSE 'policy past its review' END AS detail, review_due AS at
FROM in_force WHERE approved_by IS NULL OR review_due<$now
UNION ALL SELECT h.principal_id, 'no current training', CAST($now AS TIMESTAMP)
FROM holders h LEFT JOIN trained t ON t.principal_id=h.principal_id WHERE t.principal_id IS NULL
UNION ALL SELECT w.principal_id, 'policy not acknowledged: '||w.doc_id, w.approved_at
FROM (SELECT h.principal_id, c.doc_id, c.version, c.approved_at FROM holders h CROSS JOIN in_force c WHERE c.ack_required) w
LEFT JOIN acknowledgements a ON a.doc_id=w.doc_id AND a.version=w.version AND a.principal_id=w.principal_id
WHERE a.principal_id IS NULL
UNION ALL SELECT h.principal_id, 'no policy is in force', CAST($now AS TIMESTAMP)
FROM holders h CROSS JOIN (SELECT COUNT(*) AS policies FROM in_force) c WHERE c.policies=0
