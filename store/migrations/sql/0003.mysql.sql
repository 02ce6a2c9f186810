ALTER TABLE comments ADD COLUMN node_id VARCHAR(100) NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN loop_between VARCHAR(300);
ALTER TABLE writes ADD COLUMN lane INTEGER NOT NULL DEFAULT 1;
ALTER TABLE writes ADD COLUMN told_at BIGINT;
CREATE INDEX ix_writes_author ON writes (installation_id, author, state, finished_at);
ALTER TABLE senders ADD COLUMN last_notified_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE senders ADD COLUMN streak INTEGER NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS allowances (
  installation_id BIGINT NOT NULL,
  name VARCHAR(20) NOT NULL,
  full_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS spending (
  installation_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  author VARCHAR(120) NOT NULL,
  requests BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, hour, author),
  KEY ix_spending_author (installation_id, author, last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
