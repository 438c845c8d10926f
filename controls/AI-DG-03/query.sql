WITH checks AS (
 SELECT c.check_id, c.object_id, c.dimension, c.status, c.blocking, c.rule, c.ts, k.in_force_until AS until
 FROM dataset_checks c
 JOIN dataset_contracts k ON k.contract_id=c.contract_id AND k.version=c.contract_version AND k.dataset_id=c.dataset_id)
SELECT a.event_id AS item, 'no passed '||k.dimension||' check before under the contract in force' AS detail, a.ts AS at
FROM access_events a
CROSS JOIN (SELECT 'completeness' AS dimension UNION ALL SELECT 'accuracy' UNION ALL SELECT 'consistency') k
LEFT JOIN checks c ON c.object_id=a.object_id AND c.dimension=k.dimension AND c.status='passed' AND c.ts<=a.ts AND (c.until IS NULL OR c.until>a.ts)
WHERE a.action IN ('dataset.read','dataset.view.read') AND a.purpose_id='training' AND a.decision='allow' AND a.ts>=$start AND a.ts<$end AND c.check_id IS NULL
UNION ALL SELECT DISTINCT a.event_id, 'the newest check before came out as '||c.status||': '||c.rule, a.ts
FROM access_events a
JOIN checks c ON c.object_id=a.object_id AND c.blocking AND c.status<>'passed' AND c.ts<=a.ts AND (c.until IS NULL OR c.until>a.ts)
LEFT JOIN checks n ON n.object_id=c.object_id AND n.ts>c.ts AND n.ts<=a.ts AND (n.until IS NULL OR n.until>a.ts)
WHERE a.action IN ('dataset.read','dataset.view.read') AND a.purpose_id='training' AND a.decision='allow' AND a.ts>=$start AND a.ts<$end AND n.check_id IS NULL
