CREATE TABLE IF NOT EXISTS blobs (
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
  PRIMARY KEY (installation_id, id),
  UNIQUE KEY ix_blobs_digest (installation_id, digest),
  KEY ix_blobs_unused (installation_id, unused_since)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS blob_chunks (
  installation_id BIGINT NOT NULL,
  blob_id VARCHAR(40) NOT NULL,
  part INTEGER NOT NULL,
  key_id VARCHAR(20) NOT NULL,
  sealed LONGBLOB NOT NULL,
  PRIMARY KEY (installation_id, blob_id, part),
  KEY ix_blob_chunks_key (key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS uploads (
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
  PRIMARY KEY (installation_id, id),
  KEY ix_uploads_expiry (installation_id, expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS attachments (
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
  PRIMARY KEY (installation_id, id),
  KEY ix_attachments_blob (installation_id, blob_id),
  KEY ix_attachments_owner (installation_id, owner, id),
  KEY ix_attachments_expiry (installation_id, expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS attachment_uses (
  installation_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  subject VARCHAR(40) NOT NULL,
  attachment_id VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id, kind, subject, attachment_id),
  KEY ix_attachment_uses_file (installation_id, attachment_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
CREATE TABLE IF NOT EXISTS file_usage (
  installation_id BIGINT NOT NULL,
  holder VARCHAR(120) NOT NULL,
  size BIGINT NOT NULL,
  files BIGINT NOT NULL,
  PRIMARY KEY (installation_id, holder)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
