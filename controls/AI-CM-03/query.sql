SELECT run_id AS item, 'ran with unapproved logic or failed reproduction' AS detail, ts AS at FROM control_runs
WHERE ts>=$start AND ts<$end AND (logic_hash IS NULL OR approved_logic_hash IS NULL OR logic_hash<>approved_logic_hash OR reproduced_ok=false)
UNION ALL SELECT request_id, 'late, or package without digest, query or parameters', asked_at FROM evidence_requests
WHERE asked_at>=$start AND asked_at<$end AND ((delivered_at IS NULL AND due_at<$now) OR delivered_at>due_at OR (delivered_at IS NOT NULL AND (package_digest IS NULL OR query_hash IS NULL OR params_hash IS NULL)))
