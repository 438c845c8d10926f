WITH held AS (
 SELECT principal_id, role, granted_at AS since, COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP)) AS until
 FROM role_grants WHERE granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
 UNION ALL SELECT principal_id, role, declared_at, COALESCE(ended_at, ends_at)
 FROM emergencies WHERE declared_at<$end AND COALESCE(ended_at, ends_at)>$start),
could AS (
 SELECT principal_id, principal_id AS person, role, since, until FROM held
 UNION ALL SELECT h.principal_id, o.owner_id, h.role, GREATEST(h.since, o.since), LEAST(h.until, COALESCE(o.until, h.until))
 FROM held h JOIN account_owners o ON o.principal_id=h.principal_id
 WHERE o.since<h.until AND COALESCE(o.until, h.until)>h.since AND o.since<$end AND COALESCE(o.until, CAST($end AS TIMESTAMP))>$start),
keepers AS (
 SELECT k.person||' may have it replaced by '||k.principal_id||', and holds '||d.role||' by '||d.principal_id AS detail,
  MIN(GREATEST(k.since, d.since)) AS at
 FROM could k JOIN could d ON d.person=k.person
 WHERE k.role='security_lead' AND d.role IN ('model_trainer','data_steward') AND k.since<d.until AND d.since<k.until
 GROUP BY k.person, k.principal_id, d.role, d.principal_id),
one AS (SELECT MIN(key_id) AS key_id FROM crypto_keys WHERE state='active' AND created_at<$end)
SELECT o.object_id AS item, 'key of class '||COALESCE(k.classification,'unknown')||' on object of class '||COALESCE(o.classification,'unknown') AS detail, o.created_at AS at
FROM data_objects o LEFT JOIN (SELECT DISTINCT classification FROM crypto_keys) k ON k.classification=split_part(o.key_id, '/', 2)
WHERE o.created_at<$end AND (o.deleted_at IS NULL OR o.deleted_at>$start) AND o.key_id IS NOT NULL
 AND ((k.classification IS NULL AND o.created_at<CAST($now AS TIMESTAMP)-INTERVAL '5 minutes')
  OR split_part(o.key_id, '/', 2)<>COALESCE(o.classification,'unknown'))
UNION ALL SELECT key_id, 'rotation overdue', rotate_due_at FROM crypto_keys
WHERE state='active' AND rotate_due_at<CAST($now AS TIMESTAMP)-INTERVAL '1 day' AND created_at<$end
UNION ALL SELECT one.key_id, p.detail, p.at FROM one CROSS JOIN keepers p WHERE one.key_id IS NOT NULL
