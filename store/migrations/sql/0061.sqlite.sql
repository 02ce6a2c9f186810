CREATE INDEX ix_tasks_changed ON tasks (installation_id, state, updated_at, id);
CREATE INDEX ix_tasks_changed_in ON tasks (installation_id, repository_id, state, updated_at, id);
