CREATE INDEX ix_tasks_branch ON tasks (installation_id, repository_id, branch);
