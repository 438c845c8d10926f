SELECT i.inference_id AS item FROM inferences i JOIN services s ON s.service_id=i.service_id
WHERE i.ts>=$start AND i.ts<$end AND s.guardrails_required
