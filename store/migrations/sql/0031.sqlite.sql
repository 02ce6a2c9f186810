ALTER TABLE agent_runs ADD COLUMN due_at BIGINT;
ALTER TABLE agent_runs ADD COLUMN asked_at BIGINT;
ALTER TABLE agent_runs ADD COLUMN stop_step INTEGER DEFAULT 0 NOT NULL;
CREATE INDEX ix_agent_runs_due ON agent_runs (due_at);
CREATE TABLE run_schedules (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  template VARCHAR(40) NOT NULL,
  schedule VARCHAR(100) NOT NULL,
  next_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, template)
);
CREATE INDEX ix_run_schedules_next ON run_schedules (next_at);
