CREATE TABLE text_edits (
  installation_id BIGINT NOT NULL,
  repository_id BIGINT NOT NULL,
  number BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  text_id BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  editor VARCHAR(100) NOT NULL,
  PRIMARY KEY (installation_id, repository_id, number, kind, text_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
ALTER TABLE tasks ADD COLUMN outsider VARCHAR(100);
UPDATE tasks SET outsider = (
  SELECT CASE i.author WHEN '' THEN 'ghost' ELSE i.author END FROM issues i
  WHERE i.installation_id = tasks.installation_id AND i.id = tasks.issue_id
  AND SUBSTR(i.author, -5) <> '[bot]'
  AND i.author_association NOT IN ('OWNER', 'MEMBER', 'COLLABORATOR')
);
