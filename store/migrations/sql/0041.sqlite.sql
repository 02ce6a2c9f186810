CREATE TABLE installation_facts (
  installation_id BIGINT NOT NULL,
  name VARCHAR(60) NOT NULL,
  value VARCHAR(500) NOT NULL,
  PRIMARY KEY (installation_id, name)
);
INSERT INTO installation_facts (installation_id, name, value)
SELECT CAST(SUBSTR(name, 18) AS INTEGER), 'events forgotten', value FROM facts WHERE SUBSTR(name, 1, 17) = 'events forgotten ';
CREATE INDEX ix_commands_waiting ON commands (installation_id, state, not_before);
