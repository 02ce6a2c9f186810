ALTER TABLE repository_settings ADD COLUMN narrows INTEGER DEFAULT 0 NOT NULL;
CREATE INDEX ix_repository_settings_narrows ON repository_settings (installation_id, narrows);
