CREATE TABLE protocol_contexts (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  owner VARCHAR(120) NOT NULL,
  context_id VARCHAR(200) NOT NULL,
  message VARCHAR(60) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id)
);
CREATE INDEX ix_protocol_contexts_context ON protocol_contexts (installation_id, owner, context_id, at);
