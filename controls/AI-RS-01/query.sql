WITH authorised AS (
 SELECT t.transfer_id FROM transfers t JOIN transfer_authorisations a ON a.authorisation_id=t.authorisation_id AND a.classification=t.classification
 WHERE t.ts>=$start AND t.ts<$end AND a.authorised_at<=t.ts AND a.expires_at>t.ts AND (a.revoked_at IS NULL OR a.revoked_at>=t.ts)),
rules AS (SELECT classification, region, ruled_at, ended_at FROM residency_rules WHERE subject_country IS NULL)
SELECT o.object_id AS item, 'stored in '||COALESCE(o.region,'an unknown region')||', class '||COALESCE(o.classification,'none') AS detail, o.created_at AS at FROM data_objects o
LEFT JOIN rules r ON r.classification=o.classification AND r.region=o.region AND r.ruled_at<$end AND (r.ended_at IS NULL OR r.ended_at>=$end)
WHERE o.created_at<$end AND (o.deleted_at IS NULL OR o.deleted_at>$start) AND o.kind<>'access_record' AND COALESCE(o.classification,'')<>'public' AND r.region IS NULL
UNION ALL
SELECT i.inference_id, 'answered in '||COALESCE(i.region,'an unknown region')||', class '||i.classification, i.ts FROM inferences i
LEFT JOIN rules r ON r.classification=i.classification AND r.region=i.region AND r.ruled_at<=i.ts AND (r.ended_at IS NULL OR r.ended_at>i.ts)
LEFT JOIN authorised a ON a.transfer_id=i.inference_id
WHERE i.ts>=$start AND i.ts<$end AND i.status<>'refused' AND i.classification<>'public' AND r.region IS NULL AND a.transfer_id IS NULL
UNION ALL
SELECT t.transfer_id, 'read to '||t.to_region||', class '||t.classification, t.ts FROM transfers t
LEFT JOIN rules r ON r.classification=t.classification AND r.region=t.to_region AND r.ruled_at<=t.ts AND (r.ended_at IS NULL OR r.ended_at>t.ts)
LEFT JOIN authorised a ON a.transfer_id=t.transfer_id
WHERE t.ts>=$start AND t.ts<$end AND t.decision='allow' AND t.object_ref LIKE 'dataset/%' AND t.classification<>'public' AND r.region IS NULL AND a.transfer_id IS NULL
