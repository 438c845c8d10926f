SELECT s.control_id||'/'||CAST(s.due_at AS VARCHAR) AS item, 'not run in a day of its due time, or result unbound' AS detail, s.due_at AS at
FROM control_schedule s LEFT JOIN control_runs r ON r.control_id=s.control_id AND r.due_at=s.due_at AND r.ts<=s.due_at+INTERVAL '1 day'
 AND r.tree_size IS NOT NULL AND r.root IS NOT NULL AND r.population IS NOT NULL AND r.engine_version IS NOT NULL
WHERE s.due_at>=$start AND s.due_at<$end AND s.due_at<CAST($now AS TIMESTAMP)-INTERVAL '1 day' AND r.run_id IS NULL
