CREATE INDEX ix_permissions_person ON permissions (installation_id, person_id);
CREATE INDEX ix_credentials_person ON credentials (person_id);
