CREATE TABLE IF NOT EXISTS protocol_contexts (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  owner VARCHAR(120) NOT NULL,
  context_id VARCHAR(200) NOT NULL,
  message VARCHAR(60) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id),
  KEY ix_protocol_contexts_context (installation_id, owner, context_id, at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
