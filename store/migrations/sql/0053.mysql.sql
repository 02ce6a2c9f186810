CREATE TABLE IF NOT EXISTS agent_endpoints (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  protocol VARCHAR(20) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed LONGBLOB NOT NULL,
  options LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  failures INTEGER NOT NULL DEFAULT 0,
  due_at BIGINT,
  taken_until BIGINT NOT NULL DEFAULT 0,
  last_success_at BIGINT,
  last_failure_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, agent_id),
  KEY ix_agent_endpoints_due (protocol, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS endpoint_deliveries (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  remote_id VARCHAR(255),
  data LONGTEXT,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id),
  KEY ix_endpoint_deliveries_next (installation_id, agent_id, state, not_before),
  KEY ix_endpoint_deliveries_agent (installation_id, agent_id, created_at),
  KEY ix_endpoint_deliveries_state (state, not_before),
  KEY ix_endpoint_deliveries_ended (installation_id, state, ended_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS endpoint_turns (
  installation_id BIGINT NOT NULL,
  delivery_id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  content LONGTEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, delivery_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
