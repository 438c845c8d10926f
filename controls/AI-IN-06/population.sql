SELECT d.decision_id AS item FROM decisions d JOIN services s ON s.service_id=d.service_id
WHERE d.ts>=$start AND d.ts<$end AND d.significant_effect AND s.oversight='human_review'
