ALTER TABLE check_runs ADD COLUMN url VARCHAR(500) NOT NULL DEFAULT '';
ALTER TABLE workflow_jobs ADD COLUMN url VARCHAR(500) NOT NULL DEFAULT '';
ALTER TABLE workflow_jobs ADD COLUMN failed_steps VARCHAR(500) NOT NULL DEFAULT '';
CREATE TABLE head_checks (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  conclusion VARCHAR(20) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  check_run_id BIGINT,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, head_sha),
  KEY ix_head_checks_at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE check_overrides (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  decided_by VARCHAR(120) NOT NULL,
  note VARCHAR(500) NOT NULL,
  rules VARCHAR(200) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
