-- Tables, indexes and functions that use extensions; each only where the server has it. As superuser, after
-- roles.sql, into an empty UTF8 database:
--     psql -X -v ON_ERROR_STOP=1 -f extensions.sql URL
--     -v awkward=on   also an extension in an older version and one that later PostgreSQL lacks
-- pg_cron lives in one database only (cron.database_name): load the file there to have its jobs.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SET search_path = pg_catalog;
\if :{?awkward}
\else
\set awkward off
\endif
CREATE SCHEMA zoo_ext AUTHORIZATION zoo_owner;
CREATE SCHEMA "Zoo Ext"".🛟" AUTHORIZATION zoo_owner;
GRANT USAGE ON SCHEMA zoo_ext, "Zoo Ext"".🛟" TO PUBLIC;

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'hstore' \gset
\if :have
CREATE SCHEMA zoo_hstore;
CREATE EXTENSION hstore SCHEMA zoo_hstore;                   -- alone in a schema of its own
COMMENT ON EXTENSION hstore IS E'it''s another "comment"\n\\! touch zoo_pwned';
CREATE TABLE zoo_ext.hstores (id integer PRIMARY KEY, h zoo_hstore.hstore, a zoo_hstore.hstore[]);
INSERT INTO zoo_ext.hstores VALUES (1, NULL, NULL), (2, '', '{}'), (3, E'a=>NULL, "NULL"=>"NULL", ""=>"", "it''s \\"q\\""=>"\\\\ , => 🛟\n\t"', ARRAY['b=>1'::zoo_hstore.hstore, NULL]);
CREATE INDEX ON zoo_ext.hstores USING gin (h);
CREATE INDEX ON zoo_ext.hstores USING gist (h zoo_hstore.gist_hstore_ops (siglen = 32));
CREATE INDEX ON zoo_ext.hstores ((h OPERATOR(zoo_hstore.->) 'a'));
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'citext' \gset
\if :have
CREATE EXTENSION citext SCHEMA "Zoo Ext"".🛟";
CREATE DOMAIN zoo_ext.ci AS "Zoo Ext"".🛟".citext CHECK (VALUE OPERATOR("Zoo Ext"".🛟".<>) 'forbidden');
CREATE TABLE zoo_ext.citexts (c "Zoo Ext"".🛟".citext PRIMARY KEY, a "Zoo Ext"".🛟".citext[], d zoo_ext.ci DEFAULT 'DeFault');
INSERT INTO zoo_ext.citexts VALUES ('MiXed', '{A,a,"NULL",NULL}', DEFAULT), (E'\\N', '{}', ''), ('Ä', NULL, NULL);
CREATE TABLE zoo_ext.by_citext (c "Zoo Ext"".🛟".citext) PARTITION BY LIST (c);
CREATE TABLE zoo_ext.by_citext_a PARTITION OF zoo_ext.by_citext FOR VALUES IN ('A', 'b');
INSERT INTO zoo_ext.by_citext VALUES ('a'), ('A'), ('B');
CREATE TABLE zoo_ext.hash_citext (c "Zoo Ext"".🛟".citext) PARTITION BY HASH (c);
CREATE TABLE zoo_ext.hash_citext_0 PARTITION OF zoo_ext.hash_citext FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo_ext.hash_citext_1 PARTITION OF zoo_ext.hash_citext FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO zoo_ext.hash_citext VALUES ('a'), ('A'), ('b'), ('🛟');
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'ltree' \gset
\if :have
CREATE EXTENSION ltree SCHEMA zoo_ext;
CREATE TABLE zoo_ext.ltrees (id integer PRIMARY KEY, l zoo_ext.ltree, q zoo_ext.lquery, t zoo_ext.ltxtquery, a zoo_ext.ltree[]);
INSERT INTO zoo_ext.ltrees VALUES (1, NULL, NULL, NULL, NULL), (2, '', '*', 'a', '{}'), (3, 'Top.Ärger.x_1', 'a.*{1,2}.!b|c@*.d%', 'a & (b | !c@*)', '{a.b,NULL}');
CREATE INDEX ON zoo_ext.ltrees USING gist (l zoo_ext.gist_ltree_ops (siglen = 24));
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'cube' \gset
\if :have
CREATE EXTENSION cube SCHEMA zoo_ext;
CREATE TABLE zoo_ext.cubes (id integer PRIMARY KEY, c zoo_ext.cube);
INSERT INTO zoo_ext.cubes VALUES (1, NULL), (2, '(0,-0)'), (3, '(1,2,3),(1e300,NaN,Infinity)'), (4, '(0.1,0.30000000000000004)');
CREATE INDEX ON zoo_ext.cubes USING gist (c);
SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'earthdistance' \gset
\if :have
CREATE EXTENSION earthdistance SCHEMA zoo_ext;               -- requires cube; its functions look for it by search_path
\endif
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'isn' \gset
\if :have
CREATE EXTENSION isn SCHEMA zoo_ext;
CREATE TABLE zoo_ext.isns (id integer PRIMARY KEY, e zoo_ext.ean13, i zoo_ext.isbn, i13 zoo_ext.isbn13, s zoo_ext.issn, m zoo_ext.ismn, u zoo_ext.upc);
INSERT INTO zoo_ext.isns VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL), (2, '9780393040029', '978-0-393-04002-9', '9780393040029', '1436-4522', '979-0-060-11561-5', '220356483481');
SELECT zoo_ext.isn_weak(true) \g /dev/null
INSERT INTO zoo_ext.isns (id, i) VALUES (3, '978-0-11-000533-4!');                             -- wrong check digit, kept as such
SELECT zoo_ext.isn_weak(false) \g /dev/null
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'seg' \gset
\if :have
CREATE EXTENSION seg SCHEMA zoo_ext;
CREATE TABLE zoo_ext.segs (id integer PRIMARY KEY, s zoo_ext.seg);
INSERT INTO zoo_ext.segs VALUES (1, NULL), (2, '5.0'), (3, '~6.50'), (4, '1.5e-2 .. 2E-2'), (5, '4(+-)1'), (6, '<1 .. >8.00');
CREATE INDEX ON zoo_ext.segs USING gist (s);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'pg_trgm' \gset
\if :have
CREATE EXTENSION pg_trgm SCHEMA zoo_ext;
CREATE TABLE zoo_ext.trigrams (id integer, t text);
INSERT INTO zoo_ext.trigrams SELECT i, md5(i::text) FROM generate_series(1, 200) i;
CREATE INDEX ON zoo_ext.trigrams USING gin (t zoo_ext.gin_trgm_ops);
CREATE INDEX ON zoo_ext.trigrams USING gist (t zoo_ext.gist_trgm_ops (siglen = 16));
CREATE FUNCTION zoo_ext.similar_to(text, text) RETURNS boolean LANGUAGE sql SET pg_trgm.similarity_threshold = '0.7' AS 'SELECT $1 OPERATOR(zoo_ext.%) $2';
SELECT format('ALTER DATABASE %I SET pg_trgm.similarity_threshold = 0.6', current_database()) \gexec
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'uuid-ossp' \gset
\if :have
CREATE EXTENSION "uuid-ossp" SCHEMA zoo_ext;
CREATE TABLE zoo_ext.uuids (id uuid PRIMARY KEY DEFAULT zoo_ext.uuid_generate_v4(), t text);
INSERT INTO zoo_ext.uuids VALUES (zoo_ext.uuid_generate_v5(zoo_ext.uuid_ns_url(), 'x'), 'x');
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'intarray' \gset
\if :have
CREATE EXTENSION intarray SCHEMA zoo_ext;
CREATE TABLE zoo_ext.intarrays (id integer, a integer[], q zoo_ext.query_int);
INSERT INTO zoo_ext.intarrays VALUES (1, '{3,1,2}', '1&(2|!3)'), (2, '{}', NULL);
CREATE INDEX ON zoo_ext.intarrays USING gist (a zoo_ext.gist__int_ops (numranges = 50));
CREATE INDEX ON zoo_ext.intarrays USING gin (a zoo_ext.gin__int_ops);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'tablefunc' \gset
\if :have
CREATE EXTENSION tablefunc SCHEMA zoo_ext;
CREATE VIEW zoo_ext.crossed AS SELECT * FROM zoo_ext.crosstab('SELECT 1, ''a'', 2') AS c(r integer, a integer);
CREATE TABLE zoo_ext.of_its_type (t zoo_ext.tablefunc_crosstab_2);
INSERT INTO zoo_ext.of_its_type VALUES (ROW('a', 'b', NULL));
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'pgcrypto' \gset
\if :have
CREATE EXTENSION pgcrypto SCHEMA zoo_ext;
CREATE TABLE zoo_ext.hashed (t text, h bytea GENERATED ALWAYS AS (zoo_ext.digest(t, 'sha256')) STORED, CHECK (length(zoo_ext.digest(t, 'md5')) = 16));
INSERT INTO zoo_ext.hashed VALUES ('x'), ('');
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'unaccent' \gset
\if :have
CREATE EXTENSION unaccent SCHEMA zoo_ext;
CREATE FUNCTION zoo_ext.plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT zoo_ext.unaccent('zoo_ext.unaccent', $1) $$;
CREATE TABLE zoo_ext.accents (t text, g text GENERATED ALWAYS AS (zoo_ext.plain(t)) STORED);
INSERT INTO zoo_ext.accents VALUES ('Hôtel'), ('Ärger');
CREATE INDEX ON zoo_ext.accents (zoo_ext.plain(t));
CREATE TEXT SEARCH CONFIGURATION zoo_ext.unaccented (COPY = french);
ALTER TEXT SEARCH CONFIGURATION zoo_ext.unaccented ALTER MAPPING FOR hword, hword_part, word WITH zoo_ext.unaccent, french_stem;
CREATE TEXT SEARCH DICTIONARY zoo_ext.own_unaccent (TEMPLATE = zoo_ext.unaccent, RULES = 'unaccent');
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'btree_gist' \gset
\if :have
CREATE EXTENSION btree_gist SCHEMA zoo_ext;
CREATE TABLE zoo_ext.bookings (room integer, during tsrange, e oid, EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
INSERT INTO zoo_ext.bookings VALUES (1, '[2000-01-01,2000-01-02)'), (1, '[2000-01-02,2000-01-03)'), (2, '[2000-01-01,2000-01-02)');
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'btree_gin' \gset
\if :have
CREATE EXTENSION btree_gin SCHEMA zoo_ext;
CREATE TABLE zoo_ext.btree_gin (i integer, t text);
INSERT INTO zoo_ext.btree_gin VALUES (1, 'x');
CREATE INDEX ON zoo_ext.btree_gin USING gin (i, t);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :have
CREATE EXTENSION postgres_fdw SCHEMA zoo_ext;
CREATE SERVER zoo_remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', port '1', dbname 'it''s', fetch_size '7', extensions 'postgres_fdw');
ALTER SERVER zoo_remote OWNER TO zoo_super;
CREATE USER MAPPING FOR zoo_owner SERVER zoo_remote OPTIONS ("user" 'x', password 'se''cret \');
CREATE USER MAPPING FOR PUBLIC SERVER zoo_remote OPTIONS ("user" 'y', password_required 'false');
CREATE FOREIGN TABLE zoo_ext.remote (id integer OPTIONS (column_name 'ID'), t text) SERVER zoo_remote OPTIONS (schema_name 's', table_name 't"t', updatable 'false');
CREATE TABLE zoo_ext.partly_remote (id integer) PARTITION BY RANGE (id);
CREATE TABLE zoo_ext.partly_local PARTITION OF zoo_ext.partly_remote FOR VALUES FROM (0) TO (10);
CREATE FOREIGN TABLE zoo_ext.partly_there PARTITION OF zoo_ext.partly_remote FOR VALUES FROM (10) TO (20) SERVER zoo_remote;
INSERT INTO zoo_ext.partly_remote VALUES (1);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'file_fdw' \gset
\if :have
CREATE EXTENSION file_fdw SCHEMA zoo_ext;
CREATE SERVER zoo_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE zoo_ext.null_file (t text OPTIONS (force_not_null 'true')) SERVER zoo_files OPTIONS (filename '/dev/null', format 'csv', delimiter ';', null E'\\N');
CREATE MATERIALIZED VIEW zoo_ext.of_file AS SELECT * FROM zoo_ext.null_file;                  -- REFRESH reads a foreign table
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'dblink' \gset
\if :have
CREATE EXTENSION dblink SCHEMA zoo_ext;
CREATE SERVER zoo_dblink FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host 'nowhere.invalid', dbname 'x');
CREATE USER MAPPING FOR zoo_app SERVER zoo_dblink OPTIONS ("user" 'x', password 'secret');
CREATE VIEW zoo_ext.linked AS SELECT * FROM zoo_ext.dblink('zoo_dblink', 'SELECT 1') AS t(i integer);
GRANT EXECUTE ON FUNCTION zoo_ext.dblink_connect_u(text) TO zoo_app;                           -- rights on members of an extension
REVOKE EXECUTE ON FUNCTION zoo_ext.dblink_connect(text) FROM PUBLIC;
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'lo' \gset
\if :have
CREATE EXTENSION lo SCHEMA zoo_ext;
CREATE TABLE zoo_ext.has_lo (id integer, l zoo_ext.lo);
INSERT INTO zoo_ext.has_lo VALUES (1, lo_from_bytea(910001, '\x0102'));
CREATE TRIGGER manage BEFORE UPDATE OR DELETE ON zoo_ext.has_lo FOR EACH ROW EXECUTE FUNCTION zoo_ext.lo_manage(l);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'bloom' \gset
\if :have
CREATE EXTENSION bloom SCHEMA zoo_ext;
CREATE TABLE zoo_ext.bloomed (a integer, b text);
INSERT INTO zoo_ext.bloomed SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX ON zoo_ext.bloomed USING bloom (a, b) WITH (length = 80, col1 = 2);
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'pg_stat_statements' \gset
\if :have
CREATE EXTENSION pg_stat_statements SCHEMA zoo_ext;
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'postgis' \gset
\if :have
CREATE SCHEMA zoo_gis;
CREATE EXTENSION postgis SCHEMA public;                      -- where postgis_topology looks for it
SET search_path = public, pg_catalog;
-- rows of the user among thousands that the extension brings
INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, proj4text, srtext) SELECT 998999, 'zoo', 1, proj4text, E'it''s "own"\t\\' FROM spatial_ref_sys WHERE srid = 4326;
GRANT SELECT ON spatial_ref_sys TO zoo_reader;
CREATE TABLE zoo_gis.places (id integer PRIMARY KEY, g geometry, p geometry(Point, 4326), z geometry(LineStringZM, 998999), geog geography(Polygon), b box3d, b2 box2d, gs geometry[]);
INSERT INTO zoo_gis.places VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, 'POINT EMPTY', 'SRID=4326;POINT(13.4 52.5)', 'SRID=998999;LINESTRING(0 0 1 2,0.1 0.30000000000000004 -0 1e300)', 'POLYGON((0 0,1 0,1 1,0 0))', 'BOX3D(0 0 0,1 1 1)', 'BOX(0 0,1 1)', ARRAY['POINT(1 1)'::geometry, NULL]),
    (3, 'GEOMETRYCOLLECTION(POINT(1 2),CIRCULARSTRING(0 0,1 1,2 0),TIN(((0 0,0 1,1 1,0 0))))', NULL, NULL, NULL, NULL, NULL, '{}'),
    (4, 'SRID=3857;POINT(NaN 1)', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE INDEX ON zoo_gis.places USING gist (g);
CREATE INDEX ON zoo_gis.places USING gist (g gist_geometry_ops_nd);
CREATE INDEX ON zoo_gis.places USING gist (geog);
CREATE INDEX ON zoo_gis.places USING brin (p);
CREATE INDEX ON zoo_gis.places USING spgist (p);
CREATE VIEW zoo_gis.near AS SELECT id, st_astext(p) AS t FROM zoo_gis.places WHERE st_dwithin(p::geography, 'SRID=4326;POINT(13 52)'::geography, 100000);
CREATE TABLE zoo_gis.measured (p geometry(Point, 4326), g double precision GENERATED ALWAYS AS (st_x(p)) STORED, CHECK (st_isvalid(p)));
INSERT INTO zoo_gis.measured VALUES ('SRID=4326;POINT(1 2)');
CREATE INDEX ON zoo_gis.measured USING gist (st_buffer(p, 1));
SET search_path = pg_catalog;
SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'postgis_topology' \gset
\if :have
-- makes the schema topology, whose tables are configuration, and a schema for each topology
CREATE EXTENSION postgis_topology;
SET search_path = topology, public, pg_catalog;
SELECT CreateTopology('zoo_topology', 4326) \g /dev/null
SELECT AddTopoGeometryColumn('zoo_topology', 'zoo_gis', 'places', 'topo', 'POINT') \g /dev/null
UPDATE zoo_gis.places SET topo = toTopoGeom('SRID=4326;POINT(1 2)'::geometry, 'zoo_topology', 1) WHERE id = 2;
SET search_path = pg_catalog;
\endif
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'vector' \gset
\if :have
CREATE EXTENSION vector SCHEMA zoo_ext;
CREATE TABLE zoo_ext.vectors (id integer PRIMARY KEY, v zoo_ext.vector(3), u zoo_ext.vector, a zoo_ext.vector[]);
INSERT INTO zoo_ext.vectors VALUES (1, NULL, NULL, NULL), (2, '[0,-0,1]', '[1e-45,3.4028235e38]', '{"[1,2]",NULL}'), (3, '[0.1,0.2,0.30000001]', '[1]', '{}');
CREATE INDEX ON zoo_ext.vectors USING ivfflat (v zoo_ext.vector_l2_ops) WITH (lists = 1);
SELECT count(*) > 0 AS have FROM pg_type WHERE typname = 'halfvec' \gset
\if :have
ALTER TABLE zoo_ext.vectors ADD COLUMN h zoo_ext.halfvec(2), ADD COLUMN s zoo_ext.sparsevec(5);
UPDATE zoo_ext.vectors SET h = '[0.5,-65504]', s = '{1:0.1,5:-1}/5' WHERE id = 2;
CREATE INDEX ON zoo_ext.vectors USING hnsw (v zoo_ext.vector_cosine_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX ON zoo_ext.vectors USING hnsw ((v::zoo_ext.halfvec(3)) zoo_ext.halfvec_l2_ops);
\endif
\endif

SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'pg_cron' AND current_setting('cron.database_name', true) = current_database() \gset
\if :have
CREATE EXTENSION IF NOT EXISTS pg_cron;
SELECT cron.schedule('zoo ''job''', '0 3 1 1 *', E'SELECT ''it''''s'' -- \\ \n;') \g /dev/null
\endif

\if :awkward
SELECT count(*) > 0 AS have FROM pg_available_extension_versions WHERE name = 'pageinspect' AND version = '1.7' \gset
\if :have
CREATE EXTENSION pageinspect SCHEMA zoo_ext VERSION '1.7';   -- comes back in the version of the day
\endif
SELECT count(*) > 0 AS have FROM pg_available_extensions WHERE name = 'old_snapshot' \gset
\if :have
CREATE EXTENSION old_snapshot SCHEMA zoo_ext;                -- gone from 17 on
\endif
\endif
