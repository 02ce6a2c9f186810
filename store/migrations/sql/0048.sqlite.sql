ALTER TABLE repositories ADD COLUMN has_issues INTEGER NOT NULL DEFAULT 1;
CREATE INDEX ix_workflows_in ON workflows (installation_id, repository_id, state, created_at, id);
