SELECT run_id AS item FROM control_runs WHERE ts>=$start AND ts<$end AND violations>0
UNION SELECT exception_id FROM exceptions WHERE opened_at<$end AND (closed_at IS NULL OR closed_at>=$start)
