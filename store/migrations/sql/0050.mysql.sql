CREATE TABLE IF NOT EXISTS plugins (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  version VARCHAR(30) NOT NULL,
  source VARCHAR(20) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  manifest LONGTEXT NOT NULL,
  signed_by VARCHAR(60),
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  former LONGTEXT,
  revision BIGINT NOT NULL,
  installed_by VARCHAR(120) NOT NULL,
  installed_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_parts (
  installation_id BIGINT NOT NULL,
  digest VARCHAR(64) NOT NULL,
  part BIGINT NOT NULL,
  data LONGBLOB NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, digest, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_trust (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  subject VARCHAR(100) NOT NULL,
  detail VARCHAR(200) NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, kind, subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_installations (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  role VARCHAR(20) NOT NULL,
  sealed LONGBLOB NOT NULL,
  why VARCHAR(300),
  failures INTEGER NOT NULL DEFAULT 0,
  seq BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, plugin),
  KEY ix_plugin_installations_due (state, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_card_lines (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  texts LONGTEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id, plugin),
  KEY ix_plugin_card_lines_plugin (installation_id, plugin, task_id),
  KEY ix_plugin_card_lines_updated (updated_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
