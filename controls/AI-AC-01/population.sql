SELECT DISTINCT principal_id AS item FROM role_grants
WHERE granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
