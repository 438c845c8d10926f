SELECT service_id AS item FROM services WHERE status='active'
UNION SELECT service_id FROM inferences WHERE ts>=$start AND ts<$end AND service_id IS NOT NULL
