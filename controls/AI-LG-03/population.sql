SELECT source_id||'/'||event_type AS item FROM expected_sources
