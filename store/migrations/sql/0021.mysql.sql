CREATE INDEX ix_installations_account ON installations (account_id);
