ALTER TABLE installations ADD COLUMN app_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE repositories ADD COLUMN gone_at BIGINT;
ALTER TABLE permissions ADD COLUMN person_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE commands ADD COLUMN asker_id BIGINT NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS people (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  login VARCHAR(120) NOT NULL,
  login_key VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id, id),
  UNIQUE KEY ix_people_login (installation_id, login_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
DELETE FROM installations WHERE installation_id = 0;
DELETE FROM repositories WHERE installation_id = 0;
DELETE FROM backfills WHERE installation_id = 0;
DELETE FROM pending_reads WHERE installation_id = 0;
DELETE FROM commands WHERE installation_id = 0;
