ALTER TABLE tasks ADD COLUMN assigned_until BIGINT;
ALTER TABLE tasks ADD COLUMN queued_at BIGINT DEFAULT 0 NOT NULL;
UPDATE tasks SET queued_at = created_at;
ALTER TABLE tasks DROP INDEX ix_tasks_best;
CREATE INDEX ix_tasks_best ON tasks (installation_id, state, priority, failures, queued_at, id);
ALTER TABLE tasks DROP INDEX ix_tasks_best_in;
CREATE INDEX ix_tasks_best_in ON tasks (installation_id, repository_id, state, priority, failures, queued_at, id);
CREATE INDEX ix_tasks_reserved_until ON tasks (state, assigned_until);
CREATE TABLE IF NOT EXISTS step_offers (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  fence BIGINT NOT NULL,
  agent_id VARCHAR(64),
  until_at BIGINT,
  why VARCHAR(600) NOT NULL,
  considered LONGTEXT NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
