WITH held AS (
 SELECT principal_id, role, granted_at,
  LEAST(COALESCE(revoked_at, CAST($end AS TIMESTAMP)), COALESCE(expires_at, CAST($end AS TIMESTAMP))) AS until
 FROM role_grants WHERE granted_at<$end),
keepers AS (
 SELECT k.principal_id, d.role, GREATEST(k.granted_at, d.granted_at) AS at
 FROM held k JOIN held d ON d.principal_id=k.principal_id
 WHERE k.role='security_lead' AND d.role IN ('model_trainer','data_steward')
  AND k.granted_at<d.until AND d.granted_at<k.until AND LEAST(k.until, d.until)>$start)
SELECT o.object_id AS item, 'key of class '||COALESCE(k.classification,'unknown')||' on object of class '||COALESCE(o.classification,'unknown') AS detail, o.created_at AS at
FROM data_objects o LEFT JOIN (SELECT DISTINCT classification FROM crypto_keys) k ON k.classification=split_part(o.key_id, '/', 2)
WHERE o.created_at<$end AND (o.deleted_at IS NULL OR o.deleted_at>$start) AND o.key_id IS NOT NULL
 AND (k.classification IS NULL OR k.classification<>COALESCE(o.classification,'unknown'))
UNION ALL SELECT key_id, 'rotation overdue', rotate_due_at FROM crypto_keys
WHERE state='active' AND rotate_due_at<CAST($now AS TIMESTAMP)-INTERVAL '1 day' AND created_at<$end
UNION ALL SELECT k.key_id, p.principal_id||' may have it replaced, and holds '||p.role, p.at FROM crypto_keys k CROSS JOIN keepers p
WHERE k.state='active' AND k.classification='(root)' AND k.created_at<$end
