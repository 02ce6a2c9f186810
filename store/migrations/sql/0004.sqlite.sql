ALTER TABLE agents ADD COLUMN paused_at BIGINT;
ALTER TABLE agents ADD COLUMN paused_by VARCHAR(120);
ALTER TABLE agents ADD COLUMN left_at BIGINT;
ALTER TABLE agents ADD COLUMN health TEXT;
ALTER TABLE agents ADD COLUMN calls BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE agents ADD COLUMN completed BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE agents ADD COLUMN failed BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE agents ADD COLUMN expired BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE agents ADD COLUMN released BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE tasks ADD COLUMN size INTEGER;
ALTER TABLE tasks ADD COLUMN held_by VARCHAR(120);
ALTER TABLE tasks ADD COLUMN held_why VARCHAR(500);
ALTER TABLE tasks ADD COLUMN assigned_by VARCHAR(120);
ALTER TABLE tasks ADD COLUMN assigned_at BIGINT;
ALTER TABLE tasks ADD COLUMN decision VARCHAR(600);
ALTER TABLE tasks ADD COLUMN retried_at BIGINT;
ALTER TABLE tasks ADD COLUMN question TEXT;
ALTER TABLE tasks ADD COLUMN asked_at BIGINT;
ALTER TABLE leases ADD COLUMN paths TEXT;
ALTER TABLE leases ADD COLUMN told_at BIGINT;
UPDATE leases SET told_at = ended_at WHERE ended_at IS NOT NULL;
ALTER TABLE messages ADD COLUMN expires_at BIGINT;
ALTER TABLE messages ADD COLUMN on_card INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE messages ADD COLUMN deleted_at BIGINT;
ALTER TABLE receipts ADD COLUMN attempts INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE receipts ADD COLUMN expires_at BIGINT;
ALTER TABLE receipts ADD COLUMN dead_why VARCHAR(40);
ALTER TABLE receipts ADD COLUMN ended_at BIGINT;
ALTER TABLE receipts ADD COLUMN told_at BIGINT;
ALTER TABLE events ADD COLUMN audience VARCHAR(64);
ALTER TABLE events ADD COLUMN repository_id BIGINT;
CREATE INDEX ix_agents_parent ON agents (installation_id, parent_id);
ALTER TABLE relations ADD COLUMN cyclic INTEGER DEFAULT 0 NOT NULL;
CREATE INDEX ix_tasks_reserved ON tasks (state, assigned_at);
CREATE INDEX ix_tasks_held ON tasks (installation_id, repository_id, held);
DROP INDEX ix_leases_holder;
CREATE INDEX ix_leases_holder ON leases (installation_id, holder, state, ended_at);
CREATE INDEX ix_leases_task ON leases (installation_id, task_id, fence);
CREATE INDEX ix_leases_live ON leases (installation_id, state, task_id);
CREATE INDEX ix_messages_sender ON messages (installation_id, sender, sent_at);
CREATE INDEX ix_messages_task ON messages (installation_id, task_id, seq);
CREATE INDEX ix_messages_thread ON messages (installation_id, thread_id, seq);
CREATE INDEX ix_receipts_message ON receipts (installation_id, message_id);
CREATE INDEX ix_receipts_expiry ON receipts (state, expires_at);
CREATE INDEX ix_receipts_state ON receipts (installation_id, state, message_id);
CREATE INDEX ix_events_subject ON events (installation_id, subject, seq);
CREATE INDEX ix_pull_requests_open ON pull_requests (installation_id, repository_id, state, number);
CREATE TABLE checkpoints (
  installation_id BIGINT NOT NULL,
  agent_id VARCHAR(64) NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  saved_at BIGINT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (installation_id, agent_id, task_id)
);
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
);
CREATE INDEX ix_contexts_owner ON contexts (installation_id, owner, id);
CREATE INDEX ix_contexts_task ON contexts (installation_id, task_id, id);
CREATE TABLE context_versions (
  installation_id BIGINT NOT NULL,
  context_id VARCHAR(40) NOT NULL,
  version BIGINT NOT NULL,
  author VARCHAR(120) NOT NULL,
  at BIGINT NOT NULL,
  note VARCHAR(500) DEFAULT '' NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  key_id VARCHAR(20) NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (installation_id, context_id, version)
);
CREATE INDEX ix_context_versions_key ON context_versions (key_id);
CREATE TABLE context_grants (
  installation_id BIGINT NOT NULL,
  context_id VARCHAR(40) NOT NULL,
  grantee VARCHAR(140) NOT NULL,
  access VARCHAR(10) NOT NULL,
  granted_by VARCHAR(120) NOT NULL,
  granted_at BIGINT NOT NULL,
  PRIMARY KEY (installation_id, context_id, grantee)
);
CREATE INDEX ix_context_grants_grantee ON context_grants (installation_id, grantee, context_id);
CREATE TABLE context_snapshots (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  name VARCHAR(200) NOT NULL,
  author VARCHAR(120) NOT NULL,
  at BIGINT NOT NULL,
  members TEXT NOT NULL,
  PRIMARY KEY (installation_id, id)
);
CREATE INDEX ix_context_snapshots_author ON context_snapshots (installation_id, author, id);
