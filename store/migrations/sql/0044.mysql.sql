CREATE TABLE IF NOT EXISTS gate_votes (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  voter VARCHAR(120) NOT NULL,
  approves INTEGER NOT NULL,
  note LONGTEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, workflow_id, step, voter)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plan_proposals (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  proposed_by VARCHAR(120) NOT NULL,
  lease_id VARCHAR(40) NOT NULL,
  strategy VARCHAR(40),
  note LONGTEXT NOT NULL,
  definition LONGTEXT NOT NULL,
  size BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  decided_by VARCHAR(120),
  why VARCHAR(600),
  workflow_id VARCHAR(40),
  created_at BIGINT NOT NULL,
  decided_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_plan_proposals_task ON plan_proposals (installation_id, task_id, created_at, id);
CREATE INDEX ix_plan_proposals_state ON plan_proposals (installation_id, state, created_at);
