ALTER TABLE comments ADD COLUMN node_id VARCHAR(100) DEFAULT '' NOT NULL;
ALTER TABLE tasks ADD COLUMN loop_between VARCHAR(300);
ALTER TABLE writes ADD COLUMN lane INTEGER DEFAULT 1 NOT NULL;
ALTER TABLE writes ADD COLUMN told_at BIGINT;
CREATE INDEX ix_writes_author ON writes (installation_id, author, state, finished_at);
ALTER TABLE senders ADD COLUMN last_notified_at BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE senders ADD COLUMN streak INTEGER DEFAULT 0 NOT NULL;
CREATE TABLE allowances (
  installation_id BIGINT NOT NULL,
  name VARCHAR(20) NOT NULL,
  full_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
);
CREATE TABLE spending (
  installation_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  author VARCHAR(120) NOT NULL,
  requests BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, hour, author)
);
CREATE INDEX ix_spending_author ON spending (installation_id, author, last_at);
