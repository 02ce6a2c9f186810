CREATE TABLE IF NOT EXISTS credentials (
  id VARCHAR(60) NOT NULL,
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  family VARCHAR(60),
  actor VARCHAR(120) NOT NULL,
  person_id BIGINT,
  role VARCHAR(20) NOT NULL,
  repositories LONGTEXT,
  name VARCHAR(200) DEFAULT '' NOT NULL,
  client VARCHAR(500) DEFAULT '' NOT NULL,
  data LONGTEXT,
  hash VARCHAR(64) NOT NULL,
  generation BIGINT DEFAULT 0 NOT NULL,
  created_at BIGINT NOT NULL,
  created_by VARCHAR(120) DEFAULT '' NOT NULL,
  expires_at BIGINT,
  last_used_at BIGINT,
  uses_left BIGINT,
  revoked_at BIGINT,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_credentials_actor ON credentials (installation_id, actor);
CREATE INDEX ix_credentials_revoked ON credentials (revoked_at);
CREATE INDEX ix_credentials_expires ON credentials (expires_at);
-- The second time, it is gone already.
CREATE TABLE IF NOT EXISTS agent_keys (
  id VARCHAR(40) NOT NULL,
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  role VARCHAR(20) NOT NULL,
  hash VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
INSERT IGNORE INTO credentials (id, installation_id, kind, actor, role, hash, created_at, revoked_at)
  SELECT id, installation_id, 'api_key', agent_id, role, hash, created_at, revoked_at FROM agent_keys;
DROP TABLE IF EXISTS agent_keys;
