SELECT o.object_id AS item, 'no producing step and no declared source' AS detail, o.created_at AS at FROM data_objects o
LEFT JOIN lineage_edges e ON e.output_id=o.object_id
WHERE o.kind IN ('dataset','feature','artifact') AND o.created_at>=$start AND o.created_at<$end AND e.edge_id IS NULL AND o.source_ref IS NULL
UNION ALL SELECT input_id, 'checksum read by '||COALESCE(run_id,job_id,'a step')||' differs from checksum written', MIN(ts) FROM lineage_edges
WHERE kind IN ('run','job','dataset') AND ts>=$start AND ts<$end AND NOT checksum_matches GROUP BY input_id,run_id,job_id
