-- What a managed service's master user has: no superuser, CREATEDB CREATEROLE, a database of its own and
-- roles of its own (zoo_own_*). As zoo_master (of roles.sql), into an empty UTF8 database that it owns:
--     CREATE DATABASE x OWNER zoo_master TEMPLATE template0 ENCODING 'UTF8';
--     psql -X -v ON_ERROR_STOP=1 -f owner.sql URL_OF_ZOO_MASTER
--     -v portable=1  no extensions
--     -v forced=on   also a table with FORCE ROW LEVEL SECURITY, which its owner cannot export
-- A restore as zoo_master should lose nothing of this; stock pg_restore does.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_encoding = 'UTF8';
SET client_min_messages = error;
SET standard_conforming_strings = on;
SET search_path = pg_catalog;
SELECT current_setting('server_version_num')::int >= 140000 AS pg14, current_setting('server_version_num')::int >= 150000 AS pg15,
       current_setting('server_version_num')::int >= 160000 AS pg16, current_setting('is_superuser')::boolean AS super, current_database() AS db \gset
\if :{?portable}
\else
\set portable off
\endif
\if :super
DO $$ BEGIN RAISE 'not as superuser'; END $$;
\endif

-- ---------------------------------------------------------------- roles
SELECT format('CREATE ROLE %I', n) FROM unnest(ARRAY['zoo_own_app', 'zoo_own_reader', 'zoo_own_other', 'zoo_own_Quo"te.🛟']) AS n
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n) \gexec
ALTER ROLE zoo_own_app LOGIN CONNECTION LIMIT 9 PASSWORD 'zoo' VALID UNTIL '2038-01-19 00:00+00';
ALTER ROLE zoo_own_app SET search_path = "$user", shop;
GRANT zoo_own_reader TO zoo_own_app;
\if :pg16
GRANT zoo_own_app, zoo_own_reader, zoo_own_other, "zoo_own_Quo""te.🛟" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
\else
GRANT zoo_own_app, zoo_own_reader, zoo_own_other, "zoo_own_Quo""te.🛟" TO CURRENT_USER;
\endif

-- ---------------------------------------------------------------- schemas of several owners
CREATE SCHEMA shop;
CREATE SCHEMA app_own AUTHORIZATION zoo_own_app;
CREATE SCHEMA "Sche""ma.🛟" AUTHORIZATION "zoo_own_Quo""te.🛟";
GRANT USAGE, CREATE ON SCHEMA shop TO zoo_own_app, zoo_own_other, "zoo_own_Quo""te.🛟";
GRANT USAGE ON SCHEMA shop TO zoo_own_reader;
\if :pg15
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO zoo_own_reader;
COMMENT ON SCHEMA public IS 'not the standard comment';
\endif

-- ---------------------------------------------------------------- types and functions
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'it''s "lost" \');
CREATE DOMAIN shop.price AS numeric(9,2) DEFAULT 1 CHECK (VALUE >= 0);
CREATE TYPE shop.address AS (street text, zip varchar(9), state shop.state);
CREATE TYPE shop.prices AS RANGE (subtype = numeric);
CREATE COLLATION shop.c FROM "C";
CREATE FUNCTION shop.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 * 2';
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS 'BEGIN NEW.t := coalesce(NEW.t, ''touched''); RETURN NEW; END';
CREATE PROCEDURE shop.proc(INOUT a integer) LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE AGGREGATE shop.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE FUNCTION shop.plus(shop.address, shop.address) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).street || ($2).street';
CREATE OPERATOR shop.+ (LEFTARG = shop.address, RIGHTARG = shop.address, FUNCTION = shop.plus);
CREATE FUNCTION shop.address_text(shop.address) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).street';
CREATE CAST (shop.address AS text) WITH FUNCTION shop.address_text(shop.address);
CREATE TEXT SEARCH DICTIONARY shop.dictionary (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION shop.words (COPY = english);
ALTER TEXT SEARCH CONFIGURATION shop.words ALTER MAPPING FOR word WITH shop.dictionary;

-- ---------------------------------------------------------------- tables of several owners
CREATE TABLE shop.customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, home shop.address, t text, twice integer GENERATED ALWAYS AS (length(name) * 2) STORED,
    CONSTRAINT "na""me" CHECK (name <> ''));
INSERT INTO shop.customers (name, home) SELECT 'customer ' || i, ROW('street ' || i, i, 'new')::shop.address FROM generate_series(1, 200) i;
CREATE TRIGGER touch BEFORE INSERT ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE INDEX customers_name ON shop.customers (lower(name)) INCLUDE (t) WHERE id > 3;
CREATE STATISTICS shop.customers_stat ON id, name FROM shop.customers;
SET ROLE zoo_own_app;
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer integer, state shop.state DEFAULT 'new', price shop.price, at date) ;
ALTER TABLE shop.orders ALTER COLUMN price SET STORAGE MAIN;
INSERT INTO shop.orders (customer, state, price, at) SELECT 1 + i % 200, 'paid', i / 3.0, '2000-01-01'::date + i FROM generate_series(1, 1000) i;
CREATE TABLE app_own.t (id integer PRIMARY KEY, m regclass);
INSERT INTO app_own.t VALUES (1, 'shop.orders');
SET ROLE "zoo_own_Quo""te.🛟";
CREATE TABLE shop.log (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_1 PARTITION OF shop.log FOR VALUES FROM (MINVALUE) TO ('2001-01-01');
CREATE TABLE "Sche""ma.🛟".log_2 PARTITION OF shop.log FOR VALUES FROM ('2001-01-01') TO (MAXVALUE);
INSERT INTO shop.log VALUES ('2000-02-29', 'a'), ('infinity', 'b');
CREATE TABLE "Sche""ma.🛟"."Ta""ble.🛟" ("🛟" text);
INSERT INTO "Sche""ma.🛟"."Ta""ble.🛟" VALUES (E'\\.'), ('🛟');
SET ROLE zoo_own_other;
CREATE TABLE shop.secured (id integer, who name, PRIMARY KEY (id));
INSERT INTO shop.secured VALUES (1, 'zoo_own_reader'), (2, 'nobody');
CREATE POLICY own ON shop.secured FOR SELECT TO zoo_own_reader USING (who = CURRENT_USER);
ALTER TABLE shop.secured ENABLE ROW LEVEL SECURITY;
CREATE UNLOGGED TABLE shop.unlogged (id integer);
INSERT INTO shop.unlogged VALUES (1);
\if :{?forced}
\if :forced
CREATE TABLE shop.forced (id integer);
INSERT INTO shop.forced VALUES (1);
ALTER TABLE shop.forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.forced FORCE ROW LEVEL SECURITY;
\endif
\endif
RESET ROLE;
ALTER TABLE shop.orders ADD CONSTRAINT customer FOREIGN KEY (customer) REFERENCES shop.customers DEFERRABLE;
CREATE SEQUENCE shop.numbers AS smallint INCREMENT -1;
SELECT nextval('shop.numbers') \g /dev/null
ALTER SEQUENCE shop.numbers OWNER TO zoo_own_other;

-- ---------------------------------------------------------------- views
CREATE VIEW shop.v WITH (security_barrier) AS SELECT id, name FROM shop.customers;
ALTER VIEW shop.v OWNER TO zoo_own_other;
GRANT SELECT ON shop.customers TO zoo_own_other;
CREATE MATERIALIZED VIEW shop.m2 AS SELECT id, name FROM shop.customers WHERE id < 10;
GRANT SELECT ON shop.m2 TO zoo_own_reader;
CREATE MATERIALIZED VIEW shop.m1 AS SELECT m.id, o.price FROM shop.m2 m JOIN shop.orders o ON o.customer = m.id;
GRANT SELECT ON shop.orders TO zoo_own_reader;
ALTER MATERIALIZED VIEW shop.m1 OWNER TO zoo_own_other;                         -- REFRESH runs as this role
GRANT SELECT ON shop.m2, shop.orders TO zoo_own_other;
CREATE UNIQUE INDEX m2_id ON shop.m2 (id);
CREATE MATERIALIZED VIEW shop.m_unpopulated AS SELECT 1 AS one WITH NO DATA;

-- ---------------------------------------------------------------- large objects
SELECT lo_from_bytea(920001, '\x010203'), lo_from_bytea(920002, convert_to(repeat('large ', 200000), 'UTF8')), lo_create(920003) \g /dev/null
ALTER LARGE OBJECT 920002 OWNER TO zoo_own_app;
GRANT SELECT ON LARGE OBJECT 920001 TO zoo_own_reader WITH GRANT OPTION;
COMMENT ON LARGE OBJECT 920002 IS 'it''s "large"';

-- ---------------------------------------------------------------- trusted extensions
SELECT count(*) > 0 AS have FROM pg_available_extension_versions WHERE name = 'hstore' AND trusted AND NOT :'portable'::boolean \gset
\if :have
CREATE EXTENSION hstore SCHEMA shop;
CREATE TABLE shop.hstores (h shop.hstore);
INSERT INTO shop.hstores VALUES ('a=>NULL, b=>"NULL"');
COMMENT ON EXTENSION hstore IS 'of the master';
\endif
SELECT count(*) > 0 AS have FROM pg_available_extension_versions WHERE name = 'citext' AND trusted AND NOT :'portable'::boolean \gset
\if :have
CREATE EXTENSION citext SCHEMA public;
CREATE TABLE shop.citexts (c public.citext PRIMARY KEY);
INSERT INTO shop.citexts VALUES ('MiXed');
\endif
SELECT count(*) > 0 AS have FROM pg_available_extension_versions WHERE name = 'btree_gist' AND trusted AND NOT :'portable'::boolean \gset
\if :have
CREATE EXTENSION btree_gist SCHEMA shop;
CREATE TABLE shop.bookings (room integer, during daterange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO shop.bookings VALUES (1, '[2000-01-01,2000-02-01)');
\endif

-- ---------------------------------------------------------------- publications and privileges
CREATE PUBLICATION zoo_own_publication FOR TABLE shop.customers, app_own.t WITH (publish = 'insert');
GRANT SELECT (id), UPDATE (name) ON shop.customers TO zoo_own_reader;
GRANT SELECT, INSERT ON app_own.t TO zoo_own_other WITH GRANT OPTION;
GRANT USAGE ON SCHEMA app_own TO zoo_own_other;
SET ROLE zoo_own_other;
GRANT SELECT ON app_own.t TO zoo_own_reader;                                    -- stock writes SET SESSION AUTHORIZATION
RESET ROLE;
REVOKE INSERT, UPDATE, DELETE ON shop.log_1 FROM "zoo_own_Quo""te.🛟";           -- owners who may not load their tables
REVOKE ALL ON shop.unlogged FROM zoo_own_other;
GRANT SELECT ON shop.unlogged TO zoo_own_other;
REVOKE EXECUTE ON FUNCTION shop.twice(integer) FROM PUBLIC;
REVOKE USAGE ON TYPE shop.state FROM PUBLIC;
GRANT USAGE ON TYPE shop.state TO zoo_own_app;
REVOKE CREATE ON SCHEMA shop FROM zoo_own_app, zoo_own_other, "zoo_own_Quo""te.🛟";  -- owners who may not create where their tables are
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_own_app IN SCHEMA shop GRANT SELECT ON TABLES TO zoo_own_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_own_app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO zoo_own_app;
COMMENT ON TABLE shop.customers IS E'it''s a "comment"\n\\! touch zoo_pwned';
COMMENT ON COLUMN shop.orders.price IS '🛟';

-- ---------------------------------------------------------------- the database
COMMENT ON DATABASE :"db" IS 'it''s the master''s';
ALTER DATABASE :"db" CONNECTION LIMIT 33;
REVOKE ALL ON DATABASE :"db" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"db" TO zoo_own_reader WITH GRANT OPTION;
ALTER DATABASE :"db" SET DateStyle = 'SQL, DMY';
ALTER DATABASE :"db" SET array_nulls = off;
ALTER DATABASE :"db" SET search_path = shop, public;
ALTER ROLE zoo_own_app IN DATABASE :"db" SET work_mem = '9MB';
