SELECT log_id||'/'||CAST(tree_size AS VARCHAR) AS item, 'unsigned, inconsistent, unwitnessed or late' AS detail, ts AS at FROM checkpoints
WHERE ts>=$start AND ts<$end AND (NOT COALESCE(signature_ok,false) OR NOT COALESCE(consistency_ok,false) OR COALESCE(witness_count,0)<1 OR ts>prev_ts+INTERVAL '15 minutes')
UNION ALL SELECT segment_id, 'segment not anchored within an hour', closed_at FROM segments
WHERE closed_at>=$start AND closed_at<$end AND closed_at<CAST($now AS TIMESTAMP)-INTERVAL '1 hour' AND (anchored_at IS NULL OR anchored_at>closed_at+INTERVAL '1 hour')
UNION ALL SELECT 'accesses/'||segment_id, 'segment of accesses not anchored within an hour', closed_at FROM access_segments
WHERE closed_at>=$start AND closed_at<$end AND closed_at<CAST($now AS TIMESTAMP)-INTERVAL '1 hour' AND (anchored_at IS NULL OR anchored_at>closed_at+INTERVAL '1 hour')
