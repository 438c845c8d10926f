SELECT object_id AS item, 'stored without managed encryption' AS detail, created_at AS at FROM data_objects
WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start) AND (NOT COALESCE(encrypted,false) OR key_id IS NULL)
