SELECT dataset_id||'@'||version AS item FROM datasets WHERE created_at<$end AND (ended_at IS NULL OR ended_at>$start)
