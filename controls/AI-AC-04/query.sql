WITH good AS (
 SELECT *, LEAST(COALESCE(revoked_at, CAST($end AS TIMESTAMP)), COALESCE(expires_at, CAST($end AS TIMESTAMP))) AS until FROM credentials
 WHERE created_at<$end AND COALESCE(revoked_at, CAST($end AS TIMESTAMP))>$start AND COALESCE(expires_at, CAST($end AS TIMESTAMP))>$start),
weak AS (
 SELECT credential_id AS item, principal_id, 'privileged human credential without MFA' AS detail, created_at AS since, until FROM good
 WHERE kind='human' AND NOT mfa
 UNION ALL SELECT session_id, principal_id, 'privileged person signed in with one factor: '||proof, started_at, COALESCE(ended_at, expires_at)
 FROM sessions WHERE started_at<$end AND COALESCE(ended_at, expires_at)>$start AND NOT mfa),
held AS (
 SELECT principal_id AS person, granted_at AS since, COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP)) AS until
 FROM role_grants WHERE privileged AND granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
 UNION ALL SELECT o.owner_id, GREATEST(g.granted_at, o.since),
  LEAST(COALESCE(g.revoked_at, g.expires_at, CAST($end AS TIMESTAMP)), COALESCE(o.until, CAST($end AS TIMESTAMP)))
 FROM role_grants g JOIN account_owners o ON o.principal_id=g.principal_id
 WHERE g.privileged AND g.granted_at<$end AND COALESCE(g.revoked_at, g.expires_at, CAST($end AS TIMESTAMP))>$start
  AND o.since<$end AND COALESCE(o.until, CAST($end AS TIMESTAMP))>$start
 UNION ALL SELECT principal_id, declared_at, COALESCE(ended_at, ends_at) FROM emergencies
 WHERE privileged AND declared_at<$end AND COALESCE(ended_at, ends_at)>$start)
SELECT DISTINCT s.item AS item, s.detail AS detail, s.since AS at
FROM weak s JOIN held h ON h.person=s.principal_id WHERE h.since<h.until AND h.since<s.until AND s.since<h.until
UNION ALL SELECT credential_id, 'machine credential lives longer than 90 days', created_at FROM good
WHERE kind<>'human' AND (expires_at IS NULL OR expires_at>created_at+INTERVAL '90 days')
UNION ALL SELECT credential_id, 'machine credential without an owner who is here', created_at FROM good
WHERE kind<>'human' AND owner_id IS NULL
UNION ALL SELECT g.credential_id, 'used after its principal was disabled', g.last_used_at
FROM good g JOIN principals p ON p.principal_id=g.principal_id
WHERE g.last_used_at>p.disabled_at AND g.last_used_at>=$start AND g.last_used_at<$end
