-- Tables of every shape: columns, sequences, generated, identity, typed, unlogged, inherited, bloated.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- columns
CREATE TABLE zoo.no_column ();
INSERT INTO zoo.no_column DEFAULT VALUES;
INSERT INTO zoo.no_column DEFAULT VALUES;
INSERT INTO zoo.no_column DEFAULT VALUES;
CREATE TABLE zoo.no_column_no_row ();
CREATE TABLE zoo.all_dropped (a integer, b text);
INSERT INTO zoo.all_dropped VALUES (1, 'x'), (2, 'y');
ALTER TABLE zoo.all_dropped DROP COLUMN a, DROP COLUMN b;
CREATE TABLE zoo.only_generated (a integer GENERATED ALWAYS AS (42) STORED, b text GENERATED ALWAYS AS ('x' || 'y') STORED);
INSERT INTO zoo.only_generated DEFAULT VALUES;
INSERT INTO zoo.only_generated DEFAULT VALUES;
CREATE TABLE zoo.empty (id bigint PRIMARY KEY, t text NOT NULL);
CREATE TABLE zoo.dropped (gone1 integer, a integer, gone2 text DEFAULT 'x', b text, gone3 zoo.mood, "gone""4" numeric);
INSERT INTO zoo.dropped VALUES (1, 2, '3', '4', 'sad', 5), (6, 7, '8', '9', NULL, 10);
ALTER TABLE zoo.dropped DROP COLUMN gone1, DROP COLUMN gone2, DROP COLUMN gone3, DROP COLUMN "gone""4";
ALTER TABLE zoo.dropped ADD COLUMN gone1 date DEFAULT '2001-02-03', ADD COLUMN fast integer NOT NULL DEFAULT 77;  -- old rows hold neither
INSERT INTO zoo.dropped VALUES (8, 'x', NULL, 78);
CREATE TABLE zoo.generated (a integer, g1 integer GENERATED ALWAYS AS (a * 2) STORED, b text DEFAULT 'dflt', gone integer,
    g2 text GENERATED ALWAYS AS (zoo.fold(b) || '!') STORED, c integer NOT NULL DEFAULT 3, g3 zoo.mood GENERATED ALWAYS AS ('sad'::zoo.mood) STORED,
    CHECK (g1 <> 13));
ALTER TABLE zoo.generated DROP COLUMN gone;
INSERT INTO zoo.generated (a, b, c) VALUES (1, 'ONE', 10), (NULL, NULL, 20), (-5, '', 30);
\if :pg18
CREATE TABLE zoo.generated_virtual (a integer, v1 integer GENERATED ALWAYS AS (a * 2) VIRTUAL, b text, s text GENERATED ALWAYS AS (b || '!') STORED,
    v2 text GENERATED ALWAYS AS (upper(b)) VIRTUAL NOT NULL CHECK (v2 <> ''));
INSERT INTO zoo.generated_virtual (a, b) VALUES (1, 'one'), (NULL, 'x');
CREATE TABLE zoo.only_virtual (v integer GENERATED ALWAYS AS (7));
INSERT INTO zoo.only_virtual DEFAULT VALUES;
\endif
SELECT 'CREATE TABLE zoo.wide (' || string_agg(format('c%s %s', i, (ARRAY['integer', 'text', 'numeric(9,2)', 'boolean', 'timestamptz', 'zoo.mood'])[1 + i % 6]), ', ') || ')'
  FROM generate_series(1, 300) i \gexec
SELECT format('INSERT INTO zoo.wide (c%s, c%s) VALUES (%s, NULL)', 1 + i, 2 + i, (ARRAY['''x''', '1.25', 'true', '''2000-01-01 00:00:00+00''', '''sad''', '1'])[1 + i % 6])
  FROM generate_series(0, 290, 7) i \gexec

-- ---------------------------------------------------------------- sequences
CREATE SEQUENCE zoo.code_seq START 100 INCREMENT 5;
CREATE SEQUENCE zoo.never_called;
CREATE SEQUENCE zoo.set_not_called;
SELECT setval('zoo.set_not_called', 42, false) \g /dev/null
CREATE SEQUENCE zoo.set_called;
SELECT setval('zoo.set_called', 42, true) \g /dev/null
CREATE SEQUENCE zoo.descending INCREMENT -3 MAXVALUE 100 MINVALUE -100 START 50 CYCLE;
SELECT nextval('zoo.descending') + nextval('zoo.descending') \g /dev/null
CREATE SEQUENCE zoo.cycled AS smallint MINVALUE 1 MAXVALUE 3 CYCLE CACHE 1;
SELECT sum(nextval('zoo.cycled')) FROM generate_series(1, 5) \g /dev/null
CREATE SEQUENCE zoo.cached CACHE 50;
SELECT nextval('zoo.cached') \g /dev/null
CREATE SEQUENCE zoo.at_maximum;
SELECT setval('zoo.at_maximum', 9223372036854775807) \g /dev/null
CREATE SEQUENCE zoo.at_minimum INCREMENT -1 MINVALUE -9223372036854775808 MAXVALUE 0;
SELECT setval('zoo.at_minimum', -9223372036854775808) \g /dev/null
CREATE SEQUENCE zoo.exhausted AS integer MAXVALUE 2;
SELECT nextval('zoo.exhausted') + nextval('zoo.exhausted') \g /dev/null
CREATE SEQUENCE "Zoo Mixed"."Se""q.uence" OWNED BY NONE;
SELECT setval('"Zoo Mixed"."Se""q.uence"', 7) \g /dev/null
\if :pg15
CREATE UNLOGGED SEQUENCE zoo.unlogged_sequence;
SELECT setval('zoo.unlogged_sequence', 9) \g /dev/null
\endif
CREATE TABLE zoo.defaults (id serial PRIMARY KEY, small smallserial, code text DEFAULT zoo.next_code(), shared integer DEFAULT nextval('zoo.set_called'),
    shared2 integer DEFAULT nextval('zoo.set_called') + zoo.twice(2), at timestamptz DEFAULT now(), who name DEFAULT CURRENT_USER,
    expr text DEFAULT E'it''s \\ "x"\n' || 'y', arr integer[] DEFAULT '{1,2}'::integer[], p zoo.positive, ml zoo.mood_list, nul text DEFAULT NULL);
INSERT INTO zoo.defaults (at, who) VALUES ('2000-01-01 00:00+00', 'x'), ('2000-01-02 00:00+00', 'x');
SELECT setval('zoo.defaults_id_seq', 1000, false) \g /dev/null
CREATE SEQUENCE zoo.owned_elsewhere OWNED BY zoo.defaults.code;
ALTER SEQUENCE zoo.defaults_small_seq RENAME TO "Renamed Se""q";
CREATE TABLE zoo.identity_always (id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 10 MINVALUE -50 MAXVALUE 1000 CYCLE CACHE 3), t text);
INSERT INTO zoo.identity_always (t) VALUES ('ten'), ('twenty');
INSERT INTO zoo.identity_always OVERRIDING SYSTEM VALUE VALUES (5, 'five');
CREATE TABLE zoo.identity_default (t text, id smallint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME zoo."Own Na""me" START 5), UNIQUE (id));
INSERT INTO zoo.identity_default (t) VALUES ('five'), ('six');
INSERT INTO zoo.identity_default VALUES ('explicit', -7);
ALTER TABLE zoo.identity_default ALTER COLUMN id RESTART WITH 99;
CREATE TABLE zoo.identity_negative (id integer GENERATED ALWAYS AS IDENTITY (INCREMENT -1));
INSERT INTO zoo.identity_negative DEFAULT VALUES;
CREATE TABLE zoo.identity_unused (id integer GENERATED ALWAYS AS IDENTITY);

-- ---------------------------------------------------------------- unlogged, typed, own row type
CREATE UNLOGGED TABLE zoo.unlogged (id serial PRIMARY KEY, t text);
INSERT INTO zoo.unlogged (t) VALUES ('kept'), ('too');
CREATE UNLOGGED TABLE zoo.unlogged_identity (id integer GENERATED ALWAYS AS IDENTITY, t text);
INSERT INTO zoo.unlogged_identity (t) VALUES ('x');
CREATE TABLE zoo.typed OF zoo.row_type (PRIMARY KEY (id), name WITH OPTIONS DEFAULT 'typed' NOT NULL);
INSERT INTO zoo.typed VALUES (1, 'one', 'sad'), (2, DEFAULT, NULL);
CREATE TABLE zoo.typed_empty OF zoo.no_attribute;
CREATE TABLE "Zoo Mixed"."Ta""ble.🛟" ("Co""l.🛟" integer, "select" text, " " text, "a	b" text);
INSERT INTO "Zoo Mixed"."Ta""ble.🛟" VALUES (1, '2', '3', '4');
CREATE TABLE U&"zoo\000A\005C! touch zoo_pwned".t (a text);
INSERT INTO U&"zoo\000A\005C! touch zoo_pwned".t VALUES (E'\\! touch zoo_pwned');
CREATE TABLE "zoo.dot"."zoo.dot" (a "zoo.dot"."E.num");
CREATE TABLE "zoo""quote"."zoo""quote" (a text COLLATE "zoo.dot"."Col.""late");
CREATE TABLE "zoo 🛟"."🛟" ("🛟" text DEFAULT '🛟');
INSERT INTO "zoo 🛟"."🛟" DEFAULT VALUES;
-- A default and a check that call functions of the table's own row type: loops to be broken.
CREATE TABLE zoo.loops (id integer, t text);
CREATE FUNCTION zoo.loops_ok(r zoo.loops) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT (r).id > 0';
CREATE FUNCTION zoo.loops_text(r zoo.loops) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'id ' || coalesce((r).id, 0) $$;
ALTER TABLE zoo.loops ADD CONSTRAINT loops_check CHECK (zoo.loops_ok(loops.*));
ALTER TABLE zoo.loops ALTER COLUMN t SET DEFAULT zoo.loops_text(NULL);
INSERT INTO zoo.loops (id) VALUES (1), (2);
CREATE TABLE zoo.loops_of (l zoo.loops, ls zoo.loops[]);
INSERT INTO zoo.loops_of SELECT l, ARRAY[l, NULL] FROM zoo.loops l;

-- ---------------------------------------------------------------- inheritance
CREATE TABLE zoo.parent (a integer, b text DEFAULT 'parent', c numeric CONSTRAINT parent_c CHECK (c >= 0), CONSTRAINT own_only CHECK (a < 100) NO INHERIT);
INSERT INTO zoo.parent VALUES (1, 'in parent', 1.5);
CREATE TABLE zoo.child (d integer, b text DEFAULT 'child') INHERITS (zoo.parent);
INSERT INTO zoo.child VALUES (200, 'in child', 2, 22);
-- same columns, other order: comes back in the parent's order
CREATE TABLE zoo.child_reordered (x text, c numeric CONSTRAINT parent_c CHECK (c >= 0), gone integer, b text, y integer, a integer);
ALTER TABLE zoo.child_reordered DROP COLUMN gone;
INSERT INTO zoo.child_reordered VALUES ('x', 3, 'reordered', 33, 300), ('x2', 3.5, 'swapped would show', 34, 301);
ALTER TABLE zoo.child_reordered INHERIT zoo.parent;
-- same types in other order: swapped columns load without an error
CREATE TABLE zoo.same_parent (a text, b text, c text);
CREATE TABLE zoo.same_child (c text, a text, b text);
INSERT INTO zoo.same_child VALUES ('c', 'a', 'b');
ALTER TABLE zoo.same_child INHERIT zoo.same_parent;
-- a column that the parent got later: last in child, and its own column order differs from a fresh one
ALTER TABLE zoo.parent ADD COLUMN later text DEFAULT 'later';
INSERT INTO zoo.child VALUES (201, 'after', 2, 23, 'later in child');
CREATE TABLE zoo.other_parent (a integer, z text);
INSERT INTO zoo.other_parent VALUES (1, 'z');
CREATE TABLE zoo.two_parents (own integer) INHERITS (zoo.other_parent, zoo.parent);
INSERT INTO zoo.two_parents (z, a, b, c, own) VALUES ('z2', 5, 'b', 5, 55);
CREATE TABLE zoo.grandchild (e text) INHERITS (zoo.child_reordered, zoo.child);
INSERT INTO zoo.grandchild (a, b, c, d, e, x, y) VALUES (400, 'grand', 4, 44, 'e', 'x', 4);
CREATE TABLE zoo.empty_child () INHERITS (zoo.parent);
ALTER TABLE zoo.child ALTER COLUMN c SET DEFAULT 9;
\if :child_not_null
ALTER TABLE zoo.child ALTER COLUMN a SET NOT NULL;
\endif
ALTER TABLE zoo.parent ALTER COLUMN b DROP DEFAULT;
CREATE TABLE zoo.no_longer_child (e text) INHERITS (zoo.parent);
INSERT INTO zoo.no_longer_child (a) VALUES (6);
ALTER TABLE zoo.no_longer_child NO INHERIT zoo.parent;
CREATE TABLE zoo.no_column_child (a integer) INHERITS (zoo.no_column);
INSERT INTO zoo.no_column_child VALUES (1);
CREATE TABLE zoo.generated_child (h integer) INHERITS (zoo.generated);
INSERT INTO zoo.generated_child (a, h) VALUES (7, 8);
CREATE VIEW zoo.whole_rows AS SELECT p, p.tableoid::regclass::text AS t FROM zoo.parent p;

-- ---------------------------------------------------------------- pages: many, dead, empty, not counted by statistics
CREATE TABLE zoo.pages (id integer PRIMARY KEY, filler text, n numeric, at timestamptz) WITH (autovacuum_enabled = false);
INSERT INTO zoo.pages SELECT i, repeat(md5(i::text), 6), i / 7.0, '2000-01-01 00:00+00'::timestamptz + i * interval '1 hour' FROM generate_series(1, 5000) i;
CREATE TABLE zoo.dead_rows (id integer, v text) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
INSERT INTO zoo.dead_rows SELECT i, repeat('v', 100) || i FROM generate_series(1, 3000) i;
DELETE FROM zoo.dead_rows WHERE id <= 1000 OR id % 10 = 0;      -- empty pages in front
UPDATE zoo.dead_rows SET v = 'new ' || id WHERE id % 7 = 0;     -- new versions at the end
UPDATE zoo.dead_rows SET v = v || '+' WHERE id % 14 = 0;
BEGIN;
INSERT INTO zoo.dead_rows SELECT i, 'rolled back' FROM generate_series(1, 2000) i;
ROLLBACK;
CREATE TABLE zoo.all_deleted (id integer, v text) WITH (autovacuum_enabled = false);
INSERT INTO zoo.all_deleted SELECT i, repeat('v', 500) FROM generate_series(1, 500) i;
DELETE FROM zoo.all_deleted;
CREATE TABLE zoo.truncated (id integer);
INSERT INTO zoo.truncated VALUES (1), (2);
TRUNCATE zoo.truncated;
INSERT INTO zoo.truncated VALUES (3);
-- relpages says one page, the file has many more
CREATE TABLE zoo.stale_statistics (id integer, v text) WITH (autovacuum_enabled = false);
INSERT INTO zoo.stale_statistics VALUES (1, 'one');
ANALYZE zoo.stale_statistics;
INSERT INTO zoo.stale_statistics SELECT i, repeat('s', 200) FROM generate_series(2, 4000) i;
-- and the other way round
CREATE TABLE zoo.shrunk (id integer, v text) WITH (autovacuum_enabled = false);
INSERT INTO zoo.shrunk SELECT i, repeat('s', 200) FROM generate_series(1, 4000) i;
ANALYZE zoo.shrunk;
DELETE FROM zoo.shrunk WHERE id > 10;
VACUUM (ANALYZE false) zoo.shrunk;

-- ---------------------------------------------------------------- TOAST
CREATE TABLE zoo.toasted (id integer PRIMARY KEY, compressible text, random bytea, external text, main text, plain name);
ALTER TABLE zoo.toasted ALTER COLUMN external SET STORAGE EXTERNAL, ALTER COLUMN main SET STORAGE MAIN, ALTER COLUMN random SET STORAGE EXTERNAL;
INSERT INTO zoo.toasted VALUES (1, repeat('compressible ', 300000), NULL, repeat('x', 100000), repeat('m', 1000000)), (2, '', '', '', '');
INSERT INTO zoo.toasted (id, random, external) SELECT 3, string_agg(sha512(i::text::bytea), '' ORDER BY i), string_agg(md5(i::text), E'\\\t\n' ORDER BY i) FROM generate_series(1, 20000) i;
INSERT INTO zoo.toasted (id, compressible) SELECT i, repeat(md5(i::text), 200) FROM generate_series(10, 60) i;
UPDATE zoo.toasted SET id = -id WHERE id % 2 = 0;               -- new rows, same toast
UPDATE zoo.toasted SET compressible = compressible || 'x' WHERE id % 5 = 0;
DELETE FROM zoo.toasted WHERE id % 7 = 0;
\if :big
-- one row of 34 MiB as text: larger than a part
CREATE TABLE zoo.big_row (id integer, b bytea);
ALTER TABLE zoo.big_row ALTER COLUMN b SET STORAGE EXTERNAL;
INSERT INTO zoo.big_row VALUES (1, '\x01');
INSERT INTO zoo.big_row SELECT 2, string_agg(sha512(i::text::bytea), '' ORDER BY i) FROM generate_series(1, 17 * 16384) i;
INSERT INTO zoo.big_row VALUES (3, '\x03');
\endif
RESET ROLE;
