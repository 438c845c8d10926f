SELECT transfer_id AS item FROM transfers WHERE ts>=$start AND ts<$end AND crosses
