CREATE TABLE IF NOT EXISTS workflow_definitions (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  sha VARCHAR(64),
  definition LONGTEXT,
  problem LONGTEXT,
  problem_sha VARCHAR(64),
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS workflows (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  definition LONGTEXT NOT NULL,
  inputs LONGTEXT NOT NULL,
  parent_task_id VARCHAR(40) NOT NULL,
  started_by VARCHAR(120) NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(600),
  context_id VARCHAR(40),
  most_open INTEGER NOT NULL,
  schedule_slot BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_workflows_ended ON workflows (installation_id, ended_at);
CREATE INDEX ix_workflows_parent ON workflows (installation_id, parent_task_id, created_at);
CREATE UNIQUE INDEX ix_workflows_slot ON workflows (installation_id, repository_id, name, schedule_slot);
CREATE INDEX ix_workflows_state ON workflows (installation_id, state, created_at, id);
CREATE TABLE IF NOT EXISTS workflow_steps (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  place INTEGER NOT NULL,
  definition LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  context_version BIGINT,
  deadline_at BIGINT,
  opened_at BIGINT,
  ended_at BIGINT,
  spawn_at BIGINT,
  PRIMARY KEY (installation_id, workflow_id, step)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_workflow_steps_deadline ON workflow_steps (deadline_at);
CREATE INDEX ix_workflow_steps_spawn ON workflow_steps (spawn_at);
CREATE UNIQUE INDEX ix_workflow_steps_task ON workflow_steps (installation_id, task_id);
CREATE TABLE IF NOT EXISTS workflow_needs (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  needs VARCHAR(60) NOT NULL,
  state VARCHAR(10) NOT NULL,
  PRIMARY KEY (installation_id, workflow_id, step, needs)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS workflow_schedules (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  schedule VARCHAR(100) NOT NULL,
  next_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_workflow_schedules_next ON workflow_schedules (next_at);
