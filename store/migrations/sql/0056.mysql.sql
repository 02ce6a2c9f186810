CREATE TABLE IF NOT EXISTS plugin_values (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  name VARCHAR(100) NOT NULL,
  version BIGINT NOT NULL,
  sealed LONGBLOB NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, plugin, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
