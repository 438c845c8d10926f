SELECT k.doc_kind AS item, 'required document missing' AS detail, CAST($now AS TIMESTAMP) AS at
FROM (SELECT 'system_description' AS doc_kind UNION ALL SELECT 'data_flow_diagram' UNION ALL SELECT 'architecture_diagram' UNION ALL SELECT 'vendor_register') k
LEFT JOIN generated_docs d ON d.doc_kind=k.doc_kind WHERE d.doc_kind IS NULL
UNION ALL SELECT doc_kind, 'unapproved, review overdue, or stale for more than 30 days', generated_at FROM generated_docs
WHERE approved_by IS NULL OR review_due<$now OR (state_root<>current_state_root AND generated_at<CAST($now AS TIMESTAMP)-INTERVAL '30 days')
