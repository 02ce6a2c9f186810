ALTER TABLE review_comments ADD COLUMN diff_hunk VARCHAR(700) NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS verdicts (
  installation_id BIGINT NOT NULL,
  write_id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  reviewer VARCHAR(120) NOT NULL,
  verdict VARCHAR(20) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, write_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_verdicts_number ON verdicts (installation_id, repository_id, number);
