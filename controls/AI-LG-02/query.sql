SELECT object_id AS item, 'lock missing or too short' AS detail, written_at AS at FROM ledger_objects
WHERE written_at<$end AND required_until>$start AND (locked_until IS NULL OR locked_until<required_until)
UNION ALL SELECT object_id, 'deletion attempted', written_at FROM ledger_objects WHERE written_at<$end AND required_until>$start AND delete_attempts>0
