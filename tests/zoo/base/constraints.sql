-- Keys, checks, foreign keys, exclusion, indexes of all kinds, triggers, rules, policies.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- checks
CREATE TABLE zoo.checks (id integer PRIMARY KEY, a integer CHECK (a <> 13), b integer CONSTRAINT "che""ck.🛟" CHECK (b > 0),
    t text CHECK (t !~ E'\\$\\(' AND t <> '-- ;'), CONSTRAINT "both" CHECK (a < b OR a IS NULL), CHECK (zoo.is_even(id)), CONSTRAINT "Zoo" CHECK (true));
INSERT INTO zoo.checks VALUES (2, 1, 2, 'x'), (4, NULL, NULL, NULL), (6, -1, 1, E'\\');
ALTER TABLE zoo.checks ADD CONSTRAINT violated CHECK (id > 4) NOT VALID;            -- two rows break it
CREATE TABLE zoo.checks_not_inherited (a integer CHECK (a > 0) NO INHERIT);
CREATE TABLE zoo.checks_child () INHERITS (zoo.checks_not_inherited);
INSERT INTO zoo.checks_child VALUES (-1);
CREATE TABLE zoo.not_null (a integer NOT NULL, b text, c integer);
INSERT INTO zoo.not_null VALUES (1, NULL, NULL);
\if :pg18
ALTER TABLE zoo.not_null ADD CONSTRAINT "b not yet" NOT NULL b NOT VALID;
ALTER TABLE zoo.not_null ADD CONSTRAINT unenforced CHECK (a < 0) NOT ENFORCED;
CREATE TABLE zoo.named_not_null (a integer CONSTRAINT "my ""not"" null" NOT NULL NO INHERIT, b integer CONSTRAINT b_there NOT NULL);
COMMENT ON CONSTRAINT b_there ON zoo.named_not_null IS 'a named NOT NULL';
CREATE TABLE zoo.named_not_null_child () INHERITS (zoo.named_not_null);
INSERT INTO zoo.named_not_null_child VALUES (NULL, 1);
\endif

-- ---------------------------------------------------------------- keys and exclusion
CREATE TABLE zoo.keys (id integer, b text, c integer, r int4range, d text, e integer, "k""ey" text,
    CONSTRAINT "prim""ary" PRIMARY KEY (id) INCLUDE (b) WITH (fillfactor = 70),
    CONSTRAINT late UNIQUE (c) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT late2 UNIQUE (e, "k""ey") DEFERRABLE,
    CONSTRAINT apart EXCLUDE USING gist (r WITH &&) WHERE (id > 0) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT apart2 EXCLUDE USING btree (lower(d) COLLATE "C" WITH =) INCLUDE (e), CONSTRAINT apart3 EXCLUDE (id WITH OPERATOR(=)));
INSERT INTO zoo.keys VALUES (1, 'a', 1, '[1,3)', 'A', 1, 'x'), (2, 'b', 2, '[3,4)', 'b', NULL, NULL), (3, 'c', NULL, 'empty', NULL, NULL, NULL), (-1, 'd', 4, '[1,9)', 'c', 1, 'y');
CREATE UNIQUE INDEX keys_unique ON zoo.keys (b, c);
CREATE UNIQUE INDEX "used as key" ON zoo.keys (d, id);
ALTER TABLE zoo.keys ADD CONSTRAINT "used as key" UNIQUE USING INDEX "used as key";
\if :pg15
CREATE TABLE zoo.nulls (a integer UNIQUE NULLS NOT DISTINCT, b integer);
CREATE UNIQUE INDEX nulls_b ON zoo.nulls (b, a) NULLS NOT DISTINCT;
INSERT INTO zoo.nulls VALUES (NULL, 1), (1, NULL);
\endif
\if :pg18
CREATE TABLE zoo.temporal (id int4range, valid daterange, v text, CONSTRAINT temporal_pk PRIMARY KEY (id, valid WITHOUT OVERLAPS));
INSERT INTO zoo.temporal VALUES ('[1,2)', '[2000-01-01,2001-01-01)', 'a'), ('[1,2)', '[2001-01-01,)', 'b');
CREATE TABLE zoo.temporal_child (id int4range, valid daterange, parent int4range,
    UNIQUE (id, valid WITHOUT OVERLAPS), FOREIGN KEY (parent, PERIOD valid) REFERENCES zoo.temporal (id, PERIOD valid));
INSERT INTO zoo.temporal_child VALUES ('[5,6)', '[2000-06-01,2001-06-01)', '[1,2)');
\endif

-- ---------------------------------------------------------------- foreign keys
CREATE TABLE zoo.people (id integer PRIMARY KEY, boss integer CONSTRAINT boss REFERENCES zoo.people ON DELETE SET NULL ON UPDATE CASCADE, twin integer UNIQUE,
    CONSTRAINT "twin" FOREIGN KEY (twin) REFERENCES zoo.people DEFERRABLE INITIALLY DEFERRED);
INSERT INTO zoo.people SELECT i, CASE WHEN i > 1 THEN 1 + i / 3 END, CASE WHEN i % 2 = 0 THEN i + 1 END FROM generate_series(1, 99) i;
CREATE TABLE zoo.hen (id integer PRIMARY KEY, egg integer);
CREATE TABLE zoo.egg (id integer PRIMARY KEY, hen integer NOT NULL REFERENCES zoo.hen DEFERRABLE);
ALTER TABLE zoo.hen ADD FOREIGN KEY (egg) REFERENCES zoo.egg DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO zoo.hen VALUES (1, 10), (2, 20), (3, NULL); INSERT INTO zoo.egg VALUES (10, 2), (20, 1), (30, 3); COMMIT;
CREATE TABLE zoo.two_keys (a integer, b text, c integer, PRIMARY KEY (a, b));
CREATE UNIQUE INDEX two_keys_index ON zoo.two_keys (c, a);                           -- a target that is no constraint
INSERT INTO zoo.two_keys VALUES (1, 'x', 1), (2, 'y', 2);
CREATE TABLE "Zoo Mixed"."Refer""s" (a integer, "B" text, "d.🛟" integer, e zoo.mood,
    CONSTRAINT "f""k" FOREIGN KEY ("B", a) REFERENCES zoo.two_keys (b, a) MATCH FULL ON DELETE SET DEFAULT,
    FOREIGN KEY ("d.🛟", a) REFERENCES zoo.two_keys (c, a) ON DELETE CASCADE);
INSERT INTO "Zoo Mixed"."Refer""s" VALUES (1, 'x', 1, 'sad'), (NULL, NULL, 7, NULL);
\if :pg15
ALTER TABLE "Zoo Mixed"."Refer""s" ADD CONSTRAINT some_columns FOREIGN KEY (a, "B") REFERENCES zoo.two_keys ON DELETE SET NULL ("B");
\endif
CREATE TABLE zoo.broken_reference (id integer, p integer);
INSERT INTO zoo.broken_reference VALUES (1, 1), (2, 4711);
ALTER TABLE zoo.broken_reference ADD CONSTRAINT not_valid FOREIGN KEY (p) REFERENCES zoo.people NOT VALID;   -- 4711 is nobody
\if :pg18
ALTER TABLE zoo.broken_reference ADD CONSTRAINT not_enforced FOREIGN KEY (p) REFERENCES zoo.people NOT ENFORCED;
\endif
CREATE TABLE zoo.part_target (id integer, k integer, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE zoo.part_target_1 PARTITION OF zoo.part_target FOR VALUES IN (1);
CREATE TABLE zoo.part_target_2 PARTITION OF zoo.part_target FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE zoo.part_target_2_1 PARTITION OF zoo.part_target_2 FOR VALUES FROM (0) TO (1000);
INSERT INTO zoo.part_target SELECT i, 1 + i % 2 FROM generate_series(1, 50) i;
CREATE TABLE zoo.part_source (id integer, k integer, parent integer, FOREIGN KEY (id, k) REFERENCES zoo.part_target, PRIMARY KEY (id, k)) PARTITION BY HASH (id);
CREATE TABLE zoo.part_source_0 PARTITION OF zoo.part_source FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.part_source_1 (k integer NOT NULL, parent integer, id integer NOT NULL REFERENCES zoo.people);
ALTER TABLE zoo.part_source ATTACH PARTITION zoo.part_source_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO zoo.part_source SELECT id, k, NULL FROM zoo.part_target;
ALTER TABLE zoo.part_source ADD CONSTRAINT to_itself FOREIGN KEY (parent, k) REFERENCES zoo.part_source (id, k) DEFERRABLE;

-- ---------------------------------------------------------------- indexes
CREATE TABLE zoo.indexed (id integer, t text, j jsonb, a integer[], p point, r int4range, v tsvector, n numeric, m zoo.mood, i inet, ts timestamp);
INSERT INTO zoo.indexed SELECT i, 'text ' || i, jsonb_build_object('k', i), ARRAY[i, i + 1], point(i, -i), int4range(i, i + 5), to_tsvector('simple', 'word' || i),
    i / 3.0, (enum_range(NULL::zoo.mood))[1 + i % 5], '10.0.0.0'::inet + i, '2000-01-01'::timestamp + i * interval '1 hour' FROM generate_series(1, 500) i;
CREATE INDEX indexed_desc ON zoo.indexed (id DESC NULLS LAST, t COLLATE "C" text_pattern_ops ASC NULLS FIRST) INCLUDE (n, m) WITH (fillfactor = 50, deduplicate_items = off);
CREATE INDEX indexed_expr ON zoo.indexed (zoo.fold(t), (n + 1), (id IS NULL)) WHERE m = 'sad' AND zoo.is_even(id) AND t <> E'\\"';
CREATE INDEX indexed_hash ON zoo.indexed USING hash (t) WITH (fillfactor = 60);
CREATE INDEX indexed_gin ON zoo.indexed USING gin (j jsonb_path_ops) WITH (fastupdate = off, gin_pending_list_limit = 128);
CREATE INDEX indexed_gin2 ON zoo.indexed USING gin (a, v);
CREATE INDEX indexed_gist ON zoo.indexed USING gist (p, r) WITH (buffering = off);
CREATE INDEX indexed_siglen ON zoo.indexed USING gist (v tsvector_ops (siglen = 100));
CREATE INDEX indexed_spgist ON zoo.indexed USING spgist (p kd_point_ops);
CREATE INDEX indexed_spgist2 ON zoo.indexed USING spgist (i inet_ops);
CREATE INDEX indexed_brin ON zoo.indexed USING brin (ts, id) WITH (pages_per_range = 4, autosummarize = on);
\if :pg14
CREATE INDEX indexed_brin2 ON zoo.indexed USING brin (n numeric_minmax_multi_ops (values_per_range = 16), id int4_bloom_ops (n_distinct_per_range = 50));
\endif
\if :icu
CREATE INDEX indexed_icu ON zoo.indexed (t COLLATE zoo.phonebook);
CREATE TABLE zoo.icu (t text COLLATE zoo.no_case PRIMARY KEY, u text COLLATE "de-x-icu", v text COLLATE zoo.phonebook);
INSERT INTO zoo.icu VALUES ('Ä', 'ä', 'ß'), ('b', 'B', 'ss');
-- rows fall into other partitions under another version of ICU
CREATE TABLE zoo.by_icu (t text) PARTITION BY RANGE (t COLLATE "de-x-icu");
CREATE TABLE zoo.by_icu_1 PARTITION OF zoo.by_icu FOR VALUES FROM (MINVALUE) TO ('m');
CREATE TABLE zoo.by_icu_2 PARTITION OF zoo.by_icu FOR VALUES FROM ('m') TO (MAXVALUE);
INSERT INTO zoo.by_icu VALUES ('Ä'), ('ä'), ('z'), ('Z'), ('_'), ('🛟');
\endif
\if :pg17
CREATE TABLE zoo.builtin (t text COLLATE zoo.builtin PRIMARY KEY, u text COLLATE pg_catalog.pg_c_utf8);
INSERT INTO zoo.builtin VALUES ('Ä', 'ä'), ('z', NULL);
\endif
ALTER INDEX zoo.indexed_expr ALTER COLUMN 2 SET STATISTICS 321;
CREATE INDEX "in""dex.🛟 ;DROP" ON zoo.indexed (t) WHERE t <> '🛟;DROP';
ALTER TABLE zoo.indexed CLUSTER ON indexed_desc;
CREATE UNIQUE INDEX indexed_unique ON zoo.indexed (id);
ALTER TABLE zoo.indexed ALTER COLUMN id SET NOT NULL;
ALTER TABLE zoo.indexed REPLICA IDENTITY USING INDEX indexed_unique;
ALTER TABLE zoo.people CLUSTER ON people_pkey;
ALTER TABLE zoo.people REPLICA IDENTITY FULL;
ALTER TABLE zoo.hen REPLICA IDENTITY NOTHING;
-- left over by a failed CREATE INDEX CONCURRENTLY: invalid, pg_dump leaves it out
CREATE TABLE zoo.invalid_index (a integer);
INSERT INTO zoo.invalid_index VALUES (1), (1);
CREATE INDEX invalid_index_a ON zoo.invalid_index (a);
RESET ROLE;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoo.invalid_index_a'::regclass;
SET ROLE zoo_owner;

-- ---------------------------------------------------------------- statistics objects
CREATE STATISTICS zoo.all_kinds ON id, t, n FROM zoo.indexed;
CREATE STATISTICS zoo.one_kind (ndistinct) ON m, id FROM zoo.indexed;
CREATE STATISTICS "Zoo Mixed"."Sta""t" (mcv, dependencies) ON m, i FROM zoo.indexed;
ALTER STATISTICS zoo.one_kind SET STATISTICS 111;
\if :pg14
CREATE STATISTICS zoo.of_expressions (ndistinct, mcv) ON zoo.fold(t), (n + 1), id FROM zoo.indexed;
CREATE STATISTICS zoo.of_one_expression ON (j ->> 'k') FROM zoo.indexed;
\endif
CREATE STATISTICS zoo.of_partitioned ON id, v FROM zoo.tree;

-- ---------------------------------------------------------------- triggers
CREATE TABLE zoo.triggered (id integer PRIMARY KEY, t text, n integer DEFAULT 0);
CREATE TABLE zoo.trigger_log (what text);
CREATE FUNCTION zoo.log_trigger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO zoo.trigger_log VALUES (TG_NAME || ' ' || TG_WHEN || ' ' || TG_OP || coalesce(' ' || TG_ARGV[0], ''));
    RETURN CASE WHEN TG_LEVEL = 'ROW' AND TG_OP <> 'DELETE' THEN NEW ELSE OLD END;
END $$;
CREATE FUNCTION zoo.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger fired on restore'; END $$;
CREATE FUNCTION zoo.change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.t := 'changed by a trigger'; RETURN NEW; END $$;
INSERT INTO zoo.triggered VALUES (1, 'one'), (2, 'two');
CREATE TRIGGER normal AFTER INSERT OR UPDATE OF t, n OR DELETE ON zoo.triggered FOR EACH ROW WHEN (true) EXECUTE FUNCTION zoo.log_trigger('it''s', E'\\ "\n', '', '🛟');
CREATE TRIGGER refuses BEFORE INSERT ON zoo.triggered FOR EACH ROW WHEN (NEW.id < 1000) EXECUTE FUNCTION zoo.refuse();
CREATE TRIGGER changes_always BEFORE INSERT ON zoo.triggered FOR EACH ROW EXECUTE FUNCTION zoo.change();
CREATE TRIGGER "tri""gger.🛟" BEFORE UPDATE ON zoo.triggered FOR EACH ROW WHEN (OLD.t IS DISTINCT FROM NEW.t) EXECUTE FUNCTION zoo.log_trigger();
CREATE TRIGGER of_statement AFTER UPDATE ON zoo.triggered REFERENCING OLD TABLE AS "o""ld" NEW TABLE AS nw FOR EACH STATEMENT EXECUTE FUNCTION zoo.log_trigger();
CREATE TRIGGER of_truncate BEFORE TRUNCATE ON zoo.triggered FOR EACH STATEMENT EXECUTE FUNCTION zoo.log_trigger();
CREATE CONSTRAINT TRIGGER of_constraint AFTER INSERT ON zoo.triggered FROM zoo.people DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
CREATE TRIGGER of_replica AFTER DELETE ON zoo.triggered FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
CREATE TRIGGER of_nobody AFTER DELETE ON zoo.triggered FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
ALTER TABLE zoo.triggered ENABLE ALWAYS TRIGGER changes_always, ENABLE REPLICA TRIGGER of_replica, DISABLE TRIGGER of_nobody;
ALTER TRIGGER of_nobody ON zoo.triggered DEPENDS ON EXTENSION plpgsql;
CREATE TRIGGER of_tree AFTER INSERT ON zoo.tree FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
ALTER TABLE zoo.tree_1999 DISABLE TRIGGER of_tree;
CREATE TRIGGER own_of_partition BEFORE INSERT ON zoo.tree_2001 FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();

-- ---------------------------------------------------------------- rules
CREATE TABLE zoo.ruled (id integer PRIMARY KEY, t text);
INSERT INTO zoo.ruled VALUES (1, 'one'), (2, 'two');
CREATE RULE swallow AS ON INSERT TO zoo.ruled DO INSTEAD NOTHING;
CREATE RULE also AS ON UPDATE TO zoo.ruled WHERE OLD.id <> NEW.id DO ALSO INSERT INTO zoo.trigger_log VALUES ('it''s a rule; "x"');
CREATE RULE "ru""le" AS ON DELETE TO zoo.ruled DO ALSO (INSERT INTO zoo.trigger_log VALUES ('a'); NOTIFY zoo, 'x'; UPDATE zoo.trigger_log SET what = OLD.t WHERE false);
ALTER TABLE zoo.ruled DISABLE RULE also;
ALTER TABLE zoo.ruled ENABLE ALWAYS RULE "ru""le";

-- ---------------------------------------------------------------- row level security
CREATE TABLE zoo.secured (id integer PRIMARY KEY, owner name, t text);
INSERT INTO zoo.secured VALUES (1, 'zoo_owner', 'seen'), (2, 'zoo_app', 'not seen by the owner'), (3, 'nobody', 'by none');
CREATE POLICY own_rows ON zoo.secured USING (owner = CURRENT_USER) WITH CHECK (owner = CURRENT_USER AND t <> E'\\');
CREATE POLICY "poli""cy" ON zoo.secured AS RESTRICTIVE FOR SELECT TO zoo_app, "zoo_quote""d", zoo_reader USING (id > (SELECT count(*) FROM zoo.no_column_no_row));
CREATE POLICY to_insert ON zoo.secured FOR INSERT TO PUBLIC WITH CHECK (id > 0);
CREATE POLICY to_update ON zoo.secured FOR UPDATE TO CURRENT_USER USING (true);
CREATE POLICY to_delete ON zoo.secured FOR DELETE USING (EXISTS (SELECT FROM zoo.people p WHERE p.id = secured.id));
ALTER TABLE zoo.secured ENABLE ROW LEVEL SECURITY;
CREATE TABLE zoo.forced (id integer, t text);
INSERT INTO zoo.forced VALUES (1, 'no policy: nobody but a superuser sees me');
ALTER TABLE zoo.forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE zoo.forced FORCE ROW LEVEL SECURITY;
CREATE TABLE zoo.forced_not_enabled (id integer);
INSERT INTO zoo.forced_not_enabled VALUES (1);
ALTER TABLE zoo.forced_not_enabled FORCE ROW LEVEL SECURITY;
CREATE POLICY not_enabled ON zoo.forced_not_enabled USING (false);
ALTER TABLE zoo.tree ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tree ON zoo.tree USING (id > 200);
RESET ROLE;
