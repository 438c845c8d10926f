SELECT DISTINCT s.step_id AS item, 'completed without any check' AS detail, s.ts AS at FROM pipeline_steps s
LEFT JOIN dataset_checks c ON c.step_id=s.step_id
WHERE s.ts>=$start AND s.ts<$end AND s.status='completed' AND c.check_id IS NULL
UNION ALL SELECT DISTINCT s.step_id, 'completed although a blocking check '||c.status||': '||c.dimension, s.ts FROM pipeline_steps s
JOIN dataset_checks c ON c.step_id=s.step_id
LEFT JOIN dataset_checks n ON n.step_id=s.step_id AND n.ts>c.ts
WHERE s.ts>=$start AND s.ts<$end AND s.status='completed' AND c.blocking AND c.status<>'passed' AND n.check_id IS NULL
