CREATE TABLE facts (
  name VARCHAR(60) NOT NULL,
  value VARCHAR(500) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE feature_flags (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  percentage INTEGER NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  why VARCHAR(255) NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE flag_counts (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  is_on INTEGER NOT NULL,
  hour BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  errors BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name, is_on, hour)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_flag_counts_hour ON flag_counts (hour, name);
CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  PRIMARY KEY (version_num)
);
CREATE TABLE credentials_by_id (
  id VARCHAR(60) NOT NULL,
  keyspace_id VARBINARY(128),
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE installations_by_account (
  account_id BIGINT NOT NULL,
  installation_id BIGINT NOT NULL,
  keyspace_id VARBINARY(128),
  PRIMARY KEY (account_id, installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
