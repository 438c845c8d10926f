SELECT t.transfer_id AS item, CASE WHEN t.authorisation_id IS NULL THEN 'data about people moved in clear to '||t.to_system
 ELSE 'data about people moved to '||t.to_system||' by an authorisation that did not hold' END AS detail, t.ts AS at FROM transfers t
LEFT JOIN transfer_authorisations a ON a.authorisation_id=t.authorisation_id AND a.classification=t.classification
 AND a.authorised_at<=t.ts AND a.expires_at>t.ts AND (a.revoked_at IS NULL OR a.revoked_at>=t.ts)
WHERE t.ts>=$start AND t.ts<$end AND t.contains_pii AND t.decision='allow'
 AND (COALESCE(t.protection,'none') NOT IN ('tokenised','redacted','pseudonymised','approved_exception')
  OR (t.protection='approved_exception' AND a.authorisation_id IS NULL))
