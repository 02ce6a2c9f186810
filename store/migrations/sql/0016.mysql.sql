ALTER TABLE tasks ADD COLUMN reported_under VARCHAR(40);
