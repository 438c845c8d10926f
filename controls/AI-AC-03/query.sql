WITH due AS (
 SELECT * FROM access_reviews
 WHERE LEAST(due_at, COALESCE(completed_at, due_at))<$end AND COALESCE(completed_at, CAST($end AS TIMESTAMP))>=$start),
held AS (
 SELECT grant_id, role, granted_at,
  LEAST(COALESCE(revoked_at, CAST($end AS TIMESTAMP)), COALESCE(expires_at, CAST($end AS TIMESTAMP)), CAST($end AS TIMESTAMP)) AS until
 FROM role_grants WHERE privileged AND granted_at<$end),
looked_at AS (
 SELECT grant_id, granted_at AS since FROM held
 UNION SELECT i.grant_id, r.completed_at FROM access_review_items i JOIN access_reviews r ON r.review_id=i.review_id
 WHERE i.grant_id IS NOT NULL AND r.completed_at IS NOT NULL),
gaps AS (
 SELECT h.grant_id, h.role, l.since, LEAST(h.until, COALESCE(MIN(m.since), h.until)) AS until
 FROM held h JOIN looked_at l ON l.grant_id=h.grant_id LEFT JOIN looked_at m ON m.grant_id=l.grant_id AND m.since>l.since
 GROUP BY h.grant_id, h.role, h.until, l.since)
SELECT review_id AS item, 'late or not done' AS detail, due_at AS at FROM due
WHERE (completed_at IS NULL AND due_at<$now) OR completed_at>due_at
UNION ALL SELECT review_id, 'population not frozen or empty', completed_at FROM due
WHERE completed_at IS NOT NULL AND (population_root IS NULL OR COALESCE(population_count,0)=0)
UNION ALL SELECT review_id, 'removals not carried out', completed_at FROM due
WHERE completed_at IS NOT NULL AND COALESCE(removals_done,0)<COALESCE(removals_requested,0)
UNION ALL SELECT i.review_id, 'decided by the holder: '||COALESCE(i.grant_id, i.credential_id), i.decided_at FROM access_review_items i
JOIN due r ON r.review_id=i.review_id LEFT JOIN account_owners o ON o.principal_id=i.principal_id AND o.owner_id=i.decided_by
 AND o.since<=i.decided_at AND (o.until IS NULL OR o.until>i.decided_at)
WHERE i.decided_by=i.principal_id OR o.owner_id IS NOT NULL
UNION ALL SELECT i.review_id, 'taken away and still good: '||i.credential_id, i.decided_at FROM access_review_items i
JOIN due r ON r.review_id=i.review_id JOIN credentials c ON c.credential_id=i.credential_id
WHERE i.outcome='removed' AND c.status IN ('live', 'ending')
UNION ALL SELECT grant_id, role||' held for 92 days without a finished review', since+INTERVAL '92 days' FROM gaps
WHERE until>since+INTERVAL '92 days' AND until>$start
