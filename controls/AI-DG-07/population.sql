SELECT deletion_id AS item FROM deletions WHERE requested_at<$end AND (completed_at IS NULL OR completed_at>=CAST($start AS TIMESTAMP)-INTERVAL '7 days')
