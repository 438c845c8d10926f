SELECT t.transfer_id AS item,
 CASE WHEN t.policy_id IS NULL AND t.authorisation_id IS NULL THEN 'went from '||t.from_region||' to '||t.to_region||' by no rule'
      WHEN t.authorisation_id IS NOT NULL AND a.authorisation_id IS NULL THEN 'went by an authorisation that did not hold'
      ELSE 'data about people went from '||t.from_region||' to '||t.to_region||' without a legal basis' END AS detail, t.ts AS at
FROM transfers t
LEFT JOIN transfer_authorisations a ON a.authorisation_id=t.authorisation_id AND a.classification=t.classification
 AND a.authorised_at<=t.ts AND a.expires_at>t.ts AND (a.revoked_at IS NULL OR a.revoked_at>=t.ts)
WHERE t.ts>=$start AND t.ts<$end AND t.crosses AND t.decision='allow'
 AND ((t.policy_id IS NULL AND t.authorisation_id IS NULL) OR (t.authorisation_id IS NOT NULL AND a.authorisation_id IS NULL)
  OR (t.contains_pii AND COALESCE(t.legal_basis,'none') IN ('none','not_personal')))
