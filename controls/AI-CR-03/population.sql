SELECT endpoint_id AS item FROM endpoints
WHERE (retired_at IS NULL OR retired_at>$start) AND NOT (endpoint_id LIKE 'redirect/%' AND COALESCE(client_auth,'unknown')='redirects')
