SELECT gap_id AS item FROM gap_items WHERE closed_at IS NULL OR closed_at>=$start
