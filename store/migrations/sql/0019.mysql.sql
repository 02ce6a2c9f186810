CREATE INDEX ix_pull_requests_branch ON pull_requests (installation_id, repository_id, head_ref);
CREATE INDEX ix_pull_requests_head ON pull_requests (installation_id, repository_id, head_sha);
