SELECT object_id AS item FROM data_objects WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start)
UNION SELECT key_id FROM crypto_keys WHERE created_at<$end AND (ended_at IS NULL OR ended_at>$start)
