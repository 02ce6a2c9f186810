CREATE TABLE IF NOT EXISTS usage_reports (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  repository_id BIGINT,
  model VARCHAR(100) NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS usage_sums (
  installation_id BIGINT NOT NULL,
  scope VARCHAR(20) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  day BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  reports BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, scope, subject, day, currency)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_usage_sums_last ON usage_sums (last_at);
CREATE TABLE IF NOT EXISTS spend_holds (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  agent_id VARCHAR(120) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  scope VARCHAR(20) NOT NULL,
  day BIGINT NOT NULL,
  level INTEGER NOT NULL,
  cap BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, agent_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
