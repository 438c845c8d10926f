SELECT object_id AS item FROM data_objects WHERE kind IN ('dataset','feature','artifact') AND created_at>=$start AND created_at<$end
UNION SELECT input_id FROM lineage_edges WHERE kind IN ('run','job','dataset') AND input_id IS NOT NULL AND ts>=$start AND ts<$end
