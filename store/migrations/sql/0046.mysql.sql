CREATE TABLE IF NOT EXISTS agent_budgets (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  tokens BIGINT,
  cost BIGINT,
  spent_tokens BIGINT NOT NULL DEFAULT 0,
  spent_cost BIGINT NOT NULL DEFAULT 0,
  set_by VARCHAR(120) NOT NULL,
  set_at BIGINT NOT NULL,
  reached_at BIGINT,
  PRIMARY KEY (installation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_agent_budgets_reached ON agent_budgets (installation_id, reached_at);
ALTER TABLE agents ADD COLUMN paused_with VARCHAR(64);
ALTER TABLE agents ADD COLUMN spent_of VARCHAR(64);
