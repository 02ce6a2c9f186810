CREATE TABLE IF NOT EXISTS notification_targets (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  name VARCHAR(60) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed LONGBLOB NOT NULL,
  rules LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  created_at BIGINT NOT NULL,
  created_by VARCHAR(120) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS noticed_items (
  installation_id BIGINT NOT NULL,
  item_key VARCHAR(255) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  repository_id BIGINT,
  began BIGINT NOT NULL,
  item LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, item_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS notifications (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  target_id VARCHAR(40) NOT NULL,
  urgent INTEGER NOT NULL,
  state VARCHAR(20) NOT NULL,
  entries LONGTEXT NOT NULL,
  more INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id),
  KEY ix_notifications_due (state, not_before),
  KEY ix_notifications_target (installation_id, target_id, state, ended_at),
  KEY ix_notifications_state (installation_id, state, ended_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS notification_sweeps (
  installation_id BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id),
  KEY ix_notification_sweeps_due (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
