WITH held AS (
 SELECT *, COALESCE(revoked_at, CASE WHEN expires_at<CAST($now AS TIMESTAMP) THEN expires_at END, CAST($now AS TIMESTAMP)) AS until
 FROM role_grants
 WHERE reference LIKE 'group:%' AND granted_at<$end AND COALESCE(revoked_at, expires_at, CAST($end AS TIMESTAMP))>$start),
members AS (
 SELECT 'group:'||group_id AS reference, principal_id, COUNT(*)-COUNT(removed_at) AS now_in, MAX(removed_at) AS gone
 FROM group_members GROUP BY group_id, principal_id)
SELECT h.grant_id AS item, 'still held after its holder left the group' AS detail, m.gone AS at
FROM held h JOIN members m ON m.reference=h.reference AND m.principal_id=h.principal_id
WHERE m.now_in=0 AND h.until>m.gone+INTERVAL '1 minute'
UNION ALL SELECT h.grant_id, 'its holder was never in the group', h.granted_at
FROM held h LEFT JOIN members m ON m.reference=h.reference AND m.principal_id=h.principal_id
WHERE m.reference IS NULL
