ALTER TABLE search_texts ADD COLUMN agent_key VARCHAR(120) DEFAULT '' NOT NULL;
DELETE FROM facts WHERE name = 'search index';
