SELECT service_id AS item, 'no fallback or not tested in 180 days' AS detail, fallback_tested_at AS at FROM services
WHERE status='active' AND risk_tier IN ('high','medium') AND (fallback_kind IS NULL OR fallback_tested_at IS NULL OR fallback_tested_at<CAST($now AS TIMESTAMP)-INTERVAL '180 days')
UNION ALL SELECT inference_id, 'primary failed and no fallback answered', ts FROM inferences
WHERE ts>=$start AND ts<$end AND status IN ('error','primary_failed') AND NOT COALESCE(fallback_used,false)
