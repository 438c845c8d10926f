SELECT emergency_id AS item FROM emergencies
WHERE (declared_at>=$start AND declared_at<$end) OR (review_due_at>=$start AND review_due_at<$end)
