CREATE TABLE agent_budgets (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  tokens BIGINT,
  cost BIGINT,
  spent_tokens BIGINT NOT NULL DEFAULT 0,
  spent_cost BIGINT NOT NULL DEFAULT 0,
  set_by VARCHAR(120) NOT NULL,
  set_at BIGINT NOT NULL,
  reached_at BIGINT,
  PRIMARY KEY (installation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_agent_budgets_reached ON agent_budgets (installation_id, reached_at);
CREATE TABLE agent_endpoints (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  protocol VARCHAR(20) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed LONGBLOB NOT NULL,
  options LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  failures INTEGER NOT NULL DEFAULT 0,
  due_at BIGINT,
  taken_until BIGINT NOT NULL DEFAULT 0,
  last_success_at BIGINT,
  last_failure_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_agent_endpoints_due ON agent_endpoints (protocol, due_at);
CREATE TABLE agent_runs (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  template VARCHAR(40) NOT NULL,
  task_id VARCHAR(40),
  prompt LONGTEXT,
  agent_id VARCHAR(64) NOT NULL,
  `role` VARCHAR(20) NOT NULL,
  model VARCHAR(100) NOT NULL,
  priority INTEGER NOT NULL,
  workflow VARCHAR(200) NOT NULL,
  ref VARCHAR(255) NOT NULL,
  inputs LONGTEXT NOT NULL,
  parent_id VARCHAR(40),
  root_id VARCHAR(40) NOT NULL,
  depth INTEGER NOT NULL,
  asked_by VARCHAR(120) NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(600),
  write_id VARCHAR(40),
  workflow_run_id BIGINT,
  run_attempt INTEGER,
  result LONGTEXT,
  result_is_final INTEGER NOT NULL DEFAULT 0,
  outcome VARCHAR(20),
  minutes BIGINT,
  children BIGINT,
  deepest INTEGER,
  tokens BIGINT,
  cost BIGINT,
  schedule_slot BIGINT,
  created_at BIGINT NOT NULL,
  dispatched_at BIGINT,
  started_at BIGINT,
  ended_at BIGINT,
  deadline_at BIGINT,
  due_at BIGINT,
  asked_at BIGINT,
  stop_step INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE UNIQUE INDEX ix_agent_runs_agent ON agent_runs (installation_id, agent_id);
CREATE INDEX ix_agent_runs_due ON agent_runs (due_at);
CREATE INDEX ix_agent_runs_ended ON agent_runs (installation_id, state, ended_at);
CREATE INDEX ix_agent_runs_queue ON agent_runs (installation_id, repository_id, state, priority, created_at, id);
CREATE INDEX ix_agent_runs_root ON agent_runs (installation_id, root_id);
CREATE UNIQUE INDEX ix_agent_runs_slot ON agent_runs (installation_id, repository_id, template, schedule_slot);
CREATE INDEX ix_agent_runs_state ON agent_runs (state, installation_id, repository_id);
CREATE INDEX ix_agent_runs_task ON agent_runs (installation_id, task_id, created_at);
CREATE UNIQUE INDEX ix_agent_runs_workflow ON agent_runs (installation_id, workflow_run_id);
CREATE INDEX ix_agent_runs_write ON agent_runs (installation_id, write_id);
CREATE TABLE agents (
  installation_id BIGINT NOT NULL,
  id VARCHAR(64) NOT NULL,
  name VARCHAR(200) NOT NULL,
  system_name VARCHAR(80) NOT NULL,
  `role` VARCHAR(20) NOT NULL,
  capabilities LONGTEXT NOT NULL,
  parent_id VARCHAR(64),
  registered_at BIGINT NOT NULL,
  last_active_at BIGINT NOT NULL,
  paused_at BIGINT,
  paused_by VARCHAR(120),
  left_at BIGINT,
  health LONGTEXT,
  calls BIGINT NOT NULL DEFAULT 0,
  completed BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  expired BIGINT NOT NULL DEFAULT 0,
  released BIGINT NOT NULL DEFAULT 0,
  stored_bytes BIGINT NOT NULL DEFAULT 0,
  paused_with VARCHAR(64),
  spent_of VARCHAR(64),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_agents_parent ON agents (installation_id, parent_id);
CREATE TABLE allowances (
  installation_id BIGINT NOT NULL,
  name VARCHAR(20) NOT NULL,
  full_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE attachment_uses (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  attachment_id VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id, kind, subject, attachment_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_attachment_uses_file ON attachment_uses (installation_id, attachment_id);
CREATE TABLE attachments (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  blob_id VARCHAR(40) NOT NULL,
  name VARCHAR(200) NOT NULL,
  type VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  owner VARCHAR(120) NOT NULL,
  note VARCHAR(300),
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_attachments_blob ON attachments (installation_id, blob_id);
CREATE INDEX ix_attachments_expiry ON attachments (installation_id, expires_at);
CREATE INDEX ix_attachments_owner ON attachments (installation_id, owner, id);
CREATE TABLE audit (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor VARCHAR(120) NOT NULL,
  operation VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  data LONGTEXT NOT NULL,
  credential VARCHAR(64) NOT NULL DEFAULT '',
  surface VARCHAR(20) NOT NULL DEFAULT '',
  remote VARCHAR(64) NOT NULL DEFAULT '',
  request VARCHAR(120) NOT NULL DEFAULT '',
  outcome VARCHAR(20) NOT NULL DEFAULT '',
  code VARCHAR(40) NOT NULL DEFAULT '',
  calls INTEGER NOT NULL DEFAULT 1,
  hash VARCHAR(64) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_audit_actor ON audit (installation_id, actor, seq);
CREATE INDEX ix_audit_operation ON audit (installation_id, operation, seq);
CREATE INDEX ix_audit_subject ON audit (installation_id, subject, actor);
CREATE TABLE audit_seals (
  installation_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  after_seq BIGINT NOT NULL,
  to_seq BIGINT NOT NULL,
  covered BIGINT NOT NULL,
  rows_hash VARCHAR(64) NOT NULL,
  marks LONGTEXT NOT NULL,
  previous VARCHAR(64) NOT NULL,
  dropped_at BIGINT,
  hash VARCHAR(64) NOT NULL,
  key_id VARCHAR(16) NOT NULL,
  signature VARCHAR(64) NOT NULL,
  PRIMARY KEY (installation_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE backfills (
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
  PRIMARY KEY (installation_id, repository_id, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_backfills_state ON backfills (installation_id, state, not_before);
CREATE INDEX ix_backfills_waiting ON backfills (state, not_before, installation_id);
CREATE TABLE blob_chunks (
  installation_id BIGINT NOT NULL,
  blob_id VARCHAR(40) NOT NULL,
  part INTEGER NOT NULL,
  key_id VARCHAR(20) NOT NULL,
  sealed LONGBLOB NOT NULL,
  PRIMARY KEY (installation_id, blob_id, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_blob_chunks_key ON blob_chunks (key_id);
CREATE TABLE blobs (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  type VARCHAR(120) NOT NULL,
  facts LONGTEXT NOT NULL,
  chunks INTEGER NOT NULL,
  text_state VARCHAR(10) NOT NULL DEFAULT 'untried',
  text_note VARCHAR(300),
  created_at BIGINT NOT NULL,
  unused_since BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE UNIQUE INDEX ix_blobs_digest ON blobs (installation_id, digest);
CREATE INDEX ix_blobs_unused ON blobs (installation_id, unused_since);
CREATE TABLE board_syncs (
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
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_board_syncs_look ON board_syncs (look_at);
CREATE INDEX ix_board_syncs_sweep ON board_syncs (sweep_at);
CREATE TABLE budget_samples (
  installation_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  limit_ BIGINT,
  n BIGINT NOT NULL,
  PRIMARY KEY (installation_id, at, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE budgets (
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
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE check_overrides (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  decided_by VARCHAR(120) NOT NULL,
  note VARCHAR(500) NOT NULL,
  rules VARCHAR(200) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE check_runs (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
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
  url VARCHAR(500) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_check_runs_head ON check_runs (installation_id, repository_id, head_sha);
CREATE TABLE checkpoints (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  saved_at BIGINT NOT NULL,
  sealed LONGBLOB NOT NULL,
  PRIMARY KEY (installation_id, agent_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE code_objects (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  id VARCHAR(400) NOT NULL,
  content LONGBLOB NOT NULL,
  size BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, kind, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_code_objects_used ON code_objects (installation_id, used_at, size);
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
  words LONGTEXT NOT NULL,
  text LONGTEXT NOT NULL,
  asker VARCHAR(100) NOT NULL,
  asker_id BIGINT NOT NULL DEFAULT 0,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  written_at BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  answered_at BIGINT,
  answer LONGTEXT,
  asked_at BIGINT,
  trace VARCHAR(60),
  PRIMARY KEY (installation_id, source_kind, source_id, text_hash, nth)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_commands_number ON commands (installation_id, repository_id, state, number);
CREATE INDEX ix_commands_state ON commands (state, not_before);
CREATE INDEX ix_commands_waiting ON commands (installation_id, state, not_before);
CREATE TABLE comments (
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  body LONGTEXT NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_comments_number ON comments (installation_id, repository_id, number, created_at);
CREATE INDEX ix_comments_updated ON comments (installation_id, repository_id, updated_at);
CREATE TABLE consultation_answers (
  installation_id BIGINT NOT NULL,
  consultation_id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  message_id VARCHAR(40) NOT NULL,
  choice VARCHAR(200),
  at BIGINT NOT NULL,
  seen_at BIGINT,
  PRIMARY KEY (installation_id, consultation_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE consultations (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  asker VARCHAR(64) NOT NULL,
  sole VARCHAR(64),
  options LONGTEXT,
  quorum INTEGER NOT NULL DEFAULT 1,
  judged INTEGER NOT NULL DEFAULT 0,
  state VARCHAR(20) NOT NULL,
  outcome VARCHAR(200),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_consultations_asker ON consultations (installation_id, asker, state);
CREATE INDEX ix_consultations_expiry ON consultations (state, expires_at);
CREATE TABLE context_grants (
  installation_id BIGINT NOT NULL,
  context_id VARCHAR(40) NOT NULL,
  grantee VARCHAR(140) NOT NULL,
  access VARCHAR(10) NOT NULL,
  granted_by VARCHAR(120) NOT NULL,
  granted_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, context_id, grantee)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_context_grants_grantee ON context_grants (installation_id, grantee, context_id);
CREATE TABLE context_snapshots (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(200) NOT NULL,
  author VARCHAR(120) NOT NULL,
  at BIGINT NOT NULL,
  members LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_context_snapshots_author ON context_snapshots (installation_id, author, id);
CREATE TABLE context_versions (
  installation_id BIGINT NOT NULL,
  context_id VARCHAR(40) NOT NULL,
  version BIGINT NOT NULL,
  author VARCHAR(120) NOT NULL,
  at BIGINT NOT NULL,
  note VARCHAR(500) NOT NULL DEFAULT '',
  checksum VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  key_id VARCHAR(20) NOT NULL,
  sealed LONGBLOB NOT NULL,
  PRIMARY KEY (installation_id, context_id, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_context_versions_key ON context_versions (key_id);
CREATE TABLE contexts (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(200) NOT NULL,
  owner VARCHAR(120) NOT NULL,
  kind VARCHAR(10) NOT NULL,
  version BIGINT NOT NULL,
  task_id VARCHAR(40),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_contexts_owner ON contexts (installation_id, owner, id);
CREATE INDEX ix_contexts_task ON contexts (installation_id, task_id, id);
CREATE TABLE credentials (
  id VARCHAR(60) NOT NULL,
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  family VARCHAR(60),
  actor VARCHAR(120) NOT NULL,
  person_id BIGINT,
  `role` VARCHAR(20) NOT NULL,
  repositories LONGTEXT,
  name VARCHAR(200) NOT NULL DEFAULT '',
  client VARCHAR(500) NOT NULL DEFAULT '',
  data LONGTEXT,
  hash VARCHAR(64) NOT NULL,
  generation BIGINT NOT NULL DEFAULT 0,
  advanced_at BIGINT,
  created_at BIGINT NOT NULL,
  created_by VARCHAR(120) NOT NULL DEFAULT '',
  expires_at BIGINT,
  last_used_at BIGINT,
  uses_left BIGINT,
  revoked_at BIGINT,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_credentials_actor ON credentials (installation_id, actor);
CREATE INDEX ix_credentials_ends ON credentials (installation_id, expires_at);
CREATE INDEX ix_credentials_expires ON credentials (expires_at);
CREATE INDEX ix_credentials_person ON credentials (person_id);
CREATE INDEX ix_credentials_revoked ON credentials (revoked_at);
CREATE TABLE deliveries (
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
  number BIGINT,
  text_at BIGINT,
  trace VARCHAR(60),
  PRIMARY KEY (installation_id, guid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_deliveries_number ON deliveries (installation_id, repository_id, number, state);
CREATE INDEX ix_deliveries_received ON deliveries (installation_id, state, received_at);
CREATE INDEX ix_deliveries_state ON deliveries (state, not_before);
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
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_digests_next ON digests (next_at);
CREATE TABLE endpoint_deliveries (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  remote_id VARCHAR(255),
  data LONGTEXT,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_endpoint_deliveries_agent ON endpoint_deliveries (installation_id, agent_id, created_at);
CREATE INDEX ix_endpoint_deliveries_ended ON endpoint_deliveries (installation_id, state, ended_at);
CREATE INDEX ix_endpoint_deliveries_next ON endpoint_deliveries (installation_id, agent_id, state, not_before);
CREATE INDEX ix_endpoint_deliveries_state ON endpoint_deliveries (state, not_before);
CREATE TABLE endpoint_turns (
  installation_id BIGINT NOT NULL,
  delivery_id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  content LONGTEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, delivery_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE events (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind VARCHAR(60) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  actor VARCHAR(120) NOT NULL,
  data LONGTEXT NOT NULL,
  audience VARCHAR(64),
  repository_id BIGINT,
  PRIMARY KEY (installation_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_events_subject ON events (installation_id, subject, seq);
CREATE TABLE file_usage (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  files BIGINT NOT NULL,
  PRIMARY KEY (installation_id, holder)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE gate_votes (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  voter VARCHAR(120) NOT NULL,
  approves INTEGER NOT NULL,
  note LONGTEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, workflow_id, step, voter)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE head_checks (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  conclusion VARCHAR(20) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  check_run_id BIGINT,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, head_sha)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_head_checks_at ON head_checks (at);
CREATE INDEX ix_head_checks_newest ON head_checks (installation_id, conclusion, at);
CREATE TABLE heads (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE installation_facts (
  installation_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  value VARCHAR(500) NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE installations (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  account VARCHAR(100) NOT NULL,
  account_id BIGINT NOT NULL,
  account_type VARCHAR(40) NOT NULL,
  repository_selection VARCHAR(20) NOT NULL,
  permissions LONGTEXT NOT NULL,
  suspended_at BIGINT,
  app_id BIGINT NOT NULL DEFAULT 0,
  gone_at BIGINT,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_installations_account ON installations (account_id);
CREATE TABLE issues (
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  is_pull_request INTEGER NOT NULL,
  title VARCHAR(1024) NOT NULL,
  body LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  state_reason VARCHAR(40),
  labels LONGTEXT NOT NULL,
  assignees LONGTEXT NOT NULL,
  milestone BIGINT,
  locked INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  node_id VARCHAR(100) NOT NULL DEFAULT '',
  type VARCHAR(100) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_issues_node ON issues (installation_id, node_id);
CREATE INDEX ix_issues_number ON issues (installation_id, repository_id, number);
CREATE INDEX ix_issues_updated ON issues (installation_id, repository_id, updated_at);
CREATE TABLE labels (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  color VARCHAR(20) NOT NULL,
  description VARCHAR(500) NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
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
  paths LONGTEXT,
  known INTEGER NOT NULL DEFAULT 2,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_leases_ended ON leases (installation_id, ended_at);
CREATE INDEX ix_leases_expired ON leases (installation_id, state, ended_at);
CREATE INDEX ix_leases_expiry ON leases (state, expires_at);
CREATE INDEX ix_leases_holder ON leases (installation_id, holder, state, ended_at);
CREATE INDEX ix_leases_live ON leases (installation_id, state, task_id);
CREATE INDEX ix_leases_task ON leases (installation_id, task_id, fence);
CREATE TABLE lost_deliveries (
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
  PRIMARY KEY (installation_id, guid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_lost_deliveries_due ON lost_deliveries (not_before, delivered_at);
CREATE TABLE messages (
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
  expires_at BIGINT,
  on_card INTEGER NOT NULL DEFAULT 0,
  deleted_at BIGINT,
  asked_in VARCHAR(120),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_messages_recipient ON messages (installation_id, recipient, seq);
CREATE INDEX ix_messages_sender ON messages (installation_id, sender, sent_at);
CREATE INDEX ix_messages_task ON messages (installation_id, task_id, seq);
CREATE INDEX ix_messages_thread ON messages (installation_id, thread_id, seq);
CREATE TABLE milestones (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
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
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_milestones_number ON milestones (installation_id, repository_id, number);
CREATE TABLE mount_log (
  installation_id BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  level VARCHAR(10) NOT NULL,
  text VARCHAR(1000) NOT NULL,
  PRIMARY KEY (installation_id, mount_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_mount_log_at ON mount_log (at);
CREATE TABLE mounts (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  url VARCHAR(1000) NOT NULL,
  sealed LONGBLOB NOT NULL,
  options LONGTEXT NOT NULL,
  document LONGTEXT,
  repositories LONGTEXT,
  state VARCHAR(20) NOT NULL,
  version BIGINT NOT NULL,
  manifest_hash VARCHAR(64),
  listed_at BIGINT,
  health VARCHAR(20) NOT NULL,
  health_why VARCHAR(600),
  last_success_at BIGINT,
  last_failure_at BIGINT,
  failures INTEGER NOT NULL DEFAULT 0,
  probe_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE UNIQUE INDEX ix_mounts_name ON mounts (installation_id, name);
CREATE INDEX ix_mounts_probe ON mounts (probe_at);
CREATE TABLE noticed_items (
  installation_id BIGINT NOT NULL,
  item_key VARCHAR(255) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  repository_id BIGINT,
  began BIGINT NOT NULL,
  item LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, item_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE notices (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  seq BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  message LONGTEXT NOT NULL,
  repository_id BIGINT,
  created_at BIGINT NOT NULL,
  seen_at BIGINT,
  text_kind VARCHAR(20),
  text_id BIGINT,
  PRIMARY KEY (installation_id, agent_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_notices_age ON notices (created_at);
CREATE INDEX ix_notices_unseen ON notices (installation_id, agent_id, seen_at, created_at);
CREATE TABLE notification_sweeps (
  installation_id BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_notification_sweeps_due ON notification_sweeps (due_at);
CREATE TABLE notification_targets (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  name VARCHAR(60) NOT NULL,
  shown VARCHAR(255) NOT NULL,
  sealed LONGBLOB NOT NULL,
  rules LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  created_at BIGINT NOT NULL,
  created_by VARCHAR(120) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE notifications (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  target_id VARCHAR(40) NOT NULL,
  urgent INTEGER NOT NULL,
  state VARCHAR(20) NOT NULL,
  entries LONGTEXT NOT NULL,
  more INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_notifications_due ON notifications (state, not_before);
CREATE INDEX ix_notifications_state ON notifications (installation_id, state, ended_at);
CREATE INDEX ix_notifications_target ON notifications (installation_id, target_id, state, ended_at);
CREATE TABLE pending_reads (
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
  priority INTEGER NOT NULL DEFAULT 0,
  asker VARCHAR(120) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, kind, subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_pending_reads_queue ON pending_reads (installation_id, state, priority, not_before);
CREATE INDEX ix_pending_reads_state ON pending_reads (state, not_before);
CREATE TABLE people (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  login VARCHAR(120) NOT NULL,
  login_key VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE UNIQUE INDEX ix_people_login ON people (installation_id, login_key);
CREATE TABLE permissions (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  login_key VARCHAR(100) NOT NULL,
  permission VARCHAR(40) NOT NULL,
  fetched_at BIGINT NOT NULL,
  person_id BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, repository_id, login_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_permissions_person ON permissions (installation_id, person_id);
CREATE TABLE plan_proposals (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  proposed_by VARCHAR(120) NOT NULL,
  lease_id VARCHAR(40) NOT NULL,
  strategy VARCHAR(40),
  note LONGTEXT NOT NULL,
  definition LONGTEXT NOT NULL,
  size BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  decided_by VARCHAR(120),
  why VARCHAR(600),
  workflow_id VARCHAR(40),
  created_at BIGINT NOT NULL,
  decided_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_plan_proposals_state ON plan_proposals (installation_id, state, created_at);
CREATE INDEX ix_plan_proposals_task ON plan_proposals (installation_id, task_id, created_at, id);
CREATE TABLE planned_relations (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  write_id VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id, task_id, write_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_planned_relations_write ON planned_relations (installation_id, write_id);
CREATE TABLE plugin_card_lines (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  texts LONGTEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id, plugin)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_plugin_card_lines_plugin ON plugin_card_lines (installation_id, plugin, task_id);
CREATE INDEX ix_plugin_card_lines_updated ON plugin_card_lines (updated_at);
CREATE TABLE plugin_forwards (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  guid VARCHAR(80) NOT NULL,
  event VARCHAR(80) NOT NULL,
  repository_id BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  why VARCHAR(300),
  PRIMARY KEY (installation_id, plugin, guid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_plugin_forwards_next ON plugin_forwards (installation_id, plugin, state, received_at);
CREATE INDEX ix_plugin_forwards_state ON plugin_forwards (state, not_before);
CREATE TABLE plugin_installations (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  `role` VARCHAR(20) NOT NULL,
  sealed LONGBLOB NOT NULL,
  why VARCHAR(300),
  failures INTEGER NOT NULL DEFAULT 0,
  seq BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, plugin)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_plugin_installations_due ON plugin_installations (state, due_at);
CREATE TABLE plugin_parts (
  installation_id BIGINT NOT NULL,
  digest VARCHAR(64) NOT NULL,
  part BIGINT NOT NULL,
  data LONGBLOB NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, digest, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE plugin_ratings (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  likes BIGINT NOT NULL,
  dislikes BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE plugin_registries (
  installation_id BIGINT NOT NULL,
  place VARCHAR(255) NOT NULL,
  source VARCHAR(20) NOT NULL,
  signed_by VARCHAR(60) NOT NULL,
  number BIGINT NOT NULL,
  content LONGBLOB,
  digest VARCHAR(64),
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  home BIGINT,
  repository_id BIGINT,
  is_public INTEGER NOT NULL,
  look_at BIGINT NOT NULL,
  read_at BIGINT,
  added_by VARCHAR(120) NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, place)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE plugin_trust (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  subject VARCHAR(100) NOT NULL,
  detail VARCHAR(200) NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, kind, subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE plugin_values (
  installation_id BIGINT NOT NULL,
  plugin VARCHAR(40) NOT NULL,
  name VARCHAR(100) NOT NULL,
  version BIGINT NOT NULL,
  sealed LONGBLOB NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, plugin, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE plugins (
  installation_id BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  version VARCHAR(30) NOT NULL,
  source VARCHAR(20) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  manifest LONGTEXT NOT NULL,
  signed_by VARCHAR(60),
  state VARCHAR(20) NOT NULL,
  why VARCHAR(300),
  former LONGTEXT,
  revision BIGINT NOT NULL,
  installed_by VARCHAR(120) NOT NULL,
  installed_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE project_fields (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  project_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(40) NOT NULL,
  options LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_project_fields_project ON project_fields (installation_id, project_id);
CREATE TABLE project_items (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  project_node_id VARCHAR(100) NOT NULL,
  content_node_id VARCHAR(100) NOT NULL,
  content_type VARCHAR(40) NOT NULL,
  archived INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_project_items_content ON project_items (installation_id, content_node_id);
CREATE TABLE project_values (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  item_id BIGINT NOT NULL,
  field VARCHAR(100) NOT NULL,
  name VARCHAR(255) NOT NULL,
  option_id VARCHAR(100) NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, item_id, field)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE projects (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  number BIGINT NOT NULL,
  title VARCHAR(1024) NOT NULL,
  closed INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_projects_number ON projects (installation_id, number);
CREATE TABLE protocol_contexts (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  owner VARCHAR(120) NOT NULL,
  context_id VARCHAR(200) NOT NULL,
  message VARCHAR(60) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_protocol_contexts_context ON protocol_contexts (installation_id, owner, context_id, at);
CREATE TABLE pull_files (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  files LONGTEXT NOT NULL,
  whole INTEGER NOT NULL,
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE pull_links (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  pull_number BIGINT NOT NULL,
  issue_repository VARCHAR(250) NOT NULL,
  issue_number BIGINT NOT NULL,
  how VARCHAR(20) NOT NULL,
  PRIMARY KEY (installation_id, repository_id, pull_number, issue_repository, issue_number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_pull_links_issue ON pull_links (installation_id, issue_number, repository_id, pull_number);
CREATE TABLE pull_requests (
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
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
  labels LONGTEXT NOT NULL,
  assignees LONGTEXT NOT NULL,
  milestone BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  closed_at BIGINT,
  merged_at BIGINT,
  node_id VARCHAR(100) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_pull_requests_branch ON pull_requests (installation_id, repository_id, head_ref);
CREATE INDEX ix_pull_requests_head ON pull_requests (installation_id, repository_id, head_sha);
CREATE INDEX ix_pull_requests_number ON pull_requests (installation_id, repository_id, number);
CREATE INDEX ix_pull_requests_open ON pull_requests (installation_id, repository_id, state, number);
CREATE TABLE receipts (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  message_id VARCHAR(40) NOT NULL,
  state VARCHAR(20) NOT NULL,
  priority INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  visible_at BIGINT NOT NULL DEFAULT 0,
  read_at BIGINT,
  attempts INTEGER NOT NULL DEFAULT 0,
  expires_at BIGINT,
  dead_why VARCHAR(40),
  ended_at BIGINT,
  told_at BIGINT,
  PRIMARY KEY (installation_id, agent_id, message_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_receipts_expiry ON receipts (state, expires_at);
CREATE INDEX ix_receipts_inbox ON receipts (installation_id, agent_id, state, priority, seq);
CREATE INDEX ix_receipts_message ON receipts (installation_id, message_id);
CREATE INDEX ix_receipts_state ON receipts (installation_id, state, message_id);
CREATE TABLE refs (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  sha VARCHAR(64) NOT NULL,
  pushed_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE relations (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  source_id BIGINT NOT NULL,
  target_id BIGINT NOT NULL,
  source_name VARCHAR(300) NOT NULL,
  source_state VARCHAR(20) NOT NULL,
  target_name VARCHAR(300) NOT NULL,
  target_state VARCHAR(20) NOT NULL,
  cyclic INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, kind, source_id, target_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_relations_target ON relations (installation_id, kind, target_id);
CREATE TABLE repositories (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  full_name VARCHAR(250) NOT NULL,
  full_name_key VARCHAR(250) NOT NULL,
  private INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  has_issues INTEGER NOT NULL DEFAULT 1,
  default_branch VARCHAR(255) NOT NULL,
  selected INTEGER NOT NULL DEFAULT 1,
  gone_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_repositories_full_name ON repositories (installation_id, full_name_key);
CREATE TABLE repository_settings (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  settings LONGTEXT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  problem LONGTEXT,
  problem_sha VARCHAR(64),
  read_at BIGINT NOT NULL,
  narrows INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, repository_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_repository_settings_narrows ON repository_settings (installation_id, narrows);
CREATE TABLE requests (
  installation_id BIGINT NOT NULL,
  request_key VARCHAR(80) NOT NULL,
  at BIGINT NOT NULL,
  result LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, request_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_requests_at ON requests (at);
CREATE TABLE review_comments (
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  review_id BIGINT,
  in_reply_to_id BIGINT,
  path VARCHAR(1024) NOT NULL,
  line BIGINT,
  diff_hunk VARCHAR(700) NOT NULL DEFAULT '',
  commit_id VARCHAR(64) NOT NULL,
  body LONGTEXT NOT NULL,
  via_app_id BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_review_comments_number ON review_comments (installation_id, repository_id, number);
CREATE TABLE review_threads (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  node_id VARCHAR(100) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  comment_id BIGINT NOT NULL,
  resolved INTEGER NOT NULL,
  PRIMARY KEY (installation_id, node_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_review_threads_number ON review_threads (installation_id, repository_id, number);
CREATE TABLE reviews (
  author VARCHAR(100) NOT NULL,
  author_id BIGINT NOT NULL DEFAULT 0,
  author_association VARCHAR(40) NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  state VARCHAR(40) NOT NULL,
  body LONGTEXT NOT NULL,
  commit_id VARCHAR(64) NOT NULL,
  submitted_at BIGINT,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_reviews_number ON reviews (installation_id, repository_id, number);
CREATE TABLE run_schedules (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  template VARCHAR(40) NOT NULL,
  schedule VARCHAR(100) NOT NULL,
  next_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, template)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_run_schedules_next ON run_schedules (next_at);
CREATE TABLE search_texts (
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
  agent_key VARCHAR(120) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, doc)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE FULLTEXT INDEX ft_search_texts ON search_texts (terms);
CREATE INDEX ix_search_texts_number ON search_texts (installation_id, repository_id, number, row_id);
CREATE INDEX ix_search_texts_row ON search_texts (installation_id, row_id, kind);
CREATE TABLE senders (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(80) NOT NULL,
  lease_until BIGINT NOT NULL,
  last_mutation_at BIGINT NOT NULL DEFAULT 0,
  last_notified_at BIGINT NOT NULL DEFAULT 0,
  streak INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE spend_holds (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  agent_id VARCHAR(120) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  scope VARCHAR(20) NOT NULL,
  day BIGINT NOT NULL,
  level INTEGER NOT NULL,
  cap BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, agent_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE spending (
  installation_id BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  author VARCHAR(120) NOT NULL,
  requests BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, hour, author)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_spending_author ON spending (installation_id, author, last_at);
CREATE TABLE step_offers (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  fence BIGINT NOT NULL,
  agent_id VARCHAR(64),
  until_at BIGINT,
  why VARCHAR(600) NOT NULL,
  considered LONGTEXT NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, task_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE tasks (
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
  loop_between VARCHAR(300),
  size INTEGER,
  held_by VARCHAR(120),
  held_why VARCHAR(500),
  assigned_by VARCHAR(120),
  assigned_at BIGINT,
  decision VARCHAR(600),
  retried_at BIGINT,
  question LONGTEXT,
  asked_at BIGINT,
  stuck_at BIGINT,
  last_holder VARCHAR(120),
  ended_at BIGINT,
  reported_under VARCHAR(40),
  outsider VARCHAR(100),
  assigned_until BIGINT,
  queued_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tasks_asked ON tasks (installation_id, asked_at);
CREATE INDEX ix_tasks_best ON tasks (installation_id, state, priority, failures, queued_at, id);
CREATE INDEX ix_tasks_best_in ON tasks (installation_id, repository_id, state, priority, failures, queued_at, id);
CREATE INDEX ix_tasks_branch ON tasks (installation_id, repository_id, branch);
CREATE INDEX ix_tasks_changed ON tasks (installation_id, state, updated_at, id);
CREATE INDEX ix_tasks_changed_in ON tasks (installation_id, repository_id, state, updated_at, id);
CREATE INDEX ix_tasks_ended ON tasks (installation_id, repository_id, ended_at);
CREATE INDEX ix_tasks_ended_of_all ON tasks (installation_id, ended_at);
CREATE INDEX ix_tasks_held ON tasks (installation_id, repository_id, held);
CREATE UNIQUE INDEX ix_tasks_issue ON tasks (installation_id, issue_id);
CREATE INDEX ix_tasks_last_of ON tasks (installation_id, last_holder, state, created_at, id);
CREATE INDEX ix_tasks_newest ON tasks (installation_id, state, created_at, id);
CREATE INDEX ix_tasks_newest_in ON tasks (installation_id, repository_id, state, created_at, id);
CREATE INDEX ix_tasks_newest_of ON tasks (installation_id, holder, state, created_at, id);
CREATE INDEX ix_tasks_number ON tasks (installation_id, repository_id, number);
CREATE INDEX ix_tasks_pull ON tasks (installation_id, repository_id, pull_number);
CREATE INDEX ix_tasks_reserved ON tasks (state, assigned_at);
CREATE INDEX ix_tasks_reserved_for ON tasks (installation_id, assigned_to);
CREATE INDEX ix_tasks_reserved_until ON tasks (state, assigned_until);
CREATE INDEX ix_tasks_stuck ON tasks (installation_id, stuck_at);
CREATE TABLE tenant_counts (
  installation_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  name VARCHAR(40) NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (installation_id, day, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE tenant_cursors (
  installation_id BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  stored_bytes BIGINT NOT NULL,
  tool_call VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE tenants (
  installation_id BIGINT NOT NULL,
  quotas LONGTEXT NOT NULL,
  caps VARCHAR(200) NOT NULL,
  name VARCHAR(60) NOT NULL,
  color VARCHAR(7) NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE text_edits (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  text_id BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  editor VARCHAR(100) NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number, kind, text_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE tool_cache (
  installation_id BIGINT NOT NULL,
  cache_key VARCHAR(64) NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  expires_at BIGINT NOT NULL,
  result LONGTEXT NOT NULL,
  PRIMARY KEY (installation_id, cache_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tool_cache_expires ON tool_cache (expires_at);
CREATE TABLE tool_calls (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  caller VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  at BIGINT NOT NULL,
  outcome VARCHAR(40) NOT NULL,
  duration BIGINT NOT NULL,
  size BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  cached INTEGER NOT NULL DEFAULT 0,
  served_by VARCHAR(40),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tool_calls_outcome ON tool_calls (outcome, at);
CREATE INDEX ix_tool_calls_task ON tool_calls (installation_id, task_id);
CREATE INDEX ix_tool_calls_tool ON tool_calls (installation_id, mount_id, tool, id);
CREATE TABLE tool_usage (
  installation_id BIGINT NOT NULL,
  day BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  tool VARCHAR(128) NOT NULL,
  calls BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  minute BIGINT NOT NULL,
  minute_calls BIGINT NOT NULL,
  PRIMARY KEY (installation_id, day, mount_id, tool)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE tools (
  installation_id BIGINT NOT NULL,
  mount_id VARCHAR(40) NOT NULL,
  name VARCHAR(128) NOT NULL,
  title VARCHAR(300) NOT NULL,
  description LONGTEXT NOT NULL,
  input_schema LONGTEXT NOT NULL,
  output_schema LONGTEXT,
  hints LONGTEXT NOT NULL,
  hash VARCHAR(64) NOT NULL,
  state VARCHAR(20) NOT NULL,
  proposed LONGTEXT,
  policy LONGTEXT NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  accepted_by VARCHAR(120),
  PRIMARY KEY (installation_id, mount_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tools_pinned ON tools (installation_id, pinned, mount_id, name);
CREATE INDEX ix_tools_state ON tools (installation_id, state, mount_id, name);
CREATE TABLE tracker_links (
  installation_id BIGINT NOT NULL,
  tracker_id VARCHAR(40) NOT NULL,
  foreign_id VARCHAR(40) NOT NULL,
  number BIGINT NOT NULL,
  url VARCHAR(1000) NOT NULL,
  version BIGINT NOT NULL,
  hash VARCHAR(64) NOT NULL,
  content LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  task_id VARCHAR(40),
  written LONGTEXT,
  pending LONGTEXT,
  kept LONGTEXT NOT NULL,
  sweep BIGINT NOT NULL DEFAULT 0,
  missing_at BIGINT,
  look_at BIGINT,
  due_at BIGINT,
  reported VARCHAR(80),
  reports INTEGER NOT NULL DEFAULT 0,
  report_at BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, tracker_id, foreign_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tracker_links_due ON tracker_links (installation_id, tracker_id, due_at);
CREATE INDEX ix_tracker_links_look ON tracker_links (installation_id, tracker_id, look_at);
CREATE INDEX ix_tracker_links_state ON tracker_links (installation_id, tracker_id, state, number);
CREATE INDEX ix_tracker_links_task ON tracker_links (installation_id, task_id);
CREATE TABLE tracker_reports (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  tracker_id VARCHAR(40) NOT NULL,
  foreign_id VARCHAR(40) NOT NULL,
  number BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  about VARCHAR(80) NOT NULL,
  body LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  looks INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  error VARCHAR(300),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_tracker_reports_ended ON tracker_reports (state, not_before);
CREATE INDEX ix_tracker_reports_link ON tracker_reports (installation_id, tracker_id, foreign_id, state);
CREATE INDEX ix_tracker_reports_next ON tracker_reports (installation_id, tracker_id, state, not_before, id);
CREATE TABLE trackers (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(40) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  url VARCHAR(1000) NOT NULL,
  project VARCHAR(40) NOT NULL,
  project_name VARCHAR(255) NOT NULL,
  repository_id BIGINT NOT NULL,
  sealed LONGBLOB NOT NULL,
  user_id BIGINT NOT NULL,
  state VARCHAR(20) NOT NULL,
  version BIGINT NOT NULL,
  health VARCHAR(20) NOT NULL,
  health_why VARCHAR(600),
  failures INTEGER NOT NULL DEFAULT 0,
  cursor_at BIGINT,
  cursor_page BIGINT NOT NULL DEFAULT 0,
  sweep BIGINT NOT NULL DEFAULT 0,
  sweep_page BIGINT NOT NULL DEFAULT 0,
  sweep_at BIGINT NOT NULL,
  etag VARCHAR(300),
  rules VARCHAR(64),
  seq BIGINT NOT NULL DEFAULT 0,
  poll_at BIGINT NOT NULL,
  due_at BIGINT,
  taken_until BIGINT NOT NULL DEFAULT 0,
  limited_until BIGINT NOT NULL DEFAULT 0,
  report_at BIGINT NOT NULL DEFAULT 0,
  last_poll_at BIGINT,
  last_failure_at BIGINT,
  created_by VARCHAR(120) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_trackers_due ON trackers (due_at);
CREATE UNIQUE INDEX ix_trackers_name ON trackers (installation_id, name);
CREATE TABLE transfers (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  new_repository_id BIGINT NOT NULL,
  new_number BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE uploads (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  owner VARCHAR(120) NOT NULL,
  name VARCHAR(200) NOT NULL,
  given_type VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  digest VARCHAR(64),
  received BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_uploads_expiry ON uploads (installation_id, expires_at);
CREATE TABLE usage_reports (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  agent_id VARCHAR(120) NOT NULL,
  task_id VARCHAR(40),
  repository_id BIGINT,
  model VARCHAR(100) NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_usage_reports_task ON usage_reports (installation_id, task_id, agent_id);
CREATE TABLE usage_sums (
  installation_id BIGINT NOT NULL,
  scope VARCHAR(20) NOT NULL,
  subject VARCHAR(120) NOT NULL,
  day BIGINT NOT NULL,
  currency VARCHAR(3) NOT NULL,
  reports BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, scope, subject, day, currency)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_usage_sums_last ON usage_sums (last_at);
CREATE TABLE verdicts (
  installation_id BIGINT NOT NULL,
  write_id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  reviewer VARCHAR(120) NOT NULL,
  verdict VARCHAR(20) NOT NULL,
  head_sha VARCHAR(64) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, write_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_verdicts_number ON verdicts (installation_id, repository_id, number);
CREATE TABLE wait_circles (
  installation_id BIGINT NOT NULL,
  circle_id VARCHAR(40) NOT NULL,
  place INTEGER NOT NULL,
  waiter VARCHAR(120) NOT NULL,
  awaited VARCHAR(120) NOT NULL,
  kind VARCHAR(10) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  blocker VARCHAR(40),
  found_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, circle_id, place)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE workflow_definitions (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  sha VARCHAR(64),
  definition LONGTEXT,
  problem LONGTEXT,
  problem_sha VARCHAR(64),
  read_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE workflow_jobs (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
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
  url VARCHAR(500) NOT NULL DEFAULT '',
  failed_steps VARCHAR(500) NOT NULL DEFAULT '',
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_workflow_jobs_run ON workflow_jobs (installation_id, repository_id, run_id);
CREATE TABLE workflow_needs (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  needs VARCHAR(60) NOT NULL,
  state VARCHAR(10) NOT NULL,
  PRIMARY KEY (installation_id, workflow_id, step, needs)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE TABLE workflow_runs (
  deleted INTEGER NOT NULL DEFAULT 0,
  version VARCHAR(80) NOT NULL,
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
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_workflow_runs_head ON workflow_runs (installation_id, repository_id, head_sha);
CREATE TABLE workflow_schedules (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  schedule VARCHAR(100) NOT NULL,
  next_at BIGINT,
  PRIMARY KEY (installation_id, repository_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_workflow_schedules_next ON workflow_schedules (next_at);
CREATE TABLE workflow_steps (
  installation_id BIGINT NOT NULL,
  workflow_id VARCHAR(40) NOT NULL,
  step VARCHAR(60) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  place INTEGER NOT NULL,
  definition LONGTEXT NOT NULL,
  state VARCHAR(20) NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  context_version BIGINT,
  deadline_at BIGINT,
  opened_at BIGINT,
  ended_at BIGINT,
  spawn_at BIGINT,
  call_at BIGINT,
  call_id VARCHAR(40),
  PRIMARY KEY (installation_id, workflow_id, step)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_workflow_steps_call ON workflow_steps (call_at);
CREATE INDEX ix_workflow_steps_deadline ON workflow_steps (deadline_at);
CREATE INDEX ix_workflow_steps_spawn ON workflow_steps (spawn_at);
CREATE UNIQUE INDEX ix_workflow_steps_task ON workflow_steps (installation_id, task_id);
CREATE TABLE workflows (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  repository_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  definition LONGTEXT NOT NULL,
  inputs LONGTEXT NOT NULL,
  parent_task_id VARCHAR(40) NOT NULL,
  started_by VARCHAR(120) NOT NULL,
  state VARCHAR(20) NOT NULL,
  why VARCHAR(600),
  context_id VARCHAR(40),
  most_open INTEGER NOT NULL,
  schedule_slot BIGINT,
  started_role VARCHAR(20),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_workflows_ended ON workflows (installation_id, ended_at);
CREATE INDEX ix_workflows_in ON workflows (installation_id, repository_id, state, created_at, id);
CREATE INDEX ix_workflows_parent ON workflows (installation_id, parent_task_id, created_at);
CREATE UNIQUE INDEX ix_workflows_slot ON workflows (installation_id, repository_id, name, schedule_slot);
CREATE INDEX ix_workflows_state ON workflows (installation_id, state, created_at, id);
CREATE TABLE writes (
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
  lane INTEGER NOT NULL DEFAULT 1,
  told_at BIGINT,
  trace VARCHAR(60),
  PRIMARY KEY (installation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin;
CREATE INDEX ix_writes_author ON writes (installation_id, author, state, finished_at);
CREATE INDEX ix_writes_queue ON writes (installation_id, state, seq);
CREATE INDEX ix_writes_state ON writes (state, not_before, installation_id);
CREATE INDEX ix_writes_target ON writes (installation_id, target, state, seq);
CREATE INDEX ix_writes_task ON writes (installation_id, task_id, state, seq);
