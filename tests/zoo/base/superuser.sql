-- What only a superuser may make: foreign data wrappers, event triggers, publications of all, a subscription.

-- ---------------------------------------------------------------- foreign data
CREATE FOREIGN DATA WRAPPER zoo_fdw OPTIONS (option1 'it''s "a"', "Opt""ion" E'\\');
ALTER FOREIGN DATA WRAPPER zoo_fdw OWNER TO zoo_super;
GRANT USAGE ON FOREIGN DATA WRAPPER zoo_fdw TO zoo_owner, zoo_app;
SET ROLE zoo_owner;
CREATE SERVER zoo_server TYPE 'ty"pe' VERSION '1.2''3' FOREIGN DATA WRAPPER zoo_fdw OPTIONS (host 'nowhere', port '0');
CREATE SERVER "Ser""ver.🛟" FOREIGN DATA WRAPPER zoo_fdw;
CREATE USER MAPPING FOR PUBLIC SERVER zoo_server OPTIONS ("user" 'nobody', password 'se''cret');
CREATE USER MAPPING FOR CURRENT_USER SERVER zoo_server OPTIONS (password 'se\cret');
CREATE USER MAPPING FOR "zoo_quote""d" SERVER "Ser""ver.🛟" OPTIONS (password '🛟');
CREATE FOREIGN TABLE zoo.foreign_table (id integer OPTIONS (column_name 'i''d') NOT NULL, t text COLLATE "C" DEFAULT 'x', m zoo.mood,
    g integer GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT positive_id CHECK (id > 0))
    SERVER zoo_server OPTIONS (table_name 'ta"ble', schema_name E'\\');
ALTER FOREIGN TABLE zoo.foreign_table ALTER COLUMN t SET STATISTICS 55;
CREATE TRIGGER of_foreign BEFORE INSERT ON zoo.foreign_table FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
CREATE TABLE zoo.has_foreign (id integer, t text) PARTITION BY RANGE (id);
CREATE TABLE zoo.has_foreign_local PARTITION OF zoo.has_foreign FOR VALUES FROM (0) TO (10);
CREATE FOREIGN TABLE zoo.has_foreign_remote PARTITION OF zoo.has_foreign FOR VALUES FROM (10) TO (20) SERVER "Ser""ver.🛟";
INSERT INTO zoo.has_foreign VALUES (1, 'local');
CREATE TABLE zoo.parent_of_foreign (a integer);
INSERT INTO zoo.parent_of_foreign VALUES (1);
CREATE FOREIGN TABLE zoo.foreign_child (b text) INHERITS (zoo.parent_of_foreign) SERVER zoo_server;
CREATE VIEW zoo.of_foreign AS SELECT id, t FROM zoo.foreign_table;
CREATE MATERIALIZED VIEW zoo.m_of_foreign AS SELECT id, t FROM zoo.foreign_table WITH NO DATA;
RESET ROLE;

-- ---------------------------------------------------------------- event triggers
CREATE FUNCTION zoo.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG 'zoo event %', tg_tag; END $$;
ALTER FUNCTION zoo.on_event() OWNER TO zoo_owner;
CREATE EVENT TRIGGER zoo_event ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION zoo.on_event();
CREATE EVENT TRIGGER "zoo eve""nt.🛟" ON sql_drop EXECUTE FUNCTION zoo.on_event();
CREATE EVENT TRIGGER zoo_event_off ON table_rewrite EXECUTE FUNCTION zoo.on_event();
ALTER EVENT TRIGGER zoo_event_off DISABLE;
ALTER EVENT TRIGGER "zoo eve""nt.🛟" ENABLE ALWAYS;
ALTER EVENT TRIGGER zoo_event OWNER TO zoo_super;
ALTER EVENT TRIGGER "zoo eve""nt.🛟" OWNER TO zoo_super;
ALTER EVENT TRIGGER zoo_event_off OWNER TO zoo_super;

-- ---------------------------------------------------------------- publications (their tables stay free to update and delete)
SET client_min_messages = error;
CREATE PUBLICATION zoo_all FOR ALL TABLES WITH (publish = 'insert, truncate');
ALTER PUBLICATION zoo_all OWNER TO zoo_super;
CREATE PUBLICATION zoo_none WITH (publish = '');
CREATE PUBLICATION "zoo pub""lication.🛟" FOR TABLE zoo.people, ONLY zoo.parent, zoo.tree WITH (publish = 'insert', publish_via_partition_root = true);
\if :pg15
CREATE PUBLICATION zoo_rows FOR TABLE zoo.people (id, boss) WHERE (id > 10 AND boss IS NOT NULL), zoo.pages WHERE (filler <> E'it''s \\') WITH (publish = 'insert');
CREATE PUBLICATION zoo_schema FOR TABLES IN SCHEMA zoo, "Zoo Mixed", TABLE zoo_names.list WITH (publish = 'insert');
\endif
\if :pg18
CREATE PUBLICATION zoo_generated FOR TABLE zoo.generated WITH (publish = 'insert', publish_generated_columns = stored);
\endif
ALTER PUBLICATION "zoo pub""lication.🛟" OWNER TO zoo_owner;

-- ---------------------------------------------------------------- a subscription that never connects; see unsubscribe.sql
CREATE SUBSCRIPTION "zoo sub""scription" CONNECTION 'host=nowhere.invalid user=x password=''se\''cret''' PUBLICATION a, "B""b"
    WITH (connect = false, enabled = false, slot_name = NONE, create_slot = false, synchronous_commit = local);
ALTER SUBSCRIPTION "zoo sub""scription" OWNER TO zoo_super;
SET client_min_messages = warning;
