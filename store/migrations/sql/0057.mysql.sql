CREATE TABLE IF NOT EXISTS plugin_registries (
  installation_id BIGINT NOT NULL,
  place VARCHAR(255) NOT NULL,
  source VARCHAR(20) NOT NULL,
  signed_by VARCHAR(60) NOT NULL,
  number BIGINT NOT NULL,
  content LONGBLOB,
  digest VARCHAR(64),
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  home BIGINT,
  repository_id BIGINT,
  is_public INTEGER NOT NULL,
  look_at BIGINT NOT NULL,
  read_at BIGINT,
  added_by VARCHAR(120) NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, place)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_ratings (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  likes BIGINT NOT NULL,
  dislikes BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS plugin_forwards (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  guid VARCHAR(80) NOT NULL,
  event VARCHAR(80) NOT NULL,
  repository_id BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  why VARCHAR(300),
  PRIMARY KEY (installation_id, plugin, guid),
  KEY ix_plugin_forwards_next (installation_id, plugin, state, received_at),
  KEY ix_plugin_forwards_state (state, not_before)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
