CREATE INDEX ix_tasks_ended ON tasks (installation_id, repository_id, ended_at);
CREATE TABLE digests (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  every VARCHAR(10) NOT NULL,
  next_at BIGINT NOT NULL,
  write_id VARCHAR(40),
  comment_id BIGINT,
  shown VARCHAR(20),
  PRIMARY KEY (installation_id, repository_id)
);
CREATE INDEX ix_digests_next ON digests (next_at);
