CREATE INDEX ix_credentials_ends ON credentials (installation_id, expires_at);
