SELECT d.decision_id AS item, CASE WHEN d.reviewer_id IS NULL THEN 'no human reviewer' ELSE 'review shorter than ten seconds' END AS detail, d.ts AS at
FROM decisions d JOIN services s ON s.service_id=d.service_id
WHERE d.ts>=$start AND d.ts<$end AND d.significant_effect AND s.oversight='human_review' AND (d.reviewer_id IS NULL OR COALESCE(d.review_seconds,0)<10)
