SELECT object_id AS item, 'unclassified after a day' AS detail, created_at AS at FROM data_objects
WHERE created_at<$end AND (deleted_at IS NULL OR deleted_at>$start) AND created_at<CAST($now AS TIMESTAMP)-INTERVAL '1 day'
 AND (classification IS NULL OR classified_at IS NULL OR classified_at>created_at+INTERVAL '1 day')
UNION ALL SELECT o.object_id, f.category||' found in class '||o.classification||COALESCE(', field '||f.field,'')||CASE WHEN f.resolution='accepted' THEN ': no longer accepted' ELSE ': not settled in time' END, f.ts
FROM pii_findings f JOIN data_objects o ON o.object_id=f.object_id
LEFT JOIN pii_findings n ON n.dataset_id=f.dataset_id AND n.category=f.category AND COALESCE(n.field,'')=COALESCE(f.field,'') AND n.ts>f.ts
WHERE n.finding_id IS NULL AND f.why<>'undeclared' AND f.ts<$end
 AND ((f.resolved_at IS NULL AND f.due_at<CAST($now AS TIMESTAMP)) OR f.accepted_until<CAST($now AS TIMESTAMP))
 AND o.created_at<$end AND (o.deleted_at IS NULL OR o.deleted_at>$start)
