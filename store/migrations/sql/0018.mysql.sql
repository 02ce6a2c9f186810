CREATE INDEX ix_tasks_reserved_for ON tasks (installation_id, assigned_to);
