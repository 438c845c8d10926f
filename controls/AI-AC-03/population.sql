SELECT review_id AS item FROM access_reviews WHERE due_at>=$start AND due_at<$end
