SELECT service_id AS item, CASE WHEN owner_id IS NULL THEN 'no owner who is here' WHEN risk_tier IS NULL THEN 'no risk tier' ELSE 'no approval' END AS detail, created_at AS at
FROM services WHERE status='active' AND (owner_id IS NULL OR risk_tier IS NULL OR approved_at IS NULL)
UNION ALL SELECT i.service_id, 'traffic for an unregistered service', MIN(i.ts)
FROM inferences i LEFT JOIN services s ON s.service_id=i.service_id
WHERE i.ts>=$start AND i.ts<$end AND i.service_id IS NOT NULL AND s.service_id IS NULL GROUP BY i.service_id
UNION ALL SELECT i.service_id, 'answered while nobody was registered for it, with an approval', MIN(i.ts)
FROM inferences i JOIN services s ON s.service_id=i.service_id
LEFT JOIN service_registrations r ON r.service_id=i.service_id AND r.approved_at IS NOT NULL AND r.since<=i.ts AND (r.until IS NULL OR r.until>i.ts)
WHERE i.ts>=$start AND i.ts<$end AND r.service_id IS NULL GROUP BY i.service_id
