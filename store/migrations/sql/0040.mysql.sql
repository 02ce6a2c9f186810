CREATE INDEX ix_tasks_asked ON tasks (installation_id, asked_at);
CREATE INDEX ix_leases_expired ON leases (installation_id, state, ended_at);
CREATE INDEX ix_agent_runs_ended ON agent_runs (installation_id, state, ended_at);
CREATE INDEX ix_head_checks_newest ON head_checks (installation_id, conclusion, at);
