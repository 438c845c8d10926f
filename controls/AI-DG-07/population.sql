SELECT deletion_id AS item FROM deletions WHERE requested_at<$end AND (completed_at IS NULL OR completed_at>=$start)
