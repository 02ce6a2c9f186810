ALTER TABLE agent_runs ADD COLUMN due_at BIGINT;
ALTER TABLE agent_runs ADD COLUMN asked_at BIGINT;
ALTER TABLE agent_runs ADD COLUMN stop_step INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ix_agent_runs_due ON agent_runs (due_at);
CREATE TABLE IF NOT EXISTS run_schedules (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  template VARCHAR(40) NOT NULL,
  schedule VARCHAR(100) NOT NULL,
  next_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, template)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_run_schedules_next ON run_schedules (next_at);
