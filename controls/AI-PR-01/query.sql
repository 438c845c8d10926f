WITH concerned AS (
 SELECT * FROM dsr
 WHERE kind='erasure' AND received_at<$end AND (closed_at IS NULL OR closed_at>=$start)),
known AS (SELECT DISTINCT s.request_id FROM dsr s JOIN subject_keys k ON k.subject_ref=s.subject_ref)
SELECT DISTINCT request_id AS item, 'late' AS detail, due_at AS at FROM concerned
WHERE (closed_at IS NULL AND due_at<$now) OR closed_at>due_at
UNION ALL SELECT q.request_id, 'closed as done but key '||k.key_id||' not destroyed', q.closed_at FROM concerned q
JOIN subject_keys k ON k.subject_ref=q.subject_ref
WHERE q.outcome='done' AND k.destroyed_at IS NULL
UNION ALL SELECT DISTINCT q.request_id, 'closed as done but no key of the subject known to be destroyed', q.closed_at FROM concerned q
LEFT JOIN known ON known.request_id=q.request_id
WHERE q.outcome='done' AND known.request_id IS NULL
UNION ALL SELECT DISTINCT q.request_id, 'no decision for model '||i.model_id||' version '||i.version, q.closed_at FROM concerned q
JOIN dsr_impacts i ON i.request_id=q.request_id
WHERE q.outcome='done' AND i.completed_at IS NULL
UNION ALL SELECT DISTINCT request_id, 'deadline longer than 30 days', due_at FROM concerned
WHERE due_at>received_at+INTERVAL '30 days'
