SELECT i.inference_id AS item, CASE WHEN i.guardrail_result IS NULL THEN 'no guardrail result' ELSE 'personal data in output not handled' END AS detail, i.ts AS at
FROM inferences i JOIN services s ON s.service_id=i.service_id
WHERE i.ts>=$start AND i.ts<$end AND s.guardrails_required
 AND (i.guardrail_result IS NULL OR i.guardrail_result='error' OR (i.pii_out AND COALESCE(i.pii_action,'none') NOT IN ('redacted','tokenised','blocked','approved_exception')))
