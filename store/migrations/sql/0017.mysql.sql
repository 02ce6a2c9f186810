CREATE INDEX ix_messages_recipient ON messages (installation_id, recipient, seq);
