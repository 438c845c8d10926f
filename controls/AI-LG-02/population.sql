SELECT object_id AS item FROM ledger_objects WHERE written_at<$end AND required_until>$start
