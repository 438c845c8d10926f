SELECT grant_id AS item FROM role_grants
WHERE role<>'system' AND granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start
