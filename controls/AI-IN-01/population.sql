SELECT node_id||'/'||CAST(hour AS VARCHAR) AS item FROM gateway_counters WHERE hour>=$start AND hour<$end
