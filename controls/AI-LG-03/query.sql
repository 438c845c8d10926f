SELECT e.source_id||'/'||e.event_type AS item, 'source never reported in the window' AS detail, CAST($start AS TIMESTAMP) AS at FROM expected_sources e
LEFT JOIN source_activity a ON a.source_id=e.source_id AND a.event_type=e.event_type AND a.window_start>=$start AND a.window_start<$end
WHERE a.source_id IS NULL
UNION ALL SELECT a.source_id||'/'||a.event_type, 'silent, or count lost or other than upstream', a.window_start FROM source_activity a
JOIN expected_sources e ON e.source_id=a.source_id AND e.event_type=a.event_type
WHERE a.window_start>=$start AND a.window_start<$end AND ((a.events=0 AND a.window_min>=e.max_silence_min) OR (a.upstream_events IS NOT NULL AND a.upstream_events<>a.events) OR (a.upstream_events IS NULL AND a.event_type='inference'))
