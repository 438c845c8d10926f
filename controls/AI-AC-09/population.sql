SELECT grant_id AS item FROM role_grants
WHERE reference LIKE 'group:%' AND granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
