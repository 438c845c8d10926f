SELECT d.decision_id AS item FROM decisions d JOIN services s ON s.service_id=d.service_id
WHERE d.ts>=$start AND d.ts<$end AND s.explain_required
