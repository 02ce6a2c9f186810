CREATE TABLE agent_runs (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  template VARCHAR(40) NOT NULL,
  task_id VARCHAR(40),
  prompt TEXT,
  agent_id VARCHAR(64) NOT NULL,
  role VARCHAR(20) NOT NULL,
  model VARCHAR(100) NOT NULL,
  priority INTEGER NOT NULL,
  workflow VARCHAR(200) NOT NULL,
  ref VARCHAR(255) NOT NULL,
  inputs TEXT NOT NULL,
  parent_id VARCHAR(40),
  root_id VARCHAR(40) NOT NULL,
  depth INTEGER NOT NULL,
  asked_by VARCHAR(120) NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(600),
  write_id VARCHAR(40),
  workflow_run_id BIGINT,
  run_attempt INTEGER,
  result TEXT,
  result_is_final INTEGER DEFAULT 0 NOT NULL,
  outcome VARCHAR(20),
  minutes BIGINT,
  children BIGINT,
  deepest INTEGER,
  tokens BIGINT,
  cost BIGINT,
  schedule_slot BIGINT,
  created_at BIGINT NOT NULL,
  dispatched_at BIGINT,
  started_at BIGINT,
  ended_at BIGINT,
  deadline_at BIGINT,
  PRIMARY KEY (installation_id, id)
);
CREATE UNIQUE INDEX ix_agent_runs_agent ON agent_runs (installation_id, agent_id);
CREATE INDEX ix_agent_runs_queue ON agent_runs (installation_id, repository_id, state, priority, created_at, id);
CREATE INDEX ix_agent_runs_root ON agent_runs (installation_id, root_id);
CREATE UNIQUE INDEX ix_agent_runs_slot ON agent_runs (installation_id, repository_id, template, schedule_slot);
CREATE INDEX ix_agent_runs_state ON agent_runs (state, installation_id, repository_id);
CREATE INDEX ix_agent_runs_task ON agent_runs (installation_id, task_id, created_at);
CREATE UNIQUE INDEX ix_agent_runs_workflow ON agent_runs (installation_id, workflow_run_id);
CREATE INDEX ix_agent_runs_write ON agent_runs (installation_id, write_id);
