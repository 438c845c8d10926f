WITH good AS (
 SELECT * FROM credentials
 WHERE created_at<$end AND COALESCE(revoked_at, CAST($end AS TIMESTAMP))>$start AND COALESCE(expires_at, CAST($end AS TIMESTAMP))>$start)
SELECT credential_id AS item, 'privileged human credential without MFA' AS detail, created_at AS at FROM good
WHERE kind='human' AND privileged AND NOT mfa
UNION ALL SELECT credential_id, 'machine credential lives longer than 90 days', created_at FROM good
WHERE kind<>'human' AND (expires_at IS NULL OR expires_at>created_at+INTERVAL '90 days')
UNION ALL SELECT credential_id, 'machine credential without an owner who is here', created_at FROM good
WHERE kind<>'human' AND owner_id IS NULL
UNION ALL SELECT g.credential_id, 'used after its principal was disabled', g.last_used_at
FROM good g JOIN principals p ON p.principal_id=g.principal_id
WHERE g.last_used_at>p.disabled_at AND g.last_used_at>=$start AND g.last_used_at<$end
