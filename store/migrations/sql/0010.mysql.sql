CREATE TABLE IF NOT EXISTS code_objects (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  id VARCHAR(400) NOT NULL,
  content LONGBLOB NOT NULL,
  size BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, kind, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_code_objects_used ON code_objects (installation_id, used_at, size);
ALTER TABLE pending_reads ADD COLUMN asker VARCHAR(120) NOT NULL DEFAULT '';
