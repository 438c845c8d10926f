SELECT r.run_id AS item, CAST(r.violations AS VARCHAR)||' violations, '||CAST(COUNT(x.exception_id) AS VARCHAR)||' exceptions' AS detail, r.ts AS at
FROM control_runs r LEFT JOIN exceptions x ON x.run_id=r.run_id AND x.opened_at<=r.ts+INTERVAL '5 days'
WHERE r.ts>=$start AND r.ts<$end AND r.violations>0 AND r.ts<CAST($now AS TIMESTAMP)-INTERVAL '5 days' GROUP BY r.run_id,r.violations,r.ts HAVING COUNT(x.exception_id)<r.violations
UNION ALL SELECT exception_id, 'expired, unapproved, self-approved or no response', opened_at FROM exceptions
WHERE opened_at<$end AND (closed_at IS NULL OR closed_at>=$start)
 AND (approved_by IS NULL OR approved_by=opened_by OR response_hash IS NULL OR (closed_at IS NULL AND (expires_at IS NULL OR expires_at<$now)))
