SELECT c.node_id||'/'||CAST(c.hour AS VARCHAR) AS item, CASE WHEN c.lost>0 THEN 'counter lost in a crash, '||CAST(c.recovered AS VARCHAR)||' records found; ' ELSE '' END||'edge '||CAST(c.requests AS VARCHAR)||', logged '||CAST(c.logged AS VARCHAR)||', sealed '||CAST(COALESCE(s.n,0) AS VARCHAR) AS detail, c.hour AS at
FROM gateway_counters c LEFT JOIN (SELECT node_id,hour,SUM(row_count) AS n FROM segments GROUP BY node_id,hour) s ON s.node_id=c.node_id AND s.hour=c.hour
WHERE c.hour>=$start AND c.hour<$end
 AND (c.lost>0 OR c.requests<>c.logged OR (c.hour<CAST($now AS TIMESTAMP)-INTERVAL '2 hours' AND c.logged<>COALESCE(s.n,0)))
