CREATE TABLE tenants (
  installation_id BIGINT NOT NULL,
  quotas TEXT NOT NULL,
  caps VARCHAR(200) NOT NULL,
  name VARCHAR(60) NOT NULL,
  color VARCHAR(7) NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id)
);
CREATE TABLE tenant_counts (
  installation_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (installation_id, day, name)
);
CREATE TABLE tenant_cursors (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  stored_bytes BIGINT NOT NULL,
  tool_call VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id)
);
