CREATE TABLE blobs (
  installation_id BIGINT NOT NULL,
  id VARCHAR(40) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  type VARCHAR(120) NOT NULL,
  facts TEXT NOT NULL,
  chunks INTEGER NOT NULL,
  text_state VARCHAR(10) NOT NULL DEFAULT 'untried',
  text_note VARCHAR(300),
  created_at BIGINT NOT NULL,
  unused_since BIGINT,
  PRIMARY KEY (installation_id, id)
);
CREATE UNIQUE INDEX ix_blobs_digest ON blobs (installation_id, digest);
CREATE INDEX ix_blobs_unused ON blobs (installation_id, unused_since);
CREATE TABLE blob_chunks (
  installation_id BIGINT NOT NULL,
  blob_id VARCHAR(40) NOT NULL,
  part INTEGER NOT NULL,
  key_id VARCHAR(20) NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (installation_id, blob_id, part)
);
CREATE INDEX ix_blob_chunks_key ON blob_chunks (key_id);
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
);
CREATE INDEX ix_uploads_expiry ON uploads (installation_id, expires_at);
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
);
CREATE INDEX ix_attachments_blob ON attachments (installation_id, blob_id);
CREATE INDEX ix_attachments_owner ON attachments (installation_id, owner, id);
CREATE INDEX ix_attachments_expiry ON attachments (installation_id, expires_at);
CREATE TABLE attachment_uses (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  attachment_id VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id, kind, subject, attachment_id)
);
CREATE INDEX ix_attachment_uses_file ON attachment_uses (installation_id, attachment_id);
CREATE TABLE file_usage (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  files BIGINT NOT NULL,
  PRIMARY KEY (installation_id, holder)
);
