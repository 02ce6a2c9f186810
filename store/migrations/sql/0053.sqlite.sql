CREATE TABLE agent_endpoints (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  protocol VARCHAR(20) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed BLOB NOT NULL,
  options TEXT NOT NULL,
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
  PRIMARY KEY (installation_id, agent_id)
);
CREATE INDEX ix_agent_endpoints_due ON agent_endpoints (protocol, due_at);
CREATE TABLE endpoint_deliveries (
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
  data TEXT,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_endpoint_deliveries_next ON endpoint_deliveries (installation_id, agent_id, state, not_before);
CREATE INDEX ix_endpoint_deliveries_agent ON endpoint_deliveries (installation_id, agent_id, created_at);
CREATE INDEX ix_endpoint_deliveries_state ON endpoint_deliveries (state, not_before);
CREATE INDEX ix_endpoint_deliveries_ended ON endpoint_deliveries (installation_id, state, ended_at);
CREATE TABLE endpoint_turns (
  installation_id BIGINT NOT NULL,
  delivery_id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  content TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, delivery_id, seq)
);
