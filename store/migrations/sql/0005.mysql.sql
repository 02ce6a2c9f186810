ALTER TABLE deliveries ADD COLUMN number BIGINT;
ALTER TABLE deliveries ADD COLUMN text_at BIGINT;
ALTER TABLE commands ADD COLUMN asked_at BIGINT;
CREATE INDEX ix_deliveries_number ON deliveries (installation_id, repository_id, number, state);
CREATE INDEX ix_commands_number ON commands (installation_id, repository_id, state, number);
