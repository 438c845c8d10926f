SELECT deletion_id AS item,
 CASE WHEN completed_at IS NULL THEN 'not done in time'
  WHEN completed_at>due_at THEN 'done late'
  WHEN replicas_confirmed IS NULL OR replicas_confirmed<replicas_total THEN 'not confirmed on every replica'
  ELSE 'verified by nobody else' END AS detail, requested_at AS at
FROM deletions
WHERE requested_at<$end AND (completed_at IS NULL OR completed_at>=CAST($start AS TIMESTAMP)-INTERVAL '7 days')
 AND (completed_at IS NULL OR replicas_confirmed IS NOT NULL OR deletion_id<>object_id)
 AND ((completed_at IS NULL AND due_at<$now) OR completed_at>due_at
  OR (completed_at IS NOT NULL AND (replicas_confirmed IS NULL OR replicas_confirmed<replicas_total))
  OR (verified_by IS NULL AND completed_at<CAST($now AS TIMESTAMP)-INTERVAL '7 days'))
