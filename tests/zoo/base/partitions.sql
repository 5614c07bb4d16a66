-- Partitions: of partitions, by every strategy, attached with other columns, default, foreign, empty.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- range, list, hash in one tree, in several schemas
CREATE TABLE zoo.tree (region text, at timestamptz, id integer, v numeric DEFAULT 1) PARTITION BY RANGE (at);
CREATE TABLE zoo.tree_1999 PARTITION OF zoo.tree FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00+00');
CREATE TABLE zoo.tree_2000 PARTITION OF zoo.tree FOR VALUES FROM ('2000-01-01 00:00+00') TO ('2001-01-01 00:00+00') PARTITION BY LIST (region);
CREATE TABLE "Zoo Mixed"."tree_2000_d""e" PARTITION OF zoo.tree_2000 FOR VALUES IN ('de', 'it''s', NULL) PARTITION BY HASH (id);
CREATE TABLE zoo.tree_2000_de_0 PARTITION OF "Zoo Mixed"."tree_2000_d""e" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.tree_2000_de_1 PARTITION OF "Zoo Mixed"."tree_2000_d""e" FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE zoo.tree_2000_de_3 PARTITION OF "Zoo Mixed"."tree_2000_d""e" FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE TABLE zoo.tree_2000_rest PARTITION OF zoo.tree_2000 DEFAULT;
-- attached: other column order, dropped columns, own default, own constraint, own index
CREATE TABLE zoo.tree_2001 (gone integer, v numeric DEFAULT 2, id integer, at timestamptz, region text CONSTRAINT own CHECK (region <> 'nowhere'), also_gone text);
ALTER TABLE zoo.tree_2001 DROP COLUMN gone, DROP COLUMN also_gone;
INSERT INTO zoo.tree_2001 (id, at, region) VALUES (1, '2001-05-05 00:00+00', 'before attaching');
ALTER TABLE zoo.tree ATTACH PARTITION zoo.tree_2001 FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2002-01-01 00:00+00');
CREATE TABLE zoo.tree_default PARTITION OF zoo.tree DEFAULT;
CREATE TABLE zoo.tree_detached PARTITION OF zoo.tree FOR VALUES FROM ('2009-01-01 00:00+00') TO ('2010-01-01 00:00+00');
INSERT INTO zoo.tree_detached VALUES ('detached', '2009-09-09 00:00+00', 9, 9);
ALTER TABLE zoo.tree DETACH PARTITION zoo.tree_detached;
INSERT INTO zoo.tree SELECT (ARRAY['de', 'fr', 'it''s', NULL])[1 + i % 4], '1999-06-01 00:00+00'::timestamptz + i * interval '3 days', i, i / 3.0 FROM generate_series(1, 400) i;
CREATE INDEX tree_id ON zoo.tree (id);
CREATE INDEX tree_2001_own ON zoo.tree_2001 (v) WHERE v > 10;

-- an index on the parent alone, indexes of partitions attached to it; one partition still without: the parent's stays invalid
CREATE INDEX tree_late ON ONLY zoo.tree (v, id);
CREATE INDEX tree_late_1999 ON zoo.tree_1999 (v, id);
ALTER INDEX zoo.tree_late ATTACH PARTITION zoo.tree_late_1999;
CREATE TABLE zoo.attached_key (id integer NOT NULL, v text) PARTITION BY RANGE (id);
CREATE TABLE zoo.attached_key_1 PARTITION OF zoo.attached_key FOR VALUES FROM (0) TO (100);
CREATE UNIQUE INDEX "attached ""key"" 1" ON zoo.attached_key_1 (id);
ALTER TABLE zoo.attached_key_1 ADD CONSTRAINT "own name" PRIMARY KEY USING INDEX "attached ""key"" 1";
ALTER TABLE ONLY zoo.attached_key ADD CONSTRAINT attached_pk PRIMARY KEY (id);
ALTER INDEX zoo.attached_pk ATTACH PARTITION zoo."own name";
INSERT INTO zoo.attached_key VALUES (1, 'one'), (99, 'last');

-- ---------------------------------------------------------------- by hash of an enum: OIDs decide, they change on restore
CREATE TABLE zoo.by_mood (m zoo.mood, v integer) PARTITION BY HASH (m);
SELECT format('CREATE TABLE zoo.by_mood_%s PARTITION OF zoo.by_mood FOR VALUES WITH (MODULUS 5, REMAINDER %s)', i, i) FROM generate_series(0, 4) i \gexec
INSERT INTO zoo.by_mood SELECT m, i FROM unnest(enum_range(NULL::zoo.mood)) m, generate_series(1, 20) i;
INSERT INTO zoo.by_mood VALUES (NULL, 0);
CREATE TABLE zoo.by_moods (k integer, ms zoo.mood[], PRIMARY KEY (k, ms)) PARTITION BY HASH (k, ms);  -- within an array: stock fails
SELECT format('CREATE TABLE zoo.by_moods_%s PARTITION OF zoo.by_moods FOR VALUES WITH (MODULUS 3, REMAINDER %s)', i, i) FROM generate_series(0, 2) i \gexec
INSERT INTO zoo.by_moods SELECT i, ARRAY[m, 'sad']::zoo.mood[] FROM unnest(enum_range(NULL::zoo.mood)) m, generate_series(1, 20) i;
-- hash by enum below a list by enum
CREATE TABLE zoo.by_mood_deep (m zoo.mood, m2 zoo.mood, v integer) PARTITION BY LIST (m);
CREATE TABLE zoo.by_mood_deep_sad PARTITION OF zoo.by_mood_deep FOR VALUES IN ('sad', 'meh') PARTITION BY HASH (m2);
CREATE TABLE zoo.by_mood_deep_sad_0 PARTITION OF zoo.by_mood_deep_sad FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.by_mood_deep_sad_1 PARTITION OF zoo.by_mood_deep_sad FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE zoo.by_mood_deep_rest PARTITION OF zoo.by_mood_deep DEFAULT;
INSERT INTO zoo.by_mood_deep SELECT m, n, 1 FROM unnest(enum_range(NULL::zoo.mood)) m, unnest(enum_range(NULL::zoo.mood)) n;
CREATE TABLE zoo.by_mood_range (m zoo.mood, v integer) PARTITION BY RANGE (m);
CREATE TABLE zoo.by_mood_range_low PARTITION OF zoo.by_mood_range FOR VALUES FROM ('sad') TO ('happy');
CREATE TABLE zoo.by_mood_range_high PARTITION OF zoo.by_mood_range FOR VALUES FROM ('happy') TO (MAXVALUE);
INSERT INTO zoo.by_mood_range SELECT m, 1 FROM unnest(enum_range(NULL::zoo.mood)) m;

-- ---------------------------------------------------------------- by text, in the database's collation and in another
CREATE TABLE zoo.by_text (t text, v integer) PARTITION BY RANGE (t);
CREATE TABLE zoo.by_text_1 PARTITION OF zoo.by_text FOR VALUES FROM (MINVALUE) TO ('Z');
CREATE TABLE zoo.by_text_2 PARTITION OF zoo.by_text FOR VALUES FROM ('Z') TO ('m');
CREATE TABLE zoo.by_text_3 PARTITION OF zoo.by_text FOR VALUES FROM ('m') TO (MAXVALUE);
INSERT INTO zoo.by_text SELECT t, 1 FROM unnest(ARRAY['', ' ', 'A', 'a', 'Z', 'z', 'm', 'ä', '🛟', '_', '~', 'it''s', '"', '\', E'\n']) t;
CREATE TABLE zoo.by_c_text (t text COLLATE "C", v integer) PARTITION BY RANGE (t COLLATE "POSIX");
CREATE TABLE zoo.by_c_text_1 PARTITION OF zoo.by_c_text FOR VALUES FROM ('') TO (E'it''s \\ "');
CREATE TABLE zoo.by_c_text_2 PARTITION OF zoo.by_c_text DEFAULT;
INSERT INTO zoo.by_c_text SELECT t, v FROM zoo.by_text;
CREATE TABLE zoo.hash_text (t text) PARTITION BY HASH (t);
CREATE TABLE zoo.hash_text_0 PARTITION OF zoo.hash_text FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.hash_text_1 PARTITION OF zoo.hash_text FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO zoo.hash_text SELECT t FROM zoo.by_text;
CREATE TABLE zoo.hash_class (t text) PARTITION BY HASH (t text_pattern_ops);
CREATE TABLE zoo.hash_class_0 PARTITION OF zoo.hash_class FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO zoo.hash_class SELECT t FROM zoo.by_text;

-- ---------------------------------------------------------------- by expression, by several columns, by own types
CREATE TABLE zoo.by_expression (id integer, t text) PARTITION BY RANGE (zoo.twice(id), lower(t));
CREATE TABLE zoo.by_expression_1 PARTITION OF zoo.by_expression FOR VALUES FROM (MINVALUE, MINVALUE) TO (100, 'm');
CREATE TABLE zoo.by_expression_2 PARTITION OF zoo.by_expression FOR VALUES FROM (100, 'm') TO (MAXVALUE, MAXVALUE);
INSERT INTO zoo.by_expression VALUES (1, 'A'), (50, 'A'), (50, 'Z'), (1000, 'X');
CREATE TABLE zoo.by_mint (m zoo.mint, d date) PARTITION BY LIST (m);
CREATE TABLE zoo.by_mint_1 PARTITION OF zoo.by_mint FOR VALUES IN ('1', '2');
CREATE TABLE zoo.by_mint_rest PARTITION OF zoo.by_mint DEFAULT;
INSERT INTO zoo.by_mint VALUES ('1', 'infinity'), ('3', '0001-01-01 BC');
CREATE TABLE zoo.by_bool (b boolean, i integer GENERATED ALWAYS AS (1) STORED) PARTITION BY LIST (b);
CREATE TABLE zoo.by_bool_true PARTITION OF zoo.by_bool FOR VALUES IN (true);
CREATE TABLE zoo.by_bool_null PARTITION OF zoo.by_bool FOR VALUES IN (NULL, false);
INSERT INTO zoo.by_bool VALUES (true), (NULL), (false);
CREATE TABLE zoo.by_typed OF zoo.row_type PARTITION BY LIST (id);
CREATE TABLE zoo.by_typed_1 PARTITION OF zoo.by_typed (name DEFAULT 'own') FOR VALUES IN (1);
INSERT INTO zoo.by_typed (id) VALUES (1);
CREATE TABLE zoo.no_partition (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE zoo.has_unlogged (id integer) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE zoo.has_unlogged_1 PARTITION OF zoo.has_unlogged FOR VALUES FROM (0) TO (10);
INSERT INTO zoo.has_unlogged VALUES (1);
\if :pg17
CREATE TABLE zoo.identity_partitioned (id integer GENERATED ALWAYS AS IDENTITY, v integer) PARTITION BY RANGE (v);
CREATE TABLE zoo.identity_partitioned_1 PARTITION OF zoo.identity_partitioned FOR VALUES FROM (0) TO (100);
INSERT INTO zoo.identity_partitioned (v) VALUES (1), (2);
\endif
-- many partitions, few rows
CREATE TABLE zoo.many (id integer PRIMARY KEY, t text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE zoo.many_%s PARTITION OF zoo.many FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10) FROM generate_series(0, 29) i \gexec
INSERT INTO zoo.many SELECT i, 'row ' || i FROM generate_series(0, 299) i WHERE i / 10 % 3 <> 1;
RESET ROLE;
