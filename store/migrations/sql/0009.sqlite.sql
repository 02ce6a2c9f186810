CREATE TABLE notices (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  seq BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  message TEXT NOT NULL,
  repository_id BIGINT,
  created_at BIGINT NOT NULL,
  seen_at BIGINT,
  PRIMARY KEY (installation_id, agent_id, seq)
);

CREATE INDEX ix_notices_unseen ON notices (installation_id, agent_id, seen_at, created_at);
CREATE INDEX ix_notices_age ON notices (created_at);

ALTER TABLE leases DROP COLUMN told_at;
