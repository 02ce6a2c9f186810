CREATE TABLE plugins (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  version VARCHAR(30) NOT NULL,
  source VARCHAR(20) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  manifest TEXT NOT NULL,
  signed_by VARCHAR(60),
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  former TEXT,
  revision BIGINT NOT NULL,
  installed_by VARCHAR(120) NOT NULL,
  installed_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
);
CREATE TABLE plugin_parts (
  installation_id BIGINT NOT NULL,
  digest VARCHAR(64) NOT NULL,
  part BIGINT NOT NULL,
  data BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, digest, part)
);
CREATE TABLE plugin_trust (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  subject VARCHAR(100) NOT NULL,
  detail VARCHAR(200) NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, kind, subject)
);
CREATE TABLE plugin_installations (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  role VARCHAR(20) NOT NULL,
  sealed BLOB NOT NULL,
  why VARCHAR(300),
  failures INTEGER NOT NULL DEFAULT 0,
  seq BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, plugin)
);
CREATE INDEX ix_plugin_installations_due ON plugin_installations (state, due_at);
CREATE TABLE plugin_card_lines (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  texts TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id, plugin)
);
CREATE INDEX ix_plugin_card_lines_plugin ON plugin_card_lines (installation_id, plugin, task_id);
CREATE INDEX ix_plugin_card_lines_updated ON plugin_card_lines (updated_at);
