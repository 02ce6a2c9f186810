CREATE TABLE agent_keys (
  id VARCHAR(40) NOT NULL,
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  role VARCHAR(20) NOT NULL,
  hash VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (id)
);

CREATE INDEX ix_agent_keys_agent ON agent_keys (installation_id, agent_id);

CREATE TABLE agents (
  installation_id BIGINT NOT NULL,
  id VARCHAR(64) NOT NULL,
  name VARCHAR(200) NOT NULL,
  system_name VARCHAR(80) NOT NULL,
  role VARCHAR(20) NOT NULL,
  capabilities TEXT NOT NULL,
  parent_id VARCHAR(64),
  registered_at BIGINT NOT NULL,
  last_active_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE TABLE audit (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor VARCHAR(120) NOT NULL,
  operation VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (installation_id, seq)
);

CREATE TABLE budgets (
  installation_id BIGINT NOT NULL,
  resource VARCHAR(60) NOT NULL,
  limit_ BIGINT,
  remaining BIGINT,
  used BIGINT,
  reset_at BIGINT,
  blocked_until BIGINT DEFAULT 0 NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, resource)
);

CREATE TABLE commands (
  installation_id BIGINT NOT NULL,
  source_kind VARCHAR(20) NOT NULL,
  source_id BIGINT NOT NULL,
  text_hash VARCHAR(64) NOT NULL,
  nth INTEGER NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  line INTEGER NOT NULL,
  verb VARCHAR(80) NOT NULL,
  words TEXT NOT NULL,
  text TEXT NOT NULL,
  asker VARCHAR(100) NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  written_at BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  answered_at BIGINT,
  answer TEXT,
  PRIMARY KEY (installation_id, source_kind, source_id, text_hash, nth)
);

CREATE INDEX ix_commands_state ON commands (state, not_before);

CREATE TABLE comments (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  body TEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT DEFAULT 0 NOT NULL,
  author_association VARCHAR(40) NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_comments_number ON comments (installation_id, repository_id, number, created_at);

CREATE TABLE deliveries (
  installation_id BIGINT NOT NULL,
  guid VARCHAR(80) NOT NULL,
  event VARCHAR(80) NOT NULL,
  action VARCHAR(80) NOT NULL,
  repository_id BIGINT,
  state VARCHAR(20) NOT NULL,
  outcome VARCHAR(20),
  attempts INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  error TEXT,
  received_at BIGINT NOT NULL,
  processed_at BIGINT,
  payload BLOB NOT NULL,
  PRIMARY KEY (installation_id, guid)
);

CREATE INDEX ix_deliveries_received ON deliveries (installation_id, state, received_at);

CREATE INDEX ix_deliveries_state ON deliveries (state, not_before);

CREATE TABLE events (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  actor VARCHAR(120) NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (installation_id, seq)
);

CREATE TABLE facts (
  name VARCHAR(60) NOT NULL,
  value VARCHAR(500) NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE heads (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (installation_id)
);

CREATE TABLE installations (
  installation_id BIGINT NOT NULL,
  account VARCHAR(100) NOT NULL,
  account_id BIGINT NOT NULL,
  account_type VARCHAR(40) NOT NULL,
  repository_selection VARCHAR(20) NOT NULL,
  permissions TEXT NOT NULL,
  suspended_at BIGINT,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id)
);

CREATE TABLE issues (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  is_pull_request INTEGER NOT NULL,
  title VARCHAR(1024) NOT NULL,
  body TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  state_reason VARCHAR(40),
  author VARCHAR(100) NOT NULL,
  author_id BIGINT DEFAULT 0 NOT NULL,
  author_association VARCHAR(40) NOT NULL,
  labels TEXT NOT NULL,
  assignees TEXT NOT NULL,
  milestone BIGINT,
  locked INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_issues_number ON issues (installation_id, repository_id, number);

CREATE TABLE labels (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  color VARCHAR(20) NOT NULL,
  description VARCHAR(500) NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_labels_repository ON labels (installation_id, repository_id);

CREATE TABLE leases (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  holder VARCHAR(120) NOT NULL,
  fence BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  lease_s BIGINT NOT NULL,
  expires_at BIGINT,
  granted_at BIGINT NOT NULL,
  renewed_at BIGINT NOT NULL,
  ended_at BIGINT,
  ended_why VARCHAR(200),
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_leases_expiry ON leases (state, expires_at);

CREATE INDEX ix_leases_holder ON leases (installation_id, holder, state);

CREATE TABLE messages (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  thread_id VARCHAR(40) NOT NULL,
  sender VARCHAR(120) NOT NULL,
  recipient VARCHAR(140) NOT NULL,
  task_id VARCHAR(40),
  priority INTEGER NOT NULL,
  body TEXT NOT NULL,
  sent_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE TABLE milestones (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  description TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  due_on BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_milestones_number ON milestones (installation_id, repository_id, number);

CREATE TABLE pending_reads (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  arguments TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  asked BIGINT DEFAULT 1 NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  error TEXT,
  asked_at BIGINT NOT NULL,
  answered_at BIGINT,
  PRIMARY KEY (installation_id, kind, subject)
);

CREATE INDEX ix_pending_reads_state ON pending_reads (state, not_before);

CREATE TABLE permissions (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  login_key VARCHAR(100) NOT NULL,
  permission VARCHAR(40) NOT NULL,
  fetched_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, login_key)
);

CREATE TABLE pull_requests (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  body TEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  draft INTEGER NOT NULL,
  merged INTEGER NOT NULL,
  head_ref VARCHAR(255) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  base_ref VARCHAR(255) NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT DEFAULT 0 NOT NULL,
  author_association VARCHAR(40) NOT NULL,
  labels TEXT NOT NULL,
  assignees TEXT NOT NULL,
  milestone BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  merged_at BIGINT,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_pull_requests_number ON pull_requests (installation_id, repository_id, number);

CREATE TABLE receipts (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  message_id VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  priority INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  visible_at BIGINT DEFAULT 0 NOT NULL,
  read_at BIGINT,
  PRIMARY KEY (installation_id, agent_id, message_id)
);

CREATE INDEX ix_receipts_inbox ON receipts (installation_id, agent_id, state, priority, seq);

CREATE TABLE repositories (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  full_name VARCHAR(250) NOT NULL,
  full_name_key VARCHAR(250) NOT NULL,
  private INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  default_branch VARCHAR(255) NOT NULL,
  selected INTEGER DEFAULT 1 NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_repositories_full_name ON repositories (installation_id, full_name_key);

CREATE TABLE requests (
  installation_id BIGINT NOT NULL,
  request_key VARCHAR(80) NOT NULL,
  at BIGINT NOT NULL,
  result TEXT NOT NULL,
  PRIMARY KEY (installation_id, request_key)
);

CREATE INDEX ix_requests_at ON requests (at);

CREATE TABLE review_comments (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  review_id BIGINT,
  in_reply_to_id BIGINT,
  path VARCHAR(1024) NOT NULL,
  line BIGINT,
  commit_id VARCHAR(64) NOT NULL,
  body TEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT DEFAULT 0 NOT NULL,
  author_association VARCHAR(40) NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_review_comments_number ON review_comments (installation_id, repository_id, number);

CREATE TABLE reviews (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  state VARCHAR(40) NOT NULL,
  body TEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT DEFAULT 0 NOT NULL,
  author_association VARCHAR(40) NOT NULL,
  commit_id VARCHAR(64) NOT NULL,
  submitted_at BIGINT,
  updated_at BIGINT NOT NULL,
  deleted INTEGER DEFAULT 0 NOT NULL,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_reviews_number ON reviews (installation_id, repository_id, number);

CREATE TABLE senders (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(80) NOT NULL,
  lease_until BIGINT NOT NULL,
  last_mutation_at BIGINT DEFAULT 0 NOT NULL,
  PRIMARY KEY (installation_id)
);

CREATE TABLE tasks (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  issue_id BIGINT,
  number BIGINT,
  title VARCHAR(1024) NOT NULL,
  state VARCHAR(20) NOT NULL,
  held INTEGER DEFAULT 0 NOT NULL,
  priority INTEGER NOT NULL,
  capabilities TEXT NOT NULL,
  assigned_to VARCHAR(120),
  lease_id VARCHAR(40),
  holder VARCHAR(120),
  fence BIGINT DEFAULT 0 NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  progress INTEGER DEFAULT 0 NOT NULL,
  note TEXT,
  result TEXT,
  branch VARCHAR(255),
  pull_number BIGINT,
  card_comment_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
);

CREATE UNIQUE INDEX ix_tasks_issue ON tasks (installation_id, issue_id);

CREATE INDEX ix_tasks_number ON tasks (installation_id, repository_id, number);

CREATE INDEX ix_tasks_pull ON tasks (installation_id, repository_id, pull_number);

CREATE INDEX ix_tasks_ready ON tasks (installation_id, state, priority, created_at);

CREATE TABLE writes (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  target VARCHAR(255) NOT NULL,
  arguments TEXT NOT NULL,
  author VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  lease_id VARCHAR(40),
  state VARCHAR(20) NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  looks INTEGER DEFAULT 0 NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  not_before BIGINT NOT NULL,
  queued_at BIGINT NOT NULL,
  sending_at BIGINT,
  finished_at BIGINT,
  result TEXT,
  error TEXT,
  PRIMARY KEY (installation_id, id)
);

CREATE INDEX ix_writes_queue ON writes (installation_id, state, seq);

CREATE INDEX ix_writes_state ON writes (state, not_before, installation_id);

CREATE INDEX ix_writes_target ON writes (installation_id, target, state, seq);

CREATE INDEX ix_writes_task ON writes (installation_id, task_id, state, seq);
