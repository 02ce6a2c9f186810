ALTER TABLE tasks ADD COLUMN last_holder VARCHAR(120);
UPDATE tasks SET last_holder = (SELECT l.holder FROM leases l WHERE l.installation_id = tasks.installation_id AND l.task_id = tasks.id AND l.fence = tasks.fence LIMIT 1) WHERE fence > 0;
CREATE INDEX ix_tasks_last_of ON tasks (installation_id, last_holder, state, created_at, id);
CREATE TABLE IF NOT EXISTS planned_relations (
  installation_id BIGINT NOT NULL,
  task_id VARCHAR(40) NOT NULL,
  write_id VARCHAR(40) NOT NULL,
  PRIMARY KEY (installation_id, task_id, write_id),
  KEY ix_planned_relations_write (installation_id, write_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
