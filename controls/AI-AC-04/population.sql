SELECT credential_id AS item FROM credentials
WHERE created_at<$end AND COALESCE(revoked_at, CAST($end AS TIMESTAMP))>$start AND COALESCE(expires_at, CAST($end AS TIMESTAMP))>$start
UNION ALL SELECT session_id FROM sessions WHERE started_at<$end AND COALESCE(ended_at, expires_at)>$start
