SELECT DISTINCT request_id AS item FROM dsr
WHERE kind IN ('access','correction','adm_explanation','adm_review') AND received_at<$end AND (closed_at IS NULL OR closed_at>=$start)
