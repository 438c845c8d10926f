SELECT c.call_id AS item, CASE WHEN t.tool IS NULL THEN 'tool not granted to the agent' ELSE 'side effect without approval' END AS detail, c.ts AS at
FROM tool_calls c LEFT JOIN agent_tools t ON t.agent_id=c.agent_id AND t.tool=c.tool
WHERE c.ts>=$start AND c.ts<$end AND c.executed AND (t.tool IS NULL OR (t.needs_approval AND c.side_effect AND c.approval_id IS NULL))
