ALTER TABLE repository_settings ADD COLUMN narrows INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ix_repository_settings_narrows ON repository_settings (installation_id, narrows);
