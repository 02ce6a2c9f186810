CREATE TABLE budget_samples (
  installation_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  limit_ BIGINT,
  n BIGINT NOT NULL,
  PRIMARY KEY (installation_id, at, name)
);
CREATE INDEX ix_audit_actor ON audit (installation_id, actor, seq);
CREATE INDEX ix_audit_operation ON audit (installation_id, operation, seq);
