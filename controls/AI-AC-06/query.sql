WITH done AS (
 SELECT a.* FROM approvals a JOIN changes c ON c.change_id=a.approval_id WHERE c.implemented_at>=$start AND c.implemented_at<$end),
votes AS (
 SELECT approval_id, principal_id, ts FROM approval_votes WHERE vote='approve'
 UNION ALL SELECT approval_id, on_behalf_of, ts FROM approval_votes WHERE vote='approve' AND on_behalf_of IS NOT NULL)
SELECT d.approval_id AS item, 'approved by '||v.principal_id||', who asked for it' AS detail, d.used_at AS at
FROM done d JOIN votes v ON v.approval_id=d.approval_id AND v.principal_id IN (d.requested_by, d.requested_by_person)
UNION ALL SELECT d.approval_id, 'approved by '||v.principal_id||', who carried it out', d.used_at
FROM done d JOIN votes v ON v.approval_id=d.approval_id AND v.principal_id IN (d.used_by, d.used_by_person)
UNION ALL SELECT d.approval_id, 'approved by '||v.principal_id||', who trained the model', d.used_at
FROM done d JOIN votes v ON v.approval_id=d.approval_id AND strpos(','||d.trained_by||',', ','||v.principal_id||',')>0
UNION ALL SELECT d.approval_id, 'approved by '||v.principal_id||', who gains by it', d.used_at
FROM done d JOIN votes v ON v.approval_id=d.approval_id AND v.principal_id=d.beneficiary
UNION ALL SELECT d.approval_id, 'carried out by '||d.used_by||', who trained the model', d.used_at
FROM done d WHERE strpos(','||d.trained_by||',', ','||d.used_by||',')>0 OR strpos(','||d.trained_by||',', ','||d.used_by_person||',')>0
UNION ALL SELECT d.approval_id, CAST(COUNT(v.principal_id) AS VARCHAR)||' of '||CAST(d.quorum AS VARCHAR)||' approved before it was carried out', d.used_at
FROM done d LEFT JOIN approval_votes v ON v.approval_id=d.approval_id AND v.vote='approve' AND v.ts<=d.used_at
GROUP BY d.approval_id, d.quorum, d.used_at HAVING COUNT(v.principal_id)<d.quorum
UNION ALL SELECT event_id, principal_id||' stood in for '||duty||': '||command||' on '||resource, ts
FROM stand_ins WHERE ts>=$start AND ts<$end
