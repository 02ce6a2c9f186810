CREATE INDEX ix_tool_calls_outcome ON tool_calls (outcome, at);
