SELECT object_id AS item, 'no retention rule' AS detail, created_at AS at FROM data_objects
WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start) AND retention_policy_id IS NULL
UNION ALL SELECT object_id, 'kept past expiry', expires_at FROM data_objects
WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start) AND NOT COALESCE(legal_hold,false)
 AND expires_at<$now AND COALESCE(deleted_at,CAST($now AS TIMESTAMP))>expires_at+INTERVAL '7 days'
