SELECT run_id AS item FROM control_runs WHERE ts>=$start AND ts<$end
UNION SELECT request_id FROM evidence_requests WHERE asked_at>=$start AND asked_at<$end
