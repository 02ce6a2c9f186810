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
INSERT IGNORE INTO people (installation_id, id, login, login_key)
  SELECT t.installation_id, c.author_id, c.author, LOWER(c.author)
  FROM tasks t JOIN comments c ON c.installation_id = t.installation_id
  AND c.repository_id = t.repository_id AND c.number = t.number AND c.author = SUBSTR(t.holder, 2)
  WHERE SUBSTR(t.holder, 1, 1) = '@' AND c.author_id > 0;
DELETE FROM installations WHERE installation_id = 0;
DELETE FROM repositories WHERE installation_id = 0;
DELETE FROM backfills WHERE installation_id = 0;
DELETE FROM pending_reads WHERE installation_id = 0;
DELETE FROM commands WHERE installation_id = 0;
