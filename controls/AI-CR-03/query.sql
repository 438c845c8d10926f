SELECT endpoint_id AS item,
 CASE WHEN checked_at IS NULL THEN 'never reached by a probe'
  WHEN tls_min IS NULL THEN 'no TLS, zone '||COALESCE(zone,'unknown')
  WHEN tls_min<'1.2' THEN 'accepts TLS '||tls_min
  WHEN client_auth IS NULL THEN 'unknown whether it authenticates callers'
  WHEN client_auth<>'required' THEN 'no client authentication'
  ELSE 'probe stale' END AS detail, checked_at AS at
FROM endpoints
WHERE (retired_at IS NULL OR retired_at>$start) AND NOT (endpoint_id LIKE 'redirect/%' AND COALESCE(client_auth,'unknown')='redirects')
 AND (tls_min IS NULL OR tls_min<'1.2' OR client_auth IS NULL OR client_auth<>'required' OR checked_at IS NULL
  OR (retired_at IS NULL AND checked_at<CAST($now AS TIMESTAMP)-INTERVAL '7 days') OR checked_at<retired_at-INTERVAL '7 days')
