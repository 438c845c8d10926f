WITH held AS (
 SELECT g.principal_id, COALESCE(p.owner_id, g.principal_id) AS person, role, scope, granted_at,
  COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP)) AS until
 FROM role_grants g LEFT JOIN principals p ON p.principal_id=g.principal_id
 WHERE granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
 UNION ALL SELECT principal_id, principal_id AS person, role, scope, declared_at, COALESCE(ended_at, ends_at)
 FROM emergencies WHERE declared_at<$end AND COALESCE(ended_at, ends_at)>$start)
SELECT a.principal_id AS item, 'held '||a.role||' in '||a.scope||' and '||b.role||' in '||b.scope||' by '||b.principal_id AS detail,
 GREATEST(a.granted_at, b.granted_at) AS at
FROM held a JOIN held b ON b.person=a.person JOIN sod_pairs p ON p.role_a=a.role AND p.role_b=b.role
WHERE a.role<b.role AND (a.scope=b.scope OR a.scope='org' OR b.scope='org'
 OR starts_with(a.scope, 'environment/')<>starts_with(b.scope, 'environment/')) AND a.granted_at<b.until AND b.granted_at<a.until
