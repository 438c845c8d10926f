SELECT control_id||'/'||CAST(due_at AS VARCHAR) AS item FROM control_schedule WHERE due_at>=$start AND due_at<$end
