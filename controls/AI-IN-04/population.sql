SELECT service_id AS item FROM services WHERE status='active' AND risk_tier IN ('high','medium')
UNION SELECT inference_id FROM inferences WHERE ts>=$start AND ts<$end AND status IN ('error','primary_failed')
