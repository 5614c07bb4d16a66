-- What stock pg_dump | pg_restore itself cannot bring back, or brings back changed: a tool has to name each.
-- As superuser, after roles.sql, into an empty UTF8 database or after base.sql:
--     psql -X -v ON_ERROR_STOP=1 -f traps.sql URL
--     -v huge=on    also a row above 1 GB of text and a large object that ends beyond 2 GiB (slow)
-- After each trap: what stock does, 15 to 15 where nothing else is said.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SET check_function_bodies = on;
SELECT current_setting('server_version_num')::int >= 140000 AS pg14, current_setting('server_version_num')::int >= 150000 AS pg15,
       current_setting('server_version_num')::int >= 160000 AS pg16, current_setting('server_version_num')::int >= 170000 AS pg17 \gset
CREATE SCHEMA zoo_traps;
SET search_path = zoo_traps;

-- ---------------------------------------------------------------- values that name what is made after the rows
CREATE TABLE target (id integer PRIMARY KEY, boss integer);
INSERT INTO target VALUES (1, NULL), (2, 1);
-- COPY fails, no row: relation "zoo_traps.target_pkey" does not exist
CREATE TABLE reg_index_array (id integer, c regclass[]);
INSERT INTO reg_index_array VALUES (1, '{target}'), (2, '{target,target_pkey}');
CREATE DOMAIN reg_domain AS regclass;
CREATE TYPE reg_composite AS (a integer, c regclass);
CREATE TABLE reg_index_hidden (id integer, d reg_domain, c reg_composite);
INSERT INTO reg_index_hidden VALUES (1, 'target_pkey', ROW(1, 'target_pkey'));
-- to be loaded after post-data, when all of this is in the way: a trigger that changes rows, a check that old
-- rows do not meet, row level security
CREATE TABLE reg_guarded (id integer PRIMARY KEY, c regclass, t text);
INSERT INTO reg_guarded VALUES (1, 'target_pkey', 'unchanged'), (2, 'reg_guarded_pkey', NULL);
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.t := ''changed''; RETURN NEW; END';
CREATE TRIGGER change BEFORE INSERT ON reg_guarded FOR EACH ROW EXECUTE FUNCTION change();
ALTER TABLE reg_guarded ENABLE ALWAYS TRIGGER change;
ALTER TABLE reg_guarded ADD CONSTRAINT later CHECK (t IS NOT NULL) NOT VALID;
ALTER TABLE reg_guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- the same: a materialized view and a function that are made after the key
CREATE MATERIALIZED VIEW after_key AS SELECT id, boss FROM target GROUP BY id;
CREATE TABLE reg_matview (id integer, c regclass, t regtype);
INSERT INTO reg_matview VALUES (1, 'after_key', 'after_key');
\if :pg14
CREATE FUNCTION function_after_key() RETURNS SETOF target LANGUAGE sql BEGIN ATOMIC SELECT id, boss FROM target GROUP BY id; END;
CREATE TABLE reg_function (id integer, p regprocedure);
INSERT INTO reg_function VALUES (1, 'function_after_key()');
\endif
-- COPY fails: more than one function named "zoo_traps.overloaded"
CREATE FUNCTION overloaded(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE reg_overloaded (id integer, p regproc);
INSERT INTO reg_overloaded VALUES (1, 'overloaded');
CREATE FUNCTION overloaded(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
-- COPY fails: role "4711" does not exist
CREATE TABLE acl_of_nobody (id integer, a aclitem);
INSERT INTO acl_of_nobody VALUES (1, makeaclitem(4711, (SELECT oid FROM pg_roles WHERE rolname = 'zoo_owner'), 'SELECT', false));

-- ---------------------------------------------------------------- a row type whose columns change their order
-- the child comes back as (a, b, c); a value of its row type is still (c, b, a). COPY fails on the type,
-- and where types agree the columns are swapped without an error
CREATE TABLE row_parent (a integer, b text, c date);
CREATE TABLE row_child (c date, b text, a integer);
ALTER TABLE row_child INHERIT row_parent;
INSERT INTO row_child VALUES ('2000-01-01', 'b', 1);
CREATE TABLE of_row_child (id integer, r row_child);
INSERT INTO of_row_child SELECT 1, r FROM row_child r;
CREATE TABLE same_parent (a text, b text);
CREATE TABLE same_child (b text, a text);
ALTER TABLE same_child INHERIT same_parent;
INSERT INTO same_child (a, b) VALUES ('a', 'b');
CREATE TABLE of_same_child (id integer, r same_child, rs same_child[]);
INSERT INTO of_same_child SELECT 1, r, ARRAY[r] FROM same_child r;          -- comes back as a = b, b = a

-- ---------------------------------------------------------------- checks that need more than their row
-- COPY fails when rows_of_z are not there yet: the order of loading decides
CREATE TABLE z_lookup (id integer PRIMARY KEY);
INSERT INTO z_lookup VALUES (1), (2);
CREATE FUNCTION looked_up(integer) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM zoo_traps.z_lookup WHERE id = $1)';
CREATE TABLE a_looks_up (id integer CHECK (zoo_traps.looked_up(id)));
INSERT INTO a_looks_up VALUES (1), (2);
-- COPY fails, index and REFRESH fail: the functions find nothing with an empty search_path
CREATE FUNCTION helper(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION needs_path(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper($1); END';
CREATE TABLE path_check (id integer CHECK (needs_path(id) > 0));
INSERT INTO path_check VALUES (1);
CREATE TABLE path_generated (id integer, g integer GENERATED ALWAYS AS (needs_path(id)) STORED);
INSERT INTO path_generated VALUES (1);
CREATE DOMAIN path_domain AS integer CHECK (needs_path(VALUE) > 0);
CREATE TABLE of_path_domain (d path_domain);
INSERT INTO of_path_domain VALUES (1);
CREATE TABLE path_index (id integer);
INSERT INTO path_index VALUES (1);
\if :pg17
\else
CREATE INDEX path_index_id ON path_index (needs_path(id));                  -- from 17 it cannot be made either
\endif
CREATE FUNCTION needs_path_too(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN helper($1); END';
SET search_path = zoo_traps, pg_catalog;
\if :pg17
\else
CREATE MATERIALIZED VIEW path_matview AS SELECT needs_path_too(id) AS n FROM path_index;
\endif

-- ---------------------------------------------------------------- valid, but not true
-- the foreign key fails: Key (p)=(4711) is not present
CREATE TABLE untrue_reference (id integer, p integer CONSTRAINT untrue REFERENCES target);
SET session_replication_role = replica;
INSERT INTO untrue_reference VALUES (1, 1), (2, 4711);
SET session_replication_role = origin;
-- COPY fails on the second row, none is loaded
CREATE FUNCTION once_true(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE untrue_check (id integer CONSTRAINT untrue CHECK (zoo_traps.once_true(id)));
INSERT INTO untrue_check VALUES (1), (-2);
CREATE OR REPLACE FUNCTION once_true(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
-- COPY fails on the second row: domain constraints were checked when the row came
CREATE DOMAIN once_wide AS integer;
CREATE TABLE untrue_domain (id integer, d once_wide);
INSERT INTO untrue_domain VALUES (1, 5), (2, -5);
CREATE FUNCTION wide(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
ALTER DOMAIN once_wide ADD CONSTRAINT wide CHECK (zoo_traps.wide(VALUE));
CREATE OR REPLACE FUNCTION wide(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';

-- ---------------------------------------------------------------- materialized views
-- comes back unpopulated, as what it reads is
CREATE MATERIALIZED VIEW lower AS SELECT id FROM target;
CREATE MATERIALIZED VIEW upper AS SELECT id FROM lower;
REFRESH MATERIALIZED VIEW lower WITH NO DATA;
-- REFRESH fails (division by zero): it was fine when it was made
CREATE TABLE divisors (d integer);
INSERT INTO divisors VALUES (1);
CREATE MATERIALIZED VIEW fails AS SELECT 1 / d AS q FROM divisors;
INSERT INTO divisors VALUES (0);
-- REFRESH fails: its owner may not read the table any more
CREATE MATERIALIZED VIEW denied AS SELECT id FROM target;
ALTER MATERIALIZED VIEW denied OWNER TO zoo_nothing;
-- other rows after every REFRESH
CREATE MATERIALIZED VIEW never_twice AS SELECT random() AS r, clock_timestamp() AS t;

-- ---------------------------------------------------------------- texts that differ by version
\if :pg16
\else
-- a "char" above 127 prints as \351 in new releases, in older minors as its byte, invalid in UTF8: COPY fails
CREATE TABLE high_char (id integer, c "char");
INSERT INTO high_char VALUES (1, 'a'), (2, (233 - 256)::"char");
-- a setting that later versions do not know: with pg_restore -C all settings of the database are lost with it,
-- as they are one command
SELECT format('ALTER DATABASE %I SET force_parallel_mode = off', current_database()) \gexec
\endif
\if :pg15
\if :pg17
\else
-- the smallest interval: no version reads the text that it prints
CREATE TABLE smallest_interval (id integer, i interval);
INSERT INTO smallest_interval VALUES (1, '-2147483648 mons -2147483648 days -2562047788:00:54.775807'::interval - '00:00:00.000001'::interval);
\endif
\endif

-- ---------------------------------------------------------------- places and properties
\if :pg15
-- needs the tablespace in the target cluster, else SET default_tablespace fails and the table is in pg_default
SELECT NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'zoo_space') AS no_space \gset
\if :no_space
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE zoo_space OWNER zoo_owner LOCATION '';
\endif
CREATE TABLE elsewhere (id integer PRIMARY KEY USING INDEX TABLESPACE zoo_space, t text) TABLESPACE zoo_space;
INSERT INTO elsewhere VALUES (1, 'x');
\endif
-- a table that became a member of an extension: no dump has it, nor its rows
CREATE TABLE member (id integer);
INSERT INTO member VALUES (1);
ALTER EXTENSION plpgsql ADD TABLE member;
-- pg_restore -C sets it before the first table: every command fails; without -C it is lost
SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()) \gexec

\if :{?huge}
\if :huge
-- pg_dump fails: invalid memory alloc request size
CREATE TABLE huge_row (id integer, b bytea);
INSERT INTO huge_row SELECT 1, repeat('x', 600 * 1024 * 1024)::bytea;
-- comes back as 3 GiB of zeros in the file
SELECT lo_create(900200), lo_put(900200, 3221225472, '\x010203') \g /dev/null
\endif
\endif
