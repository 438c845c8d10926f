SELECT doc_kind AS item FROM generated_docs
UNION SELECT k.doc_kind FROM (SELECT 'system_description' AS doc_kind UNION ALL SELECT 'data_flow_diagram' UNION ALL SELECT 'architecture_diagram' UNION ALL SELECT 'vendor_register') k
