CREATE TABLE IF NOT EXISTS board_syncs (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  project BIGINT NOT NULL,
  known LONGTEXT NOT NULL,
  problem LONGTEXT,
  problem_at BIGINT,
  look_at BIGINT NOT NULL,
  sweep_at BIGINT,
  sweep_after BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE INDEX ix_board_syncs_look ON board_syncs (look_at);
CREATE INDEX ix_board_syncs_sweep ON board_syncs (sweep_at);
CREATE INDEX ix_issues_node ON issues (installation_id, node_id);
