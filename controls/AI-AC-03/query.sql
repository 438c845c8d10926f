SELECT review_id AS item, 'late or not done' AS detail, due_at AS at FROM access_reviews
WHERE due_at>=$start AND due_at<$end AND ((completed_at IS NULL AND due_at<$now) OR completed_at>due_at)
UNION ALL SELECT review_id, 'population not frozen or empty', completed_at FROM access_reviews
WHERE due_at>=$start AND due_at<$end AND completed_at IS NOT NULL AND (population_root IS NULL OR COALESCE(population_count,0)=0)
UNION ALL SELECT review_id, 'removals not carried out', completed_at FROM access_reviews
WHERE due_at>=$start AND due_at<$end AND completed_at IS NOT NULL AND COALESCE(removals_done,0)<COALESCE(removals_requested,0)
UNION ALL SELECT i.review_id, 'decided by the holder: '||COALESCE(i.grant_id, i.credential_id), i.decided_at FROM access_review_items i
JOIN access_reviews r ON r.review_id=i.review_id LEFT JOIN principals p ON p.principal_id=i.principal_id
WHERE r.due_at>=$start AND r.due_at<$end AND i.decided_by IN (i.principal_id, p.owner_id)
UNION ALL SELECT i.review_id, 'taken away and still good: '||i.credential_id, i.decided_at FROM access_review_items i
JOIN access_reviews r ON r.review_id=i.review_id JOIN credentials c ON c.credential_id=i.credential_id
WHERE r.due_at>=$start AND r.due_at<$end AND i.outcome='removed' AND c.status IN ('live', 'ending')
