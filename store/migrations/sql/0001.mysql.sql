CREATE TABLE IF NOT EXISTS agent_keys (
  id VARCHAR(40) NOT NULL,
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  `role` VARCHAR(20) NOT NULL,
  hash VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (id),
  KEY ix_agent_keys_agent (installation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS agents (
  installation_id BIGINT NOT NULL,
  id VARCHAR(64) NOT NULL,
  name VARCHAR(200) NOT NULL,
  system_name VARCHAR(80) NOT NULL,
  `role` VARCHAR(20) NOT NULL,
  capabilities LONGTEXT NOT NULL,
  parent_id VARCHAR(64),
  registered_at BIGINT NOT NULL,
  last_active_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS audit (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor VARCHAR(120) NOT NULL,
  operation VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  data LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS budgets (
  installation_id BIGINT NOT NULL,
  resource VARCHAR(60) NOT NULL,
  limit_ BIGINT,
  remaining BIGINT,
  used BIGINT,
  reset_at BIGINT,
  blocked_until BIGINT NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, resource)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS commands (
  installation_id BIGINT NOT NULL,
  source_kind VARCHAR(20) NOT NULL,
  source_id BIGINT NOT NULL,
  text_hash VARCHAR(64) NOT NULL,
  nth INTEGER NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  line INTEGER NOT NULL,
  verb VARCHAR(80) NOT NULL,
  words LONGTEXT NOT NULL,
  text LONGTEXT NOT NULL,
  asker VARCHAR(100) NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  written_at BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  answered_at BIGINT,
  answer LONGTEXT,
  PRIMARY KEY (installation_id, source_kind, source_id, text_hash, nth),
  KEY ix_commands_state (state, not_before)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS comments (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  body LONGTEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_comments_number (installation_id, repository_id, number, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS deliveries (
  installation_id BIGINT NOT NULL,
  guid VARCHAR(80) NOT NULL,
  event VARCHAR(80) NOT NULL,
  action VARCHAR(80) NOT NULL,
  repository_id BIGINT,
  state VARCHAR(20) NOT NULL,
  outcome VARCHAR(20),
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  error LONGTEXT,
  received_at BIGINT NOT NULL,
  processed_at BIGINT,
  payload LONGBLOB NOT NULL,
  PRIMARY KEY (installation_id, guid),
  KEY ix_deliveries_received (installation_id, state, received_at),
  KEY ix_deliveries_state (state, not_before)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS events (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  actor VARCHAR(120) NOT NULL,
  data LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS facts (
  name VARCHAR(60) NOT NULL,
  value VARCHAR(500) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS heads (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS installations (
  installation_id BIGINT NOT NULL,
  account VARCHAR(100) NOT NULL,
  account_id BIGINT NOT NULL,
  account_type VARCHAR(40) NOT NULL,
  repository_selection VARCHAR(20) NOT NULL,
  permissions LONGTEXT NOT NULL,
  suspended_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS issues (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  is_pull_request INTEGER NOT NULL,
  title VARCHAR(1024) NOT NULL,
  body LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  state_reason VARCHAR(40),
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  labels LONGTEXT NOT NULL,
  assignees LONGTEXT NOT NULL,
  milestone BIGINT,
  locked INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_issues_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS labels (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  color VARCHAR(20) NOT NULL,
  description VARCHAR(500) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_labels_repository (installation_id, repository_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS leases (
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
  PRIMARY KEY (installation_id, id),
  KEY ix_leases_expiry (state, expires_at),
  KEY ix_leases_holder (installation_id, holder, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS messages (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  thread_id VARCHAR(40) NOT NULL,
  sender VARCHAR(120) NOT NULL,
  recipient VARCHAR(140) NOT NULL,
  task_id VARCHAR(40),
  priority INTEGER NOT NULL,
  body LONGTEXT NOT NULL,
  sent_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS milestones (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  description LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  due_on BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_milestones_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS pending_reads (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  arguments LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  asked BIGINT NOT NULL DEFAULT 1,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  error LONGTEXT,
  asked_at BIGINT NOT NULL,
  answered_at BIGINT,
  PRIMARY KEY (installation_id, kind, subject),
  KEY ix_pending_reads_state (state, not_before)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS permissions (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  login_key VARCHAR(100) NOT NULL,
  permission VARCHAR(40) NOT NULL,
  fetched_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, login_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS pull_requests (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  body LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  draft INTEGER NOT NULL,
  merged INTEGER NOT NULL,
  head_ref VARCHAR(255) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  base_ref VARCHAR(255) NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  labels LONGTEXT NOT NULL,
  assignees LONGTEXT NOT NULL,
  milestone BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  merged_at BIGINT,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_pull_requests_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS receipts (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  message_id VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  priority INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  visible_at BIGINT NOT NULL DEFAULT 0,
  read_at BIGINT,
  PRIMARY KEY (installation_id, agent_id, message_id),
  KEY ix_receipts_inbox (installation_id, agent_id, state, priority, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS repositories (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  full_name VARCHAR(250) NOT NULL,
  full_name_key VARCHAR(250) NOT NULL,
  private INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  default_branch VARCHAR(255) NOT NULL,
  selected INTEGER NOT NULL DEFAULT 1,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_repositories_full_name (installation_id, full_name_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS requests (
  installation_id BIGINT NOT NULL,
  request_key VARCHAR(80) NOT NULL,
  at BIGINT NOT NULL,
  result LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, request_key),
  KEY ix_requests_at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS review_comments (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  review_id BIGINT,
  in_reply_to_id BIGINT,
  path VARCHAR(1024) NOT NULL,
  line BIGINT,
  commit_id VARCHAR(64) NOT NULL,
  body LONGTEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_review_comments_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS reviews (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  state VARCHAR(40) NOT NULL,
  body LONGTEXT NOT NULL,
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  commit_id VARCHAR(64) NOT NULL,
  submitted_at BIGINT,
  updated_at BIGINT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  PRIMARY KEY (installation_id, id),
  KEY ix_reviews_number (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS senders (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(80) NOT NULL,
  lease_until BIGINT NOT NULL,
  last_mutation_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS tasks (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  issue_id BIGINT,
  number BIGINT,
  title VARCHAR(1024) NOT NULL,
  state VARCHAR(20) NOT NULL,
  held INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL,
  capabilities LONGTEXT NOT NULL,
  assigned_to VARCHAR(120),
  lease_id VARCHAR(40),
  holder VARCHAR(120),
  fence BIGINT NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  progress INTEGER NOT NULL DEFAULT 0,
  note LONGTEXT,
  result LONGTEXT,
  branch VARCHAR(255),
  pull_number BIGINT,
  card_comment_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id),
  UNIQUE KEY ix_tasks_issue (installation_id, issue_id),
  KEY ix_tasks_number (installation_id, repository_id, number),
  KEY ix_tasks_pull (installation_id, repository_id, pull_number),
  KEY ix_tasks_ready (installation_id, state, priority, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS writes (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  target VARCHAR(255) NOT NULL,
  arguments LONGTEXT NOT NULL,
  author VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  lease_id VARCHAR(40),
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  looks INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  queued_at BIGINT NOT NULL,
  sending_at BIGINT,
  finished_at BIGINT,
  result LONGTEXT,
  error LONGTEXT,
  PRIMARY KEY (installation_id, id),
  KEY ix_writes_queue (installation_id, state, seq),
  KEY ix_writes_state (state, not_before, installation_id),
  KEY ix_writes_target (installation_id, target, state, seq),
  KEY ix_writes_task (installation_id, task_id, state, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
