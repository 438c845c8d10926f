WITH held AS (
 SELECT * FROM role_grants
 WHERE role<>'system' AND granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start)
SELECT grant_id AS item, 'no independent approval' AS detail, granted_at AS at FROM held
WHERE granted_at>=$start AND (approved_by IS NULL OR approved_by=principal_id OR approved_by=requested_by
 OR approved_by_person IN (principal_person, requested_by_person))
UNION ALL SELECT grant_id, 'privileged grant without expiry', granted_at FROM held WHERE privileged AND expires_at IS NULL
UNION ALL SELECT g.grant_id, 'still active more than a day after termination', p.terminated_at
FROM held g JOIN principals p ON p.principal_id=g.principal_id
WHERE p.terminated_at<$end AND COALESCE(g.revoked_at, CAST($now AS TIMESTAMP))>p.terminated_at+INTERVAL '1 day'
