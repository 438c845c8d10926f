SELECT step_id AS item FROM pipeline_steps WHERE ts>=$start AND ts<$end
