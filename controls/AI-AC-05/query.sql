SELECT e.event_id AS item, 'allowed without a live grant or policy' AS detail, e.ts AS at FROM access_events e
LEFT JOIN role_grants g ON g.grant_id=e.grant_id AND g.principal_id=e.principal_id AND g.granted_at<=e.ts AND (g.revoked_at IS NULL OR g.revoked_at>=e.first_ts) AND (g.expires_at IS NULL OR g.expires_at>=e.first_ts)
WHERE e.ts>=$start AND e.ts<$end AND e.object_kind IN ('dataset','artifact','inference_log','evidence') AND e.decision='allow' AND (g.grant_id IS NULL OR e.policy_id IS NULL)
UNION ALL
SELECT x.ext_id, 'storage log shows access the platform did not record', x.ts FROM external_access_logs x
LEFT JOIN access_events e ON e.event_id=x.matched_event_id
WHERE x.ts>=$start AND x.ts<$end AND e.event_id IS NULL
