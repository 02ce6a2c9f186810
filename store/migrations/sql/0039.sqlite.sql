CREATE TABLE feature_flags (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  percentage INTEGER NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  why VARCHAR(255) NOT NULL,
  PRIMARY KEY (installation_id, name)
);
CREATE TABLE flag_counts (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  is_on INTEGER NOT NULL,
  hour BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  errors BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name, is_on, hour)
);
CREATE INDEX ix_flag_counts_hour ON flag_counts (hour, name);
