SELECT DISTINCT principal_id AS item FROM role_grants
WHERE granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
UNION SELECT principal_id FROM emergencies
WHERE declared_at<$end AND COALESCE(ended_at, ends_at)>$start
