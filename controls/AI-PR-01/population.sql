SELECT DISTINCT request_id AS item FROM dsr
WHERE kind='erasure' AND received_at<$end AND (closed_at IS NULL OR closed_at>=$start)
