SELECT d.decision_id AS item, 'no explanation record' AS detail, d.ts AS at FROM decisions d JOIN services s ON s.service_id=d.service_id
LEFT JOIN explanations x ON x.inference_id=d.inference_id AND x.payload_hash IS NOT NULL
WHERE d.ts>=$start AND d.ts<$end AND s.explain_required AND x.explanation_id IS NULL
