SELECT dataset_id||'@'||version AS item, 'no licence, or no lawful basis for data about people' AS detail, created_at AS at FROM datasets
WHERE created_at<$end AND (ended_at IS NULL OR ended_at>$start) AND (licence IS NULL OR (classification IN ('personal','sensitive') AND lawful_basis IS NULL))
UNION ALL SELECT d.dataset_id||'@'||d.version, 'field about people without purpose or justification: '||f.field, d.created_at
FROM datasets d JOIN dataset_fields f ON f.dataset_id=d.dataset_id AND f.version=d.version
WHERE d.created_at<$end AND (d.ended_at IS NULL OR d.ended_at>$start) AND f.sensitivity IN ('personal','sensitive') AND (f.purpose_id IS NULL OR f.justification_hash IS NULL)
