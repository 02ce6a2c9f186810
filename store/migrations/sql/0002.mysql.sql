ALTER TABLE installations ADD COLUMN gone_at BIGINT;

ALTER TABLE issues ADD COLUMN node_id VARCHAR(100) NOT NULL DEFAULT '';

ALTER TABLE issues ADD COLUMN type VARCHAR(100) NOT NULL DEFAULT '';

ALTER TABLE pull_requests ADD COLUMN node_id VARCHAR(100) NOT NULL DEFAULT '';

ALTER TABLE pending_reads ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

CREATE INDEX ix_issues_updated ON issues (installation_id, repository_id, updated_at);

CREATE INDEX ix_comments_updated ON comments (installation_id, repository_id, updated_at);

ALTER TABLE tasks DROP INDEX ix_tasks_ready;

CREATE INDEX ix_tasks_best ON tasks (installation_id, state, priority, failures, created_at, id);

CREATE INDEX ix_tasks_best_in ON tasks (installation_id, repository_id, state, priority, failures, created_at, id);

CREATE INDEX ix_tasks_newest ON tasks (installation_id, state, created_at, id);

CREATE INDEX ix_tasks_newest_in ON tasks (installation_id, repository_id, state, created_at, id);

CREATE INDEX ix_tasks_newest_of ON tasks (installation_id, holder, state, created_at, id);

CREATE INDEX ix_pending_reads_queue ON pending_reads (installation_id, state, priority, not_before);

CREATE TABLE IF NOT EXISTS review_threads (
  installation_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  comment_id BIGINT NOT NULL,
  resolved INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, node_id),
  KEY ix_review_threads_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS relations (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  source_id BIGINT NOT NULL,
  target_id BIGINT NOT NULL,
  source_name VARCHAR(300) NOT NULL,
  source_state VARCHAR(20) NOT NULL,
  target_name VARCHAR(300) NOT NULL,
  target_state VARCHAR(20) NOT NULL,
  PRIMARY KEY (installation_id, kind, source_id, target_id),
  KEY ix_relations_target (installation_id, kind, target_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS transfers (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  new_repository_id BIGINT NOT NULL,
  new_number BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS pull_links (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  pull_number BIGINT NOT NULL,
  issue_repository VARCHAR(250) NOT NULL,
  issue_number BIGINT NOT NULL,
  how VARCHAR(20) NOT NULL,
  PRIMARY KEY (installation_id, repository_id, pull_number, issue_repository, issue_number),
  KEY ix_pull_links_issue (installation_id, issue_number, repository_id, pull_number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS pull_files (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  files LONGTEXT NOT NULL,
  whole INTEGER NOT NULL,
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS refs (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  sha VARCHAR(64) NOT NULL,
  pushed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS check_runs (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  app VARCHAR(100) NOT NULL,
  status VARCHAR(20) NOT NULL,
  conclusion VARCHAR(40),
  started_at BIGINT,
  completed_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_check_runs_head (installation_id, repository_id, head_sha)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS workflow_runs (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  workflow_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  title VARCHAR(1024) NOT NULL,
  event VARCHAR(80) NOT NULL,
  head_branch VARCHAR(255) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  run_number BIGINT NOT NULL,
  run_attempt BIGINT NOT NULL,
  status VARCHAR(20) NOT NULL,
  conclusion VARCHAR(40),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_workflow_runs_head (installation_id, repository_id, head_sha)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS workflow_jobs (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  run_id BIGINT NOT NULL,
  run_attempt BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  status VARCHAR(20) NOT NULL,
  conclusion VARCHAR(40),
  started_at BIGINT,
  completed_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_workflow_jobs_run (installation_id, repository_id, run_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS projects (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  closed INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_projects_number (installation_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS project_fields (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(40) NOT NULL,
  options LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_project_fields_project (installation_id, project_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS project_items (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  project_node_id VARCHAR(100) NOT NULL,
  content_node_id VARCHAR(100) NOT NULL,
  content_type VARCHAR(40) NOT NULL,
  archived INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_project_items_content (installation_id, content_node_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS project_values (
  installation_id BIGINT NOT NULL,
  item_id BIGINT NOT NULL,
  field VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  option_id VARCHAR(100) NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, item_id, field)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS repository_settings (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  settings LONGTEXT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  problem LONGTEXT,
  problem_sha VARCHAR(64),
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS backfills (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  part VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  since BIGINT NOT NULL DEFAULT 0,
  reached BIGINT NOT NULL DEFAULT 0,
  next_page LONGTEXT,
  seen BIGINT NOT NULL DEFAULT 0,
  calls BIGINT NOT NULL DEFAULT 0,
  expected BIGINT,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  error LONGTEXT,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, part),
  KEY ix_backfills_state (installation_id, state, not_before),
  KEY ix_backfills_waiting (state, not_before, installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS lost_deliveries (
  installation_id BIGINT NOT NULL,
  guid VARCHAR(80) NOT NULL,
  delivery_id BIGINT NOT NULL,
  repository_id BIGINT,
  event VARCHAR(80) NOT NULL,
  action VARCHAR(80) NOT NULL,
  delivered_at BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  error LONGTEXT,
  PRIMARY KEY (installation_id, guid),
  KEY ix_lost_deliveries_due (not_before, delivered_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS search_texts (
  installation_id BIGINT NOT NULL,
  doc BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  row_id BIGINT NOT NULL,
  author_key VARCHAR(100) NOT NULL,
  state VARCHAR(20) NOT NULL,
  labels LONGTEXT NOT NULL,
  terms LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (installation_id, doc),
  KEY ix_search_texts_row (installation_id, row_id, kind),
  KEY ix_search_texts_number (installation_id, repository_id, number, row_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- Optional
CREATE FULLTEXT INDEX ft_search_texts ON search_texts (terms);
