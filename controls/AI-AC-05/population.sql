WITH sensitive AS (
 SELECT * FROM access_events WHERE ts>=$start AND ts<$end AND object_kind IN ('dataset','artifact','inference_log','evidence')),
seen AS (SELECT ext_id FROM external_access_logs WHERE ts>=$start AND ts<$end)
SELECT event_id AS item FROM sensitive WHERE EXISTS (SELECT 1 FROM seen)
UNION SELECT e.event_id FROM sensitive e
LEFT JOIN role_grants g ON g.grant_id=e.grant_id AND g.principal_id=e.principal_id AND g.granted_at<=e.ts AND (g.revoked_at IS NULL OR g.revoked_at>=e.first_ts) AND (g.expires_at IS NULL OR g.expires_at>=e.first_ts)
WHERE e.decision='allow' AND (g.grant_id IS NULL OR e.policy_id IS NULL)
UNION SELECT ext_id FROM seen
