CREATE TABLE mounts (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  url VARCHAR(1000) NOT NULL,
  sealed BLOB NOT NULL,
  options TEXT NOT NULL,
  document TEXT,
  repositories TEXT,
  state VARCHAR(20) NOT NULL,
  version BIGINT NOT NULL,
  manifest_hash VARCHAR(64),
  listed_at BIGINT,
  health VARCHAR(20) NOT NULL,
  health_why VARCHAR(600),
  last_success_at BIGINT,
  last_failure_at BIGINT,
  failures INTEGER NOT NULL DEFAULT 0,
  probe_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);
CREATE UNIQUE INDEX ix_mounts_name ON mounts (installation_id, name);
CREATE INDEX ix_mounts_probe ON mounts (probe_at);
CREATE TABLE mount_log (
  installation_id BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  level VARCHAR(10) NOT NULL,
  text VARCHAR(1000) NOT NULL,
  PRIMARY KEY (installation_id, mount_id, seq)
);
CREATE INDEX ix_mount_log_at ON mount_log (at);
CREATE TABLE tools (
  installation_id BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  name VARCHAR(128) NOT NULL,
  title VARCHAR(300) NOT NULL,
  description TEXT NOT NULL,
  input_schema TEXT NOT NULL,
  output_schema TEXT,
  hints TEXT NOT NULL,
  hash VARCHAR(64) NOT NULL,
  state VARCHAR(20) NOT NULL,
  proposed TEXT,
  policy TEXT NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  accepted_by VARCHAR(120),
  PRIMARY KEY (installation_id, mount_id, name)
);
CREATE INDEX ix_tools_pinned ON tools (installation_id, pinned, mount_id, name);
CREATE INDEX ix_tools_state ON tools (installation_id, state, mount_id, name);
