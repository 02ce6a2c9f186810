ALTER TABLE installations ADD COLUMN gone_at BIGINT;

ALTER TABLE issues ADD COLUMN node_id VARCHAR(100) DEFAULT '' NOT NULL;

ALTER TABLE issues ADD COLUMN type VARCHAR(100) DEFAULT '' NOT NULL;

ALTER TABLE pull_requests ADD COLUMN node_id VARCHAR(100) DEFAULT '' NOT NULL;

ALTER TABLE pending_reads ADD COLUMN priority INTEGER DEFAULT 0 NOT NULL;

CREATE INDEX ix_issues_updated ON issues (installation_id, repository_id, updated_at);

CREATE INDEX ix_comments_updated ON comments (installation_id, repository_id, updated_at);

DROP INDEX ix_tasks_ready;

CREATE INDEX ix_tasks_best ON tasks (installation_id, state, priority, failures, created_at, id);

CREATE INDEX ix_tasks_best_in ON tasks (installation_id, repository_id, state, priority, failures, created_at, id);

CREATE INDEX ix_tasks_newest ON tasks (installation_id, state, created_at, id);

CREATE INDEX ix_tasks_newest_in ON tasks (installation_id, repository_id, state, created_at, id);

CREATE INDEX ix_tasks_newest_of ON tasks (installation_id, holder, state, created_at, id);

CREATE INDEX ix_pending_reads_queue ON pending_reads (installation_id, state, priority, not_before);

CREATE TABLE review_threads (
  installation_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  comment_id BIGINT NOT NULL,
  resolved INTEGER NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, node_id)
);

CREATE INDEX ix_review_threads_number ON review_threads (installation_id, repository_id, number);

CREATE TABLE relations (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  source_id BIGINT NOT NULL,
  target_id BIGINT NOT NULL,
  source_name VARCHAR(300) NOT NULL,
  source_state VARCHAR(20) NOT NULL,
  target_name VARCHAR(300) NOT NULL,
  target_state VARCHAR(20) NOT NULL,
  PRIMARY KEY (installation_id, kind, source_id, target_id)
);

CREATE INDEX ix_relations_target ON relations (installation_id, kind, target_id);

CREATE TABLE transfers (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  new_repository_id BIGINT NOT NULL,
  new_number BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
);

CREATE TABLE pull_links (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  pull_number BIGINT NOT NULL,
  issue_repository VARCHAR(250) NOT NULL,
  issue_number BIGINT NOT NULL,
  how VARCHAR(20) NOT NULL,
  PRIMARY KEY (installation_id, repository_id, pull_number, issue_repository, issue_number)
);

CREATE INDEX ix_pull_links_issue ON pull_links (installation_id, issue_number, repository_id, pull_number);

CREATE TABLE pull_files (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  files TEXT NOT NULL,
  whole INTEGER NOT NULL,
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
);

CREATE TABLE refs (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  sha VARCHAR(64) NOT NULL,
  pushed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, name)
);

CREATE TABLE check_runs (
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
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_check_runs_head ON check_runs (installation_id, repository_id, head_sha);

CREATE TABLE workflow_runs (
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
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_workflow_runs_head ON workflow_runs (installation_id, repository_id, head_sha);

CREATE TABLE workflow_jobs (
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
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_workflow_jobs_run ON workflow_jobs (installation_id, repository_id, run_id);

CREATE TABLE projects (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  closed INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_projects_number ON projects (installation_id, number);

CREATE TABLE project_fields (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(40) NOT NULL,
  options TEXT NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_project_fields_project ON project_fields (installation_id, project_id);

CREATE TABLE project_items (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  project_node_id VARCHAR(100) NOT NULL,
  content_node_id VARCHAR(100) NOT NULL,
  content_type VARCHAR(40) NOT NULL,
  archived INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_project_items_content ON project_items (installation_id, content_node_id);

CREATE TABLE project_values (
  installation_id BIGINT NOT NULL,
  item_id BIGINT NOT NULL,
  field VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  option_id VARCHAR(100) NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, item_id, field)
);

CREATE TABLE repository_settings (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  settings TEXT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  problem TEXT,
  problem_sha VARCHAR(64),
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id)
);

CREATE TABLE backfills (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  part VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  since BIGINT DEFAULT 0 NOT NULL,
  reached BIGINT DEFAULT 0 NOT NULL,
  next_page TEXT,
  seen BIGINT DEFAULT 0 NOT NULL,
  calls BIGINT DEFAULT 0 NOT NULL,
  expected BIGINT,
  attempts INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  error TEXT,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, part)
);

CREATE INDEX ix_backfills_state ON backfills (installation_id, state, not_before);
CREATE INDEX ix_backfills_waiting ON backfills (state, not_before, installation_id);

CREATE TABLE lost_deliveries (
  installation_id BIGINT NOT NULL,
  guid VARCHAR(80) NOT NULL,
  delivery_id BIGINT NOT NULL,
  repository_id BIGINT,
  event VARCHAR(80) NOT NULL,
  action VARCHAR(80) NOT NULL,
  delivered_at BIGINT NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  error TEXT,
  PRIMARY KEY (installation_id, guid)
);

CREATE INDEX ix_lost_deliveries_due ON lost_deliveries (not_before, delivered_at);

CREATE TABLE search_texts (
  installation_id BIGINT NOT NULL,
  doc BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  row_id BIGINT NOT NULL,
  author_key VARCHAR(100) NOT NULL,
  state VARCHAR(20) NOT NULL,
  labels TEXT NOT NULL,
  terms TEXT NOT NULL,
  PRIMARY KEY (installation_id, doc)
);

CREATE UNIQUE INDEX ix_search_texts_doc ON search_texts (doc);

CREATE INDEX ix_search_texts_row ON search_texts (installation_id, row_id, kind);

CREATE INDEX ix_search_texts_number ON search_texts (installation_id, repository_id, number, row_id);

CREATE VIRTUAL TABLE search_words USING fts5 (terms, content='search_texts', content_rowid='doc', tokenize="ascii tokenchars '_'", detail='none', columnsize=0);

CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN INSERT INTO search_words (rowid, terms) VALUES (new.doc, new.terms); END;

CREATE TRIGGER search_texts_changed AFTER UPDATE OF terms ON search_texts BEGIN INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.doc, old.terms); INSERT INTO search_words (rowid, terms) VALUES (new.doc, new.terms); END;

CREATE TRIGGER search_texts_dropped AFTER DELETE ON search_texts BEGIN INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.doc, old.terms); END;
