CREATE TABLE notification_targets (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  name VARCHAR(60) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed BLOB NOT NULL,
  rules TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  created_at BIGINT NOT NULL,
  created_by VARCHAR(120) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);
CREATE TABLE noticed_items (
  installation_id BIGINT NOT NULL,
  item_key VARCHAR(255) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  repository_id BIGINT,
  began BIGINT NOT NULL,
  item TEXT NOT NULL,
  PRIMARY KEY (installation_id, item_key)
);
CREATE TABLE notifications (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  target_id VARCHAR(40) NOT NULL,
  urgent INTEGER NOT NULL,
  state VARCHAR(20) NOT NULL,
  entries TEXT NOT NULL,
  more INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_notifications_due ON notifications (state, not_before);
CREATE INDEX ix_notifications_state ON notifications (installation_id, state, ended_at);
CREATE INDEX ix_notifications_target ON notifications (installation_id, target_id, state, ended_at);
CREATE TABLE notification_sweeps (
  installation_id BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id)
);
CREATE INDEX ix_notification_sweeps_due ON notification_sweeps (due_at);
