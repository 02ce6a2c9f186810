ALTER TABLE workflows ADD COLUMN started_role VARCHAR(20);
ALTER TABLE workflow_steps ADD COLUMN call_at BIGINT;
ALTER TABLE workflow_steps ADD COLUMN call_id VARCHAR(40);
CREATE INDEX ix_workflow_steps_call ON workflow_steps (call_at);
