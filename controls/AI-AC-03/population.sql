SELECT review_id AS item FROM access_reviews
WHERE LEAST(due_at, COALESCE(completed_at, due_at))<$end AND COALESCE(completed_at, CAST($end AS TIMESTAMP))>=$start
UNION SELECT grant_id FROM role_grants
WHERE privileged AND granted_at<$end AND LEAST(COALESCE(revoked_at, CAST($end AS TIMESTAMP)), COALESCE(expires_at, CAST($end AS TIMESTAMP)), CAST($end AS TIMESTAMP))
 >GREATEST(granted_at+INTERVAL '92 days', CAST($start AS TIMESTAMP))
