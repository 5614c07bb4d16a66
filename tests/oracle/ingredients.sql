-- What databases of the oracle are made of. A line that begins with three dashes starts an ingredient: its
-- name, then `superuser` where no other role can make it, `contrib` where it needs an extension that the
-- tests' PostgreSQL 18 does not have, `utf8` where other encodings cannot hold it. `@` is the ingredient's own number; of <<a|b|c>> one is chosen.
-- An ingredient that is not `superuser` may be made by any role that owns the database or its schemas.

--- generated_by_time_zone
CREATE FUNCTION local_day_@(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
CREATE TABLE visit_@ (id int PRIMARY KEY, at timestamptz NOT NULL,
    day date GENERATED ALWAYS AS (local_day_@(at)) STORED, UNIQUE (day, id));
INSERT INTO visit_@ SELECT g, '2024-03-05 12:00+00'::timestamptz + g * interval '1 hour' FROM generate_series(1, 48) g;
CREATE INDEX ON visit_@ (local_day_@(at));

--- view_by_local_day
CREATE TABLE sale_@ (id int PRIMARY KEY, at timestamptz NOT NULL, cents int NOT NULL);
INSERT INTO sale_@ SELECT g, '2024-03-05 00:30+00'::timestamptz + g * interval '1 hour', g FROM generate_series(1, 48) g;
CREATE MATERIALIZED VIEW sale_by_day_@ AS
    SELECT at::date AS date, min(at)::text AS first, sum(cents) AS cents FROM sale_@ GROUP BY 1;
CREATE UNIQUE INDEX ON sale_by_day_@ (date);

--- check_of_local_day
CREATE TABLE shift_@ (id int PRIMARY KEY, began timestamptz NOT NULL, day date NOT NULL, CHECK (began::date = day));
INSERT INTO shift_@ SELECT g, t, t::date
  FROM generate_series(1, 48) g, LATERAL (SELECT '2024-03-05 00:30+00'::timestamptz + g * interval '1 hour') s(t);

--- partitions_by_local_day
CREATE FUNCTION day_of_@(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
CREATE TABLE event_@ (id int, at timestamptz) PARTITION BY LIST (day_of_@(at));
CREATE TABLE event_@_a PARTITION OF event_@ FOR VALUES IN ('2024-03-05');
CREATE TABLE event_@_b PARTITION OF event_@ DEFAULT;
INSERT INTO event_@ SELECT g, '2024-03-04 20:30+00'::timestamptz + g * interval '1 hour' FROM generate_series(1, 48) g;

--- generated_by_date_style
CREATE FUNCTION spelled_@(date, interval) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text || $2::text';
CREATE TABLE spelled_@ (d date, i interval, s text GENERATED ALWAYS AS (spelled_@(d, i)) STORED, CHECK (spelled_@(d, i) = s));
INSERT INTO spelled_@ SELECT '2024-03-05'::date + g, g * interval '1 day 3 hours' FROM generate_series(1, 20) g;
CREATE INDEX ON spelled_@ (spelled_@(d, i));

--- own_setting
SELECT format('ALTER DATABASE %I SET app.region_@ = ''<<north|south east|it''''s>>''', current_database()) \gexec
\connect -
CREATE TABLE entry_@ (id int PRIMARY KEY, body text, region text DEFAULT current_setting('app.region_@'),
    CHECK (region = current_setting('app.region_@')));
INSERT INTO entry_@ SELECT g, 'die Häuser und Boote laufen ' || g FROM generate_series(1, 100) g;
CREATE FUNCTION words_@(text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS 'SELECT to_tsvector($1)';
CREATE INDEX ON entry_@ USING gin (words_@(body));
CREATE MATERIALIZED VIEW entry_words_@ AS SELECT id, to_tsvector(body) AS words FROM entry_@;
CREATE MATERIALIZED VIEW entry_here_@ AS SELECT * FROM entry_@ WHERE region = current_setting('app.region_@');

--- checks_four_deep
CREATE TABLE z_country_@ (code text PRIMARY KEY);
CREATE FUNCTION has_country_@(text) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS 'SELECT EXISTS (SELECT FROM z_country_@ WHERE code = $1)';
CREATE TABLE y_city_@ (name text PRIMARY KEY, country text, pad text, CHECK (has_country_@(country)));
CREATE FUNCTION has_city_@(text) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS 'SELECT EXISTS (SELECT FROM y_city_@ WHERE name = $1)';
CREATE TABLE x_street_@ (name text PRIMARY KEY, city text, pad text, CHECK (has_city_@(city)));
CREATE FUNCTION has_street_@(text) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS 'SELECT EXISTS (SELECT FROM x_street_@ WHERE name = $1)';
CREATE TABLE w_house_@ (id int PRIMARY KEY, street text, pad text, CHECK (has_street_@(street)));
INSERT INTO z_country_@ VALUES ('NO');
INSERT INTO y_city_@ SELECT 'city' || g, 'NO', repeat('x', 100) FROM generate_series(1, 20) g;
INSERT INTO x_street_@ SELECT 'street' || g, 'city' || (g % 20 + 1), repeat('x', 100) FROM generate_series(1, 200) g;
INSERT INTO w_house_@ SELECT g, 'street' || (g % 200 + 1), repeat('x', 100) FROM generate_series(1, 500) g;

--- views_behind_functions
CREATE TABLE measured_@ (id int PRIMARY KEY, v int);
INSERT INTO measured_@ SELECT g, g FROM generate_series(1, 10) g;
CREATE FUNCTION total_c_@() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS 'BEGIN RETURN (SELECT sum(v) FROM view_c_@); END';
CREATE FUNCTION total_b_@() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS 'BEGIN RETURN (SELECT sum(total) FROM view_b_@); END';
CREATE MATERIALIZED VIEW view_a_@ AS SELECT total_b_@() AS total WITH NO DATA;
CREATE MATERIALIZED VIEW view_b_@ AS SELECT total_c_@() AS total WITH NO DATA;
CREATE MATERIALIZED VIEW view_c_@ AS SELECT id, v * 3 AS v FROM measured_@;
REFRESH MATERIALIZED VIEW view_b_@;
REFRESH MATERIALIZED VIEW view_a_@;
CREATE MATERIALIZED VIEW view_empty_@ AS SELECT * FROM measured_@ WITH NO DATA;

--- orphan_behind_a_key superuser
CREATE TABLE parent_@ (id int PRIMARY KEY);
CREATE TABLE child_@ (id int PRIMARY KEY, parent int REFERENCES parent_@);
INSERT INTO parent_@ VALUES (1);
SET session_replication_role = replica;
INSERT INTO child_@ VALUES (1, 1), (2, 2);
RESET session_replication_role;
GRANT SELECT ON parent_@, child_@ TO r_read;

--- check_that_changed
CREATE FUNCTION accepts_@(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE accepted_@ (i int PRIMARY KEY, CONSTRAINT accepts CHECK (accepts_@(i)));
INSERT INTO accepted_@ SELECT generate_series(1, 1000);
CREATE OR REPLACE FUNCTION accepts_@(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> 77';
GRANT SELECT ON accepted_@ TO r_read;

--- generated_that_changed
CREATE FUNCTION vat_@(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 1.19';
CREATE TABLE invoice_@ (id int PRIMARY KEY, net numeric, gross numeric GENERATED ALWAYS AS (vat_@(net)) STORED);
INSERT INTO invoice_@ (id, net) SELECT g, g * 100 FROM generate_series(1, 5) g;
CREATE OR REPLACE FUNCTION vat_@(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 1.16';

--- publication_of_all superuser
CREATE TABLE followed_@ (id int PRIMARY KEY, v int);
INSERT INTO followed_@ SELECT g, g FROM generate_series(1, 10) g;
CREATE PUBLICATION all_@ FOR ALL TABLES WITH (publish = '<<insert, update, delete, truncate|insert|update, delete>>');

--- publications superuser
CREATE TABLE published_@ (id int PRIMARY KEY, v int, w text);
INSERT INTO published_@ SELECT g, g, 'w' FROM generate_series(1, 10) g;
CREATE PUBLICATION some_@ FOR TABLE published_@ (id, v) WHERE (id > 3);
CREATE SCHEMA published_in_@;
CREATE PUBLICATION in_schema_@ FOR TABLES IN SCHEMA published_in_@;
ALTER PUBLICATION some_@ OWNER TO r_owner;

--- implicit_cast superuser
CREATE CAST (<<oid AS text|bigint AS text|date AS text>>) WITH INOUT AS IMPLICIT;
CREATE TABLE casts_@ (id int PRIMARY KEY, v text DEFAULT 5::bigint::text);
INSERT INTO casts_@ VALUES (1);

--- money
CREATE TABLE price_@ (id int, eur money DEFAULT '1234.56'::numeric::money, low money CHECK (low < '99999.00'::numeric::money));
INSERT INTO price_@ VALUES (1, '12.34'::numeric::money, '7.00'::numeric::money), (2, DEFAULT, NULL);
CREATE VIEW cheap_@ AS SELECT * FROM price_@ WHERE eur < '1000.00'::numeric::money;

--- enums
CREATE TYPE mood_@ AS ENUM ('sad', 'it''s', 'happy', 'ä');
ALTER TYPE mood_@ ADD VALUE 'ok' BEFORE 'happy';
CREATE TABLE felt_@ (m mood_@ DEFAULT 'sad', n mood_@[]) PARTITION BY HASH (m);
CREATE TABLE felt_@_0 PARTITION OF felt_@ FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE felt_@_1 PARTITION OF felt_@ FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO felt_@ SELECT (enum_range(NULL::mood_@))[1 + g % 5], ARRAY['sad', 'ä']::mood_@[] FROM generate_series(1, 50) g;

--- partitions
CREATE TABLE reading_@ (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL, kind text, v numeric,
    PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at);
CREATE TABLE reading_@_a PARTITION OF reading_@ FOR VALUES FROM (MINVALUE) TO ('2024-02-01') PARTITION BY LIST (kind);
CREATE TABLE reading_@_a_x PARTITION OF reading_@_a FOR VALUES IN ('x', 'y');
CREATE TABLE reading_@_a_rest PARTITION OF reading_@_a DEFAULT;
CREATE TABLE reading_@_b (v numeric, kind text NOT NULL, gone int, at date NOT NULL, id bigint NOT NULL);
ALTER TABLE reading_@_b DROP COLUMN gone;
ALTER TABLE reading_@ ATTACH PARTITION reading_@_b FOR VALUES FROM ('2024-02-01') TO (MAXVALUE);
CREATE INDEX ON reading_@ (v DESC NULLS LAST) INCLUDE (kind) WHERE v > 3;
CREATE INDEX ON ONLY reading_@ (kind);
INSERT INTO reading_@ (at, kind, v) SELECT '2024-01-01'::date + g, chr(119 + g % 5), g FROM generate_series(1, 60) g;
CREATE TABLE refers_@ (id bigint, at date, kind text, FOREIGN KEY (id, at, kind) REFERENCES reading_@ ON DELETE CASCADE);
INSERT INTO refers_@ SELECT id, at, kind FROM reading_@ WHERE id % 7 = 0;
ALTER TABLE reading_@_a_x SET (fillfactor = 70, autovacuum_enabled = off);

--- inheritance
CREATE TABLE thing_@ (id int PRIMARY KEY, name text NOT NULL DEFAULT 'none', CHECK (id > 0) NO INHERIT, CHECK (name <> ''));
CREATE TABLE car_@ (wheels int, name text NOT NULL DEFAULT 'car', id int NOT NULL);
ALTER TABLE car_@ ADD CHECK (name <> ''), ADD CONSTRAINT thing_@_name_check CHECK (name <> '');
ALTER TABLE car_@ INHERIT thing_@;
CREATE TABLE amphibian_@ (floats boolean) INHERITS (car_@);
INSERT INTO thing_@ VALUES (1, 'a'); INSERT INTO car_@ VALUES (4, 'b', 2); INSERT INTO amphibian_@ (wheels, name, id, floats) VALUES (6, 'c', 3, true);

--- sequences
CREATE SEQUENCE counter_@ AS smallint INCREMENT -3 MINVALUE -100 MAXVALUE 50 START 20 CACHE 7 CYCLE;
SELECT nextval('counter_@'), nextval('counter_@');
CREATE SEQUENCE never_@ START 9;
CREATE TABLE numbered_@ (a serial, b bigint GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 10), c int DEFAULT nextval('counter_@'));
INSERT INTO numbered_@ DEFAULT VALUES; INSERT INTO numbered_@ DEFAULT VALUES;
ALTER SEQUENCE never_@ OWNED BY numbered_@.c;
GRANT USAGE, SELECT ON SEQUENCE counter_@ TO r_app;
CREATE UNLOGGED SEQUENCE light_@;
SELECT setval('light_@', 77, false);

--- row_security
CREATE TABLE secret_@ (id int PRIMARY KEY, owner name DEFAULT current_user, v text);
INSERT INTO secret_@ SELECT g, 'r_app', 'v' || g FROM generate_series(1, 10) g;
ALTER TABLE secret_@ ENABLE ROW LEVEL SECURITY;
<<ALTER TABLE secret_@ FORCE ROW LEVEL SECURITY;|>>
CREATE POLICY own_@ ON secret_@ AS PERMISSIVE FOR ALL TO r_app USING (owner = current_user) WITH CHECK (id > 0);
CREATE POLICY less_@ ON secret_@ AS RESTRICTIVE FOR SELECT TO PUBLIC USING (EXISTS (SELECT FROM secret_@ s WHERE s.id = 1) OR true);
GRANT SELECT, INSERT ON secret_@ TO r_app;

--- triggers
CREATE TABLE watched_@ (id int PRIMARY KEY, v text);
CREATE TABLE watch_log_@ (n bigint GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION watch_@() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN INSERT INTO watch_log_@ (what) VALUES (TG_OP || TG_ARGV[0]); RETURN NULL; END $$;
CREATE TRIGGER each_@ AFTER INSERT OR UPDATE OF v ON watched_@ FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION watch_@('it''s');
CREATE CONSTRAINT TRIGGER late_@ AFTER INSERT ON watched_@ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_@('late');
CREATE TRIGGER some_@ AFTER UPDATE ON watched_@ REFERENCING OLD TABLE AS old NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION watch_@('rows');
INSERT INTO watched_@ SELECT g, 'v' FROM generate_series(1, 5) g;
ALTER TABLE watched_@ <<DISABLE|ENABLE ALWAYS|ENABLE REPLICA>> TRIGGER each_@;

--- rules_and_views
CREATE TABLE base_@ (id int PRIMARY KEY, a text, b text);
INSERT INTO base_@ VALUES (1, 'a', 'b');
CREATE VIEW shown_@ WITH (security_barrier, check_option = local) AS SELECT id, a FROM base_@ WHERE id > 0;
CREATE RULE put_@ AS ON DELETE TO shown_@ DO INSTEAD UPDATE base_@ SET a = NULL WHERE id = OLD.id;
CREATE RULE quiet_@ AS ON INSERT TO base_@ WHERE NEW.id < 0 DO INSTEAD NOTHING;
ALTER VIEW shown_@ ALTER a SET DEFAULT 'x';
CREATE VIEW grouped_@ AS SELECT id, a, count(*) FROM base_@ GROUP BY id;
CREATE RECURSIVE VIEW up_@ (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM up_@ WHERE n < 5;
ALTER TABLE base_@ RENAME COLUMN b TO "B b";
CREATE MATERIALIZED VIEW kept_@ AS SELECT * FROM grouped_@;
COMMENT ON COLUMN shown_@.a IS 'a ''view''s column';
CREATE VIEW invoked_@ WITH (security_invoker) AS SELECT * FROM shown_@;

--- event_trigger superuser
CREATE FUNCTION on_ddl_@() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF false THEN RAISE NOTICE ''x''; END IF; END';
CREATE EVENT TRIGGER ddl_@ ON <<ddl_command_end|ddl_command_start|sql_drop>> EXECUTE FUNCTION on_ddl_@();
COMMENT ON EVENT TRIGGER ddl_@ IS 'watches';
<<ALTER EVENT TRIGGER ddl_@ DISABLE;|ALTER EVENT TRIGGER ddl_@ ENABLE ALWAYS;|>>

--- functions superuser
CREATE FUNCTION leak_@(int) RETURNS boolean LANGUAGE sql IMMUTABLE LEAKPROOF PARALLEL SAFE COST 7 AS 'SELECT $1 > 0';
CREATE FUNCTION defi_@(a int DEFAULT 3, VARIADIC b text[] DEFAULT '{}') RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET work_mem = '8MB' ROWS 5 AS 'SELECT $1';
CREATE FUNCTION atomic_@(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT x + 1; END;
CREATE PROCEDURE proc_@(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := a + 1; END';
CREATE FUNCTION poly_@(anyelement) RETURNS anyarray LANGUAGE sql STRICT AS 'SELECT ARRAY[$1]';
CREATE AGGREGATE summed_@(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE);
CREATE FUNCTION tab_@() RETURNS TABLE (a int, b text) LANGUAGE sql AS $$ SELECT 1, 'b; -- ' $$;
REVOKE ALL ON FUNCTION leak_@(int), atomic_@(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION atomic_@(int) TO r_app WITH GRANT OPTION;
REVOKE EXECUTE ON PROCEDURE proc_@(int) FROM PUBLIC;
COMMENT ON FUNCTION tab_@() IS 'tab';

--- operators superuser
CREATE FUNCTION eq_@(point, point) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <-> $2 = 0';
CREATE OPERATOR <<=~|~~>|&&&>> (LEFTARG = point, RIGHTARG = point, FUNCTION = eq_@);
CREATE FUNCTION cmp_@(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR FAMILY back_@ USING btree;
CREATE OPERATOR CLASS back_@ FOR TYPE int USING btree FAMILY back_@ AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 cmp_@(int, int);
CREATE TABLE sorted_@ (i int);
INSERT INTO sorted_@ SELECT generate_series(1, 20);
CREATE INDEX ON sorted_@ (i back_@);

--- types superuser
CREATE TYPE pair_@ AS (a int, "b b" text COLLATE "C");
CREATE DOMAIN positive_@ AS int DEFAULT 1 NOT NULL CHECK (VALUE > 0) CONSTRAINT small CHECK (VALUE < 1000);
CREATE DOMAIN nested_@ AS positive_@ CHECK (VALUE <> 13);
CREATE TYPE span_@ AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi, MULTIRANGE_TYPE_NAME = spans_@);
CREATE TYPE shell_@;
CREATE TYPE whole_@ AS (p pair_@, l pair_@[], s span_@, m spans_@);
CREATE TABLE typed_@ (p pair_@, n nested_@, s span_@, m spans_@, w whole_@, a nested_@[]);
INSERT INTO typed_@ VALUES ((1, 'x,"'), 5, '[1.5,2)', '{[1,2),(3,4]}', ((2, NULL), ARRAY[(3, E'\n')::pair_@], '(,1]', '{}'), '{1,2}');
COMMENT ON TYPE pair_@ IS 'pair'; COMMENT ON DOMAIN nested_@ IS 'd'; COMMENT ON CONSTRAINT small ON DOMAIN positive_@ IS 'c';
GRANT USAGE ON TYPE pair_@ TO r_app; REVOKE USAGE ON TYPE positive_@ FROM PUBLIC;
ALTER DOMAIN positive_@ OWNER TO r_owner;

--- domain_that_changed
CREATE DOMAIN code_@ AS text;
CREATE TABLE coded_@ (v code_@);
INSERT INTO coded_@ VALUES ('a'), ('');
ALTER DOMAIN code_@ ADD CONSTRAINT filled CHECK (VALUE <> '') NOT VALID;

--- collations superuser contrib utf8
CREATE COLLATION german_@ (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION loose_@ (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE sorted_text_@ (a text COLLATE german_@, b text COLLATE loose_@ UNIQUE, c text COLLATE "C");
INSERT INTO sorted_text_@ VALUES ('ä', 'A', 'b'), ('z', 'b', 'a');
CREATE INDEX ON sorted_text_@ (c COLLATE german_@ text_pattern_ops);

--- text_search superuser
CREATE TEXT SEARCH DICTIONARY dict_@ (TEMPLATE = simple, stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION conf_@ (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION conf_@ ALTER MAPPING FOR asciiword WITH dict_@, english_stem;
CREATE TABLE doc_@ (id int, body text, words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED, cfg regconfig DEFAULT 'conf_@');
INSERT INTO doc_@ (id, body) VALUES (1, 'the running boats'), (2, NULL);
CREATE INDEX ON doc_@ USING gin (to_tsvector('conf_@', body));
COMMENT ON TEXT SEARCH CONFIGURATION conf_@ IS 'c';

--- foreign_data superuser contrib
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER other_@ FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'nowhere');
CREATE USER MAPPING FOR r_app SERVER other_@ OPTIONS (user 'u');
CREATE FOREIGN TABLE far_@ (id int OPTIONS (column_name 'i d') NOT NULL, v text DEFAULT 'x') SERVER other_@ OPTIONS (table_name 't');
GRANT USAGE ON FOREIGN SERVER other_@ TO r_app;
GRANT SELECT ON far_@ TO r_read;
COMMENT ON SERVER other_@ IS 's';

--- default_privileges superuser
CREATE SCHEMA granted_@ AUTHORIZATION r_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE r_owner IN SCHEMA granted_@ GRANT SELECT ON TABLES TO r_read;
ALTER DEFAULT PRIVILEGES FOR ROLE r_app GRANT ALL ON SEQUENCES TO r_read WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE r_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA granted_@ TO r_app, r_read;
SET ROLE r_owner;
CREATE TABLE granted_@.made (id int PRIMARY KEY, v text);
INSERT INTO granted_@.made VALUES (1, 'v');
CREATE FUNCTION granted_@.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
RESET ROLE;

--- grants superuser
CREATE TABLE shared_@ (id int PRIMARY KEY, a text, b text);
INSERT INTO shared_@ VALUES (1, 'a', 'b');
ALTER TABLE shared_@ OWNER TO r_owner;
GRANT SELECT (id, a), UPDATE (b) ON shared_@ TO r_app;
GRANT SELECT ON shared_@ TO r_admin WITH GRANT OPTION;
SELECT format('GRANT USAGE ON SCHEMA %I TO r_admin', current_schema()) \gexec
SET ROLE r_admin; GRANT SELECT ON shared_@ TO r_read; RESET ROLE;
REVOKE TRUNCATE, TRIGGER ON shared_@ FROM r_owner;
<<REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO r_app, r_read;|GRANT CREATE ON SCHEMA public TO PUBLIC;|>>
<<REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC;|GRANT SELECT ON pg_catalog.pg_authid TO r_admin;|>>
<<GRANT USAGE ON LANGUAGE plpgsql TO r_app, r_owner, r_admin, r_read, "R Odd"; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;|>>

--- large_objects
SELECT lo_from_bytea(0, decode(repeat('00ff41', 100), 'hex')) AS lo \gset
COMMENT ON LARGE OBJECT :lo IS 'a large ''object''';
GRANT SELECT ON LARGE OBJECT :lo TO r_read;
CREATE TABLE holds_@ (lo oid);
INSERT INTO holds_@ VALUES (:lo);

--- extension contrib
CREATE EXTENSION IF NOT EXISTS <<hstore|citext|pg_trgm|intarray|ltree|cube>>;
CREATE TABLE extended_@ (id int PRIMARY KEY);
INSERT INTO extended_@ VALUES (1);

--- extension_columns superuser contrib
CREATE SCHEMA IF NOT EXISTS ext;
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA ext;
CREATE TABLE pairs_@ (id int PRIMARY KEY, h ext.hstore);
INSERT INTO pairs_@ VALUES (1, 'a=>1, "b b"=>NULL');
CREATE INDEX ON pairs_@ USING gin (h);
CREATE FUNCTION mine_@() RETURNS int LANGUAGE sql AS 'SELECT 1';

--- statistics
CREATE TABLE correlated_@ (a int, b int, c text);
INSERT INTO correlated_@ SELECT g, g % 5, 'c' || g % 3 FROM generate_series(1, 200) g;
CREATE STATISTICS both_@ (ndistinct, dependencies) ON a, b FROM correlated_@;
CREATE STATISTICS expr_@ ON (a % 3), lower(c) FROM correlated_@;
ALTER STATISTICS both_@ SET STATISTICS 500;
ALTER TABLE correlated_@ ALTER a SET STATISTICS 300, ALTER b SET (n_distinct = -0.5);
COMMENT ON STATISTICS both_@ IS 'both';

--- storage
CREATE TABLE stored_@ (id int PRIMARY KEY, t text, u text COMPRESSION pglz) WITH (fillfactor = 60, toast.autovacuum_enabled = off, parallel_workers = 2);
ALTER TABLE stored_@ ALTER t SET STORAGE EXTERNAL;
INSERT INTO stored_@ SELECT g, repeat('x', 5000), repeat('y', g) FROM generate_series(1, 10) g;
CREATE INDEX stored_t_@ ON stored_@ USING btree (id DESC) WITH (fillfactor = 50);
ALTER TABLE stored_@ CLUSTER ON stored_t_@;
CREATE UNIQUE INDEX identity_@ ON stored_@ (id);
ALTER TABLE stored_@ REPLICA IDENTITY <<FULL|NOTHING|USING INDEX identity_@>>;
CREATE UNLOGGED TABLE quick_@ (id int PRIMARY KEY, v text);
INSERT INTO quick_@ VALUES (1, 'v');

--- constraints
CREATE TABLE booked_@ (room int, during int4range, note text, code text,
    EXCLUDE USING gist (during WITH &&) WHERE (room = 1) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE NULLS NOT DISTINCT (code), UNIQUE (room, note) INCLUDE (code) DEFERRABLE);
INSERT INTO booked_@ VALUES (1, '[1,5)', 'a', NULL), (1, '[5,9)', 'b', 'c'), (2, '[1,9)', NULL, 'd');
CREATE TABLE circle_a_@ (id int PRIMARY KEY, b int);
CREATE TABLE circle_b_@ (id int PRIMARY KEY, a int REFERENCES circle_a_@ ON UPDATE CASCADE ON DELETE SET NULL (a));
ALTER TABLE circle_a_@ ADD FOREIGN KEY (b) REFERENCES circle_b_@ DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE circle_a_@ ADD FOREIGN KEY (b) REFERENCES circle_a_@ MATCH FULL;
BEGIN; INSERT INTO circle_a_@ VALUES (1, NULL); INSERT INTO circle_b_@ VALUES (1, 1); UPDATE circle_a_@ SET b = 1; COMMIT;
ALTER TABLE booked_@ ADD CONSTRAINT later CHECK (room < 2) NOT VALID;
COMMENT ON CONSTRAINT later ON booked_@ IS 'not yet';

--- odd_names utf8
CREATE SCHEMA "Odd ""S"".@";
CREATE TABLE "Odd ""S"".@"."select; drop\t" ("a.b" int PRIMARY KEY, "ünïcödé 😀 and then as many letters as a name may have" text, "$1" text DEFAULT E'\\.\t');
INSERT INTO "Odd ""S"".@"."select; drop\t" VALUES (1, E'tab\t newline\n back\\slash', DEFAULT), (2, NULL, ''), (3, '\.', '\N');
CREATE VIEW "Odd ""S"".@"."
line" AS SELECT * FROM "Odd ""S"".@"."select; drop\t";
CREATE FUNCTION "Odd ""S"".@"."f()"(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON SCHEMA "Odd ""S"".@" IS E'two\nlines';
GRANT USAGE ON SCHEMA "Odd ""S"".@" TO "R Odd";

--- altered_columns
CREATE TABLE altered_@ (a int, gone text, b text, c int);
INSERT INTO altered_@ SELECT g, 'g', 'b' || g, g FROM generate_series(1, 10) g;
ALTER TABLE altered_@ DROP COLUMN gone;
ALTER TABLE altered_@ ADD d timestamptz DEFAULT '2024-01-01 00:00+00', ADD e int DEFAULT 7 NOT NULL;
ALTER TABLE altered_@ ALTER a TYPE bigint, ALTER b SET NOT NULL;
INSERT INTO altered_@ (a, b) VALUES (99, 'z');
CREATE TABLE none_@ ();
INSERT INTO none_@ DEFAULT VALUES;

--- names_in_columns
CREATE TABLE named_@ (id int PRIMARY KEY, r regclass, p regprocedure, t regtype, o regoperator, u regrole, n regnamespace);
CREATE FUNCTION called_@(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE INDEX named_at_@ ON named_@ (id);
INSERT INTO named_@ VALUES (1, 'named_@', 'called_@(int)', 'named_@', '!~~*(text,text)', 'r_app', 'pg_catalog'), (2, 'named_at_@', NULL, 'int[]', NULL, NULL, NULL), (3, 4242424, NULL, NULL, NULL, NULL, NULL);

--- values
CREATE TABLE valued_@ (f float8, r float4, n numeric, t timestamptz, d date, i interval, b bytea, j jsonb, x int[], p point, net inet, bits varbit, s "char", m macaddr8, l pg_lsn);
INSERT INTO valued_@ VALUES ('NaN', '-Infinity', 'Infinity', 'infinity', '4713-01-01 BC', '-178000000 years', '\x00ff5c', '{"a": [1, null, "\\u0000x"]}', '[0:1][2:3]={{1,NULL},{3,4}}', '(1e-300,2)', '::1/64', B'101', 'ä', '08:00:2b:01:02:03:04:05', '16/B374D848'),
    (1e-310, 1.1754944e-38, 1e-1000, '0001-01-01 00:00:00+00 BC', '5874897-12-31', '1 mon -1 day 00:00:00.000001', '', 'null', '{}', NULL, '10.0.0.1', B'', '', NULL, '0/0');

--- access_method superuser
CREATE ACCESS METHOD heap_@ TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE other_heap_@ (id int PRIMARY KEY, v text) USING heap_@;
INSERT INTO other_heap_@ SELECT g, 'v' FROM generate_series(1, 100) g;

--- languages superuser
CREATE TRUSTED LANGUAGE talk_@ HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator;
CREATE FUNCTION spoken_@() RETURNS int LANGUAGE talk_@ AS 'BEGIN RETURN 1; END';
CREATE CONVERSION conv_@ FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON LANGUAGE talk_@ IS 'l';

--- settings_of_roles superuser
SELECT format('ALTER ROLE r_app IN DATABASE %I SET <<timezone = ''Asia/Tokyo''|search_path = app, public|statement_timeout = ''7s''>>', current_database()) \gexec
SELECT format('ALTER ROLE ALL SET <<log_min_duration_statement = 5000|lock_timeout = ''3s''|client_min_messages = error>>') \gexec
GRANT <<SET|ALTER SYSTEM>> ON PARAMETER <<work_mem|log_statement>> TO r_admin WITH GRANT OPTION;
SELECT format('GRANT CONNECT ON DATABASE %I TO r_read', current_database()) \gexec
SELECT format('REVOKE <<CONNECT|TEMPORARY|ALL>> ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('COMMENT ON DATABASE %I IS ''it''''s theirs''', current_database()) \gexec
