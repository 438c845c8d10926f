SELECT log_id||'/'||CAST(tree_size AS VARCHAR) AS item FROM checkpoints WHERE ts>=$start AND ts<$end
UNION SELECT segment_id FROM segments WHERE closed_at>=$start AND closed_at<$end
UNION SELECT 'accesses/'||segment_id FROM access_segments WHERE closed_at>=$start AND closed_at<$end
