CREATE TABLE IF NOT EXISTS consultations (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  asker VARCHAR(64) NOT NULL,
  sole VARCHAR(64),
  options LONGTEXT,
  quorum INTEGER NOT NULL DEFAULT 1,
  judged INTEGER NOT NULL DEFAULT 0,
  state VARCHAR(20) NOT NULL,
  outcome VARCHAR(200),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (installation_id, id),
  KEY ix_consultations_asker (installation_id, asker, state),
  KEY ix_consultations_expiry (state, expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS consultation_answers (
  installation_id BIGINT NOT NULL,
  consultation_id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  message_id VARCHAR(40) NOT NULL,
  choice VARCHAR(200),
  at BIGINT NOT NULL,
  seen_at BIGINT,
  PRIMARY KEY (installation_id, consultation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS wait_circles (
  installation_id BIGINT NOT NULL,
  circle_id VARCHAR(40) NOT NULL,
  place INTEGER NOT NULL,
  waiter VARCHAR(120) NOT NULL,
  awaited VARCHAR(120) NOT NULL,
  kind VARCHAR(10) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  blocker VARCHAR(40),
  found_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, circle_id, place)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
