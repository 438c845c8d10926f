SELECT DISTINCT request_id AS item,
 CASE WHEN (closed_at IS NULL AND due_at<$now) OR closed_at>due_at THEN 'late'
  WHEN due_at>received_at+INTERVAL '30 days' THEN 'deadline longer than 30 days'
  WHEN outcome='refused' AND reason_code IS NULL THEN 'refused without a reason'
  WHEN outcome<>'withdrawn' AND notified_at IS NULL THEN 'closed without telling whoever asked'
  ELSE 'closed without confirming who asked' END AS detail, due_at AS at
FROM dsr
WHERE kind IN ('access','correction','adm_explanation','adm_review') AND received_at<$end AND (closed_at IS NULL OR closed_at>=$start)
 AND ((closed_at IS NULL AND due_at<$now) OR closed_at>due_at
  OR due_at>received_at+INTERVAL '30 days'
  OR (outcome='refused' AND reason_code IS NULL)
  OR (outcome<>'withdrawn' AND notified_at IS NULL)
  OR (outcome<>'withdrawn' AND NOT COALESCE(identity_verified,false) AND COALESCE(reason_code,'none')<>'identity_not_confirmed'))
