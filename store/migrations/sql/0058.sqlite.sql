CREATE TABLE trackers (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  url VARCHAR(1000) NOT NULL,
  project VARCHAR(40) NOT NULL,
  project_name VARCHAR(255) NOT NULL,
  repository_id BIGINT NOT NULL,
  sealed BLOB NOT NULL,
  user_id BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  version BIGINT NOT NULL,
  health VARCHAR(20) NOT NULL,
  health_why VARCHAR(600),
  failures INTEGER DEFAULT 0 NOT NULL,
  cursor_at BIGINT,
  cursor_page BIGINT DEFAULT 0 NOT NULL,
  sweep BIGINT DEFAULT 0 NOT NULL,
  sweep_page BIGINT DEFAULT 0 NOT NULL,
  sweep_at BIGINT NOT NULL,
  etag VARCHAR(300),
  rules VARCHAR(64),
  seq BIGINT DEFAULT 0 NOT NULL,
  poll_at BIGINT NOT NULL,
  due_at BIGINT,
  taken_until BIGINT DEFAULT 0 NOT NULL,
  limited_until BIGINT DEFAULT 0 NOT NULL,
  report_at BIGINT DEFAULT 0 NOT NULL,
  last_poll_at BIGINT,
  last_failure_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_trackers_due ON trackers (due_at);
CREATE UNIQUE INDEX ix_trackers_name ON trackers (installation_id, name);
CREATE TABLE tracker_links (
  installation_id BIGINT NOT NULL,
  tracker_id VARCHAR(40) NOT NULL,
  foreign_id VARCHAR(40) NOT NULL,
  number BIGINT NOT NULL,
  url VARCHAR(1000) NOT NULL,
  version BIGINT NOT NULL,
  hash VARCHAR(64) NOT NULL,
  content TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  task_id VARCHAR(40),
  written TEXT,
  pending TEXT,
  kept TEXT NOT NULL,
  sweep BIGINT DEFAULT 0 NOT NULL,
  missing_at BIGINT,
  look_at BIGINT,
  due_at BIGINT,
  reported VARCHAR(80),
  reports INTEGER DEFAULT 0 NOT NULL,
  report_at BIGINT DEFAULT 0 NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, tracker_id, foreign_id)
);
CREATE INDEX ix_tracker_links_due ON tracker_links (installation_id, tracker_id, due_at);
CREATE INDEX ix_tracker_links_look ON tracker_links (installation_id, tracker_id, look_at);
CREATE INDEX ix_tracker_links_state ON tracker_links (installation_id, tracker_id, state, number);
CREATE INDEX ix_tracker_links_task ON tracker_links (installation_id, task_id);
CREATE TABLE tracker_reports (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  tracker_id VARCHAR(40) NOT NULL,
  foreign_id VARCHAR(40) NOT NULL,
  number BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  about VARCHAR(80) NOT NULL,
  body TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  looks INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_tracker_reports_ended ON tracker_reports (state, not_before);
CREATE INDEX ix_tracker_reports_link ON tracker_reports (installation_id, tracker_id, foreign_id, state);
CREATE INDEX ix_tracker_reports_next ON tracker_reports (installation_id, tracker_id, state, not_before, id);
