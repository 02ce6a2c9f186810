CREATE INDEX ix_leases_ended ON leases (installation_id, ended_at);
CREATE INDEX ix_tasks_ended_of_all ON tasks (installation_id, ended_at);
ALTER TABLE deliveries ADD COLUMN trace VARCHAR(60);
ALTER TABLE commands ADD COLUMN trace VARCHAR(60);
ALTER TABLE writes ADD COLUMN trace VARCHAR(60);
