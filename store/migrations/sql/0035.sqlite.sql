CREATE INDEX ix_audit_subject ON audit (installation_id, subject, actor);
CREATE INDEX ix_usage_reports_task ON usage_reports (installation_id, task_id, agent_id);
ALTER TABLE messages ADD COLUMN asked_in VARCHAR(120);
