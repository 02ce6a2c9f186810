CREATE TABLE tool_cache (
  installation_id BIGINT NOT NULL,
  cache_key VARCHAR(64) NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  expires_at BIGINT NOT NULL,
  result TEXT NOT NULL,
  PRIMARY KEY (installation_id, cache_key)
);
CREATE INDEX ix_tool_cache_expires ON tool_cache (expires_at);
CREATE TABLE tool_calls (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  caller VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  at BIGINT NOT NULL,
  outcome VARCHAR(40) NOT NULL,
  duration BIGINT NOT NULL,
  size BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  cached INTEGER NOT NULL DEFAULT 0,
  served_by VARCHAR(40),
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_tool_calls_task ON tool_calls (installation_id, task_id);
CREATE INDEX ix_tool_calls_tool ON tool_calls (installation_id, mount_id, tool, id);
CREATE TABLE tool_usage (
  installation_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  calls BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  minute BIGINT NOT NULL,
  minute_calls BIGINT NOT NULL,
  PRIMARY KEY (installation_id, day, mount_id, tool)
);
