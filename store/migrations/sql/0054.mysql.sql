CREATE TABLE IF NOT EXISTS tenants (
  installation_id BIGINT NOT NULL,
  quotas LONGTEXT NOT NULL,
  caps VARCHAR(200) NOT NULL,
  name VARCHAR(60) NOT NULL,
  color VARCHAR(7) NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS tenant_counts (
  installation_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (installation_id, day, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS tenant_cursors (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  stored_bytes BIGINT NOT NULL,
  tool_call VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
