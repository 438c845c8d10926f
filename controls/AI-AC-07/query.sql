WITH concerned AS (
 SELECT * FROM emergencies
 WHERE (declared_at>=$start AND declared_at<$end) OR (review_due_at>=$start AND review_due_at<$end))
SELECT emergency_id AS item, 'not reviewed in time' AS detail, review_due_at AS at FROM concerned
WHERE (reviewed_at IS NULL AND review_due_at<$now) OR reviewed_at>review_due_at
UNION ALL SELECT emergency_id, 'reviewed by whoever declared it', reviewed_at FROM concerned WHERE reviewed_by=principal_id
UNION ALL SELECT emergency_id, 'found to be unjustified by '||reviewed_by, reviewed_at FROM concerned WHERE finding='unjustified'
UNION ALL SELECT emergency_id, 'longer than an hour', declared_at FROM concerned WHERE ends_at>declared_at+INTERVAL '1 hour'
