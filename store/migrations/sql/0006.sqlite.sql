ALTER TABLE installations ADD COLUMN app_id BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE repositories ADD COLUMN gone_at BIGINT;
ALTER TABLE permissions ADD COLUMN person_id BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE commands ADD COLUMN asker_id BIGINT DEFAULT 0 NOT NULL;
CREATE TABLE people (
  installation_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  login VARCHAR(120) NOT NULL,
  login_key VARCHAR(120) NOT NULL,
  PRIMARY KEY (installation_id, id)
);
CREATE UNIQUE INDEX ix_people_login ON people (installation_id, login_key);
DELETE FROM installations WHERE installation_id = 0;
DELETE FROM repositories WHERE installation_id = 0;
DELETE FROM backfills WHERE installation_id = 0;
DELETE FROM pending_reads WHERE installation_id = 0;
DELETE FROM commands WHERE installation_id = 0;
