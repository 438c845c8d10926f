SELECT call_id AS item FROM tool_calls WHERE ts>=$start AND ts<$end AND executed
