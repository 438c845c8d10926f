SELECT object_id AS item FROM data_objects WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start)
