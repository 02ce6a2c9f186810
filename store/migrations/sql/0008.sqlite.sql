ALTER TABLE tasks ADD COLUMN stuck_at BIGINT;
CREATE INDEX ix_tasks_stuck ON tasks (installation_id, stuck_at);
