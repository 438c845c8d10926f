SELECT DISTINCT service_id||'/'||model_id||'@'||version AS item FROM inferences WHERE ts>=$start AND ts<$end AND model_id IS NOT NULL
