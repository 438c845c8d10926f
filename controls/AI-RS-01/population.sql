SELECT object_id AS item FROM data_objects
WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start) AND kind<>'access_record' AND COALESCE(classification,'')<>'public'
UNION SELECT inference_id FROM inferences WHERE ts>=$start AND ts<$end AND status<>'refused' AND classification<>'public'
UNION SELECT transfer_id FROM transfers WHERE ts>=$start AND ts<$end AND decision='allow' AND object_ref LIKE 'dataset/%' AND classification<>'public'
