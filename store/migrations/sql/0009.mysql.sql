CREATE TABLE IF NOT EXISTS notices (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  seq BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  message LONGTEXT NOT NULL,
  repository_id BIGINT,
  created_at BIGINT NOT NULL,
  seen_at BIGINT,
  PRIMARY KEY (installation_id, agent_id, seq),
  KEY ix_notices_unseen (installation_id, agent_id, seen_at, created_at),
  KEY ix_notices_age (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

ALTER TABLE leases DROP COLUMN told_at;
