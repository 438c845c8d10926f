SELECT gap_id AS item, 'no owner, phase or date; overdue; or critical outside phase 1' AS detail, due_at AS at FROM gap_items
WHERE closed_at IS NULL AND (owner_id IS NULL OR phase IS NULL OR due_at IS NULL OR due_at<$now OR (priority='critical' AND phase>1))
