SELECT a.event_id AS item, 'no passed '||k.dimension||' check before' AS detail, a.ts AS at
FROM access_events a
CROSS JOIN (SELECT 'completeness' AS dimension UNION ALL SELECT 'accuracy' UNION ALL SELECT 'consistency') k
LEFT JOIN dataset_checks c ON c.object_id=a.object_id AND c.dimension=k.dimension AND c.status='passed' AND c.contract_version IS NOT NULL AND c.ts<=a.ts
WHERE a.action IN ('dataset.read','dataset.view.read') AND a.purpose_id='training' AND a.decision='allow' AND a.ts>=$start AND a.ts<$end AND c.check_id IS NULL
UNION ALL SELECT DISTINCT a.event_id, 'the newest check before came out as '||c.status||': '||c.rule, a.ts
FROM access_events a
JOIN dataset_checks c ON c.object_id=a.object_id AND c.blocking AND c.status<>'passed' AND c.contract_version IS NOT NULL AND c.ts<=a.ts
LEFT JOIN dataset_checks n ON n.object_id=c.object_id AND n.contract_version IS NOT NULL AND n.ts>c.ts AND n.ts<=a.ts
WHERE a.action IN ('dataset.read','dataset.view.read') AND a.purpose_id='training' AND a.decision='allow' AND a.ts>=$start AND a.ts<$end AND n.check_id IS NULL
