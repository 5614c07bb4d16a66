-- Something for every phase of a restore, and something that every phase reports.
CREATE SCHEMA app AUTHORIZATION kx_owner;
CREATE EXTENSION citext SCHEMA app;
CREATE DOMAIN app.positive AS int CHECK (value > 0);
CREATE TYPE app.mood AS ENUM ('bad', 'fair', 'good');
CREATE TABLE app.keyed (id int PRIMARY KEY, text text COLLATE "C", twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO app.keyed SELECT g, md5(g::text) FROM generate_series(1, 100) g;
CREATE TABLE app.refers (id int GENERATED ALWAYS AS IDENTITY, keyed int REFERENCES app.keyed, many app.positive);
INSERT INTO app.refers (keyed, many) SELECT g, g FROM generate_series(1, 50) g;
CREATE TABLE app.vote (mood app.mood, n int) PARTITION BY HASH (mood);
CREATE TABLE app.vote_0 PARTITION OF app.vote FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.vote_1 PARTITION OF app.vote FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.vote SELECT (enum_range(NULL::app.mood))[1 + g % 3], g % 5 FROM generate_series(1, 60) g;
CREATE TABLE plain AS SELECT g % 7 AS id, g % 3 AS odd FROM generate_series(1, 40) g;
CREATE TABLE theirs (id int UNIQUE);
ALTER TABLE app.keyed OWNER TO kx_owner;
ALTER TABLE app.vote OWNER TO kx_owner;
ALTER TABLE theirs OWNER TO kx_there;
CREATE SEQUENCE counter;
SELECT nextval('counter') FROM generate_series(1, 7);
-- The target has one of this name by an extension.
CREATE FUNCTION crypt(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'mine: ' || $1 $$;
-- A restore has no search_path: the index cannot be made.
CREATE FUNCTION odd(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  $$BEGIN RETURN (SELECT min(odd) FROM plain) + n; END$$;
CREATE INDEX odd ON plain (odd(id));
CREATE INDEX by_id ON plain (id);
CREATE FUNCTION app.more() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.plain VALUES (99, 99); RETURN NEW; END$$;
CREATE TRIGGER more AFTER INSERT ON app.keyed FOR EACH ROW EXECUTE FUNCTION app.more();
-- A view that is read before it is there by name.
CREATE MATERIALIZED VIEW app.counted AS SELECT id, count(*) FROM plain GROUP BY 1;
CREATE UNIQUE INDEX ON app.counted (id);
CREATE VIEW app.seen AS SELECT * FROM app.keyed;
ALTER VIEW app.seen OWNER TO kx_owner;
ALTER TABLE app.keyed ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.keyed FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.keyed FOR SELECT TO kx_reader USING (id > 3);
GRANT USAGE ON SCHEMA app TO kx_app, kx_reader;
GRANT SELECT ON app.keyed TO kx_reader WITH GRANT OPTION;
SET ROLE kx_reader;
GRANT SELECT ON app.keyed TO PUBLIC;
RESET ROLE;
REVOKE ALL ON app.vote FROM kx_owner;
-- Nobody but a superuser gives it.
GRANT SELECT ON pg_catalog.pg_authid TO kx_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE kx_owner IN SCHEMA app GRANT SELECT ON TABLES TO kx_reader;
COMMENT ON TABLE plain IS 'it''s plain';
SELECT lo_from_bytea(1000 + g, decode(repeat('ab', g), 'hex')) FROM generate_series(1, 5) g;
SELECT lo_create(2000);
ALTER LARGE OBJECT 1001 OWNER TO kx_owner;
GRANT SELECT ON LARGE OBJECT 1002 TO kx_reader;
COMMENT ON LARGE OBJECT 1003 IS 'large';
CREATE PUBLICATION "some" FOR TABLE plain, app.keyed;
ALTER PUBLICATION "some" OWNER TO kx_owner;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
CREATE STATISTICS app.both ON id, twice FROM app.keyed;
