SELECT i.service_id||'/'||i.model_id||'@'||i.version AS item, 'answers without a live deployment: '||CAST(COUNT(*) AS VARCHAR) AS detail, MIN(i.ts) AS at
FROM inferences i LEFT JOIN deployments d ON d.deployment_id=i.deployment_id AND d.service_id=i.service_id AND d.model_id=i.model_id AND d.version=i.version AND d.env='prod' AND d.ts<=i.ts AND (d.ended_at IS NULL OR d.ended_at>i.ts)
WHERE i.ts>=$start AND i.ts<$end AND i.model_id IS NOT NULL AND d.deployment_id IS NULL GROUP BY i.service_id,i.model_id,i.version
