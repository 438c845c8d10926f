SELECT change_id AS item FROM changes WHERE implemented_at>=$start AND implemented_at<$end
UNION SELECT event_id FROM stand_ins WHERE ts>=$start AND ts<$end
