-- For databases of one byte a character; included by latin1.sql, win1252.sql and sqlascii.sql. ASCII only.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\encoding :bytes_encoding
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SET search_path = pg_catalog;
SELECT current_setting('server_encoding') = :'bytes_encoding' AS right_encoding \gset
\if :right_encoding
\else
DO $$ BEGIN RAISE 'this file is for another encoding'; END $$;
\endif

CREATE SCHEMA zoo;
CREATE TABLE zoo.bytes (id integer PRIMARY KEY, t text, c character(3), v varchar(5), n name, one "char", a text[], j json);
INSERT INTO zoo.bytes (id, t) SELECT i, chr(i) FROM generate_series(1, 255) i;
INSERT INTO zoo.bytes (id, t) SELECT 256, string_agg(chr(i), '') FROM generate_series(1, 255) i;
INSERT INTO zoo.bytes (id, c, v, n, a, j) SELECT 257, x, x, x, ARRAY[x, NULL, x || '"\'], ('"' || x || '"')::json FROM (SELECT chr(233) || chr(129) || chr(255) AS x) AS s;
INSERT INTO zoo.bytes (id, v) VALUES (258, repeat(chr(255), 5));
INSERT INTO zoo.bytes (id, t) SELECT 259, repeat(chr(129) || chr(233) || E'\\\t\n', 20000);

-- everything that can hold a byte 81 or E9; -v bytes_in_names=off leaves it out
\if :{?bytes_in_names}
\else
\set bytes_in_names on
\endif
\if :bytes_in_names
SELECT format(s, n)
  FROM unnest(ARRAY['t' || chr(233), chr(129), chr(233) || chr(129) || chr(255) || ' x']) AS n, unnest(ARRAY[
    'CREATE SCHEMA %1$I',
    'COMMENT ON SCHEMA %1$I IS %1$L',
    'CREATE TYPE %1$I.%1$I AS ENUM (''plain'', %1$L)',
    'CREATE DOMAIN %1$I.domain AS text DEFAULT %1$L CONSTRAINT %1$I CHECK (VALUE <> ''x'' || %1$L)',
    'CREATE TABLE %1$I."table %1$s" (%1$I text DEFAULT %1$L PRIMARY KEY, e %1$I.%1$I, d %1$I.domain, g text GENERATED ALWAYS AS (''g'' || %1$L) STORED, id serial, CONSTRAINT %1$I CHECK (%1$I <> ''x'' || %1$L))',
    'INSERT INTO %1$I."table %1$s" (%1$I, e) VALUES (%1$L, %1$L), (''other'', ''plain'')',
    'COMMENT ON COLUMN %1$I."table %1$s".%1$I IS %1$L',
    'CREATE INDEX "index %1$s" ON %1$I."table %1$s" (%1$I) WHERE %1$I <> %1$L',
    'CREATE VIEW %1$I."view %1$s" AS SELECT %1$I, %1$L::text AS literal FROM %1$I."table %1$s"',
    'CREATE MATERIALIZED VIEW %1$I."matview %1$s" AS SELECT %1$I, %1$L::text AS literal FROM %1$I."table %1$s"',
    'CREATE FUNCTION %1$I.%1$I(%1$I text DEFAULT %1$L) RETURNS text LANGUAGE plpgsql AS ''BEGIN RETURN %1$I; END''',
    'CREATE SEQUENCE %1$I."sequence %1$s" START 7',
    'CREATE TABLE %1$I.regs (id integer PRIMARY KEY, c regclass, t regtype, n regnamespace)',
    'CREATE POLICY %1$I ON %1$I."table %1$s" USING (%1$I <> %1$L)',
    'CREATE TABLE %1$I.parts (t text) PARTITION BY RANGE (t)',
    'CREATE TABLE %1$I.part_1 PARTITION OF %1$I.parts FOR VALUES FROM ('''') TO (%1$L)',
    'CREATE TABLE %1$I.part_2 PARTITION OF %1$I.parts FOR VALUES FROM (%1$L) TO (MAXVALUE)',
    'INSERT INTO %1$I.parts VALUES (''a''), (%1$L), (%1$L || %1$L)'
  ]) WITH ORDINALITY AS t(s, i)
 ORDER BY n, i \gexec
SELECT format('INSERT INTO %I.regs VALUES (1, %s::regclass, %s::regtype, %s::regnamespace)', nspname, c.oid, t.oid, n.oid)
  FROM pg_namespace n JOIN pg_class c ON relnamespace = n.oid AND relname = 'regs' JOIN pg_type t ON typnamespace = n.oid AND typtype = 'e' \gexec
SELECT lo_create(900100), lo_put(900100, 0, '\xe981ff00') \g /dev/null
SELECT format('COMMENT ON LARGE OBJECT 900100 IS %L', chr(233) || chr(129)) \gexec
SELECT format(s, current_database(), chr(233) || chr(129))
  FROM unnest(ARRAY['COMMENT ON DATABASE %1$I IS %2$L', 'ALTER DATABASE %1$I SET zoo.flag = %2$L']) AS s \gexec
\endif
