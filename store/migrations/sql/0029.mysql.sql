ALTER TABLE credentials ADD COLUMN advanced_at BIGINT;
