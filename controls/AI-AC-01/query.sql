WITH held AS (
 SELECT principal_id, role, scope, granted_at AS since, COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP)) AS until
 FROM role_grants WHERE granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
 UNION ALL SELECT principal_id, role, scope, declared_at, COALESCE(ended_at, ends_at)
 FROM emergencies WHERE declared_at<$end AND COALESCE(ended_at, ends_at)>$start),
could AS (
 SELECT principal_id, principal_id AS person, role, scope, since, until FROM held
 UNION ALL SELECT h.principal_id, o.owner_id, h.role, h.scope, GREATEST(h.since, o.since), LEAST(h.until, COALESCE(o.until, h.until))
 FROM held h JOIN account_owners o ON o.principal_id=h.principal_id
 WHERE o.since<h.until AND COALESCE(o.until, h.until)>h.since AND o.since<$end AND COALESCE(o.until, CAST($end AS TIMESTAMP))>$start)
SELECT item, detail, MIN(begun) AS at FROM (
 SELECT a.principal_id AS item, 'held '||a.role||' in '||a.scope||' and '||b.role||' in '||b.scope||' by '||b.principal_id AS detail,
  GREATEST(a.since, b.since, COALESCE(p.since, a.since)) AS begun
 FROM could a JOIN could b ON b.person=a.person JOIN sod_pairs p ON p.role_a=a.role AND p.role_b=b.role
 WHERE a.role<b.role AND (a.scope=b.scope OR a.scope='org' OR b.scope='org'
  OR starts_with(a.scope, 'environment/')<>starts_with(b.scope, 'environment/')) AND a.since<b.until AND b.since<a.until
  AND COALESCE(p.since, a.since)<LEAST(a.until, b.until)
  AND (p.until IS NULL OR (p.until>GREATEST(a.since, b.since) AND p.until>$start))) found
GROUP BY item, detail
