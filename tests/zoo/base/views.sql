-- Views and materialized views: order, keys, population, owners, security.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- views
CREATE VIEW zoo.simple AS SELECT id, b, n + 1 AS "n + 1", E'it''s \\ "x"\n;🛟'::text AS t, 'zoo.numbers'::regclass AS c, 'sad'::zoo.mood AS m FROM zoo.numbers;
CREATE VIEW zoo.of_view (a, "B""b") WITH (security_barrier) AS SELECT id, t FROM zoo.simple WHERE id > 0;
CREATE VIEW zoo.checked WITH (check_option = local) AS SELECT id, t FROM zoo.empty WHERE id > 0;
CREATE VIEW zoo.checked2 AS SELECT * FROM zoo.checked WHERE t <> '' WITH CASCADED CHECK OPTION;
\if :pg15
CREATE VIEW zoo.invoker WITH (security_invoker = true, security_barrier = false) AS SELECT * FROM zoo.secured;
\endif
CREATE RECURSIVE VIEW zoo.counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 3;
CREATE VIEW zoo.needs_key AS SELECT p.id, p.boss, p.twin, count(*) AS n FROM zoo.people p LEFT JOIN zoo.people q ON q.boss = p.id GROUP BY p.id;
CREATE VIEW zoo.of_needs_key AS SELECT id, n FROM zoo.needs_key WHERE n > 1;
CREATE VIEW zoo.joined AS SELECT * FROM (zoo.hen h JOIN zoo.egg e USING (id)) AS "jo""in", LATERAL zoo.set_of(2) WITH ORDINALITY AS s(a, b, c);
CREATE VIEW zoo.windows AS SELECT id, row_number() OVER w, zoo.total(id) OVER w, zoo.last_one(t) FILTER (WHERE id > 1) OVER () FROM zoo.ruled WINDOW w AS (ORDER BY id ROWS 1 PRECEDING);
CREATE VIEW zoo.operators AS SELECT ROW(1, 2)::zoo.pair OPERATOR(zoo.+) ROW(3, 4)::zoo.pair AS p, '3'::zoo.mint OPERATOR(zoo.<) '4'::zoo.mint AS l, OPERATOR(zoo.~-~) '3'::zoo.mint AS m,
    zoo.any_of(VARIADIC ARRAY[1, 2]), '{1,2}'::zoo.int_list AS il, 'a' COLLATE zoo."C copy" AS c, to_tsvector('zoo.words', 'a word') AS ts;
CREATE VIEW zoo.grouped AS SELECT boss, twin, count(*) FROM zoo.people GROUP BY GROUPING SETS ((boss), (twin), ()) HAVING count(*) > 1;
CREATE VIEW zoo.sampled AS SELECT id FROM ONLY zoo.pages TABLESAMPLE system (10) REPEATABLE (1) FOR SHARE;
CREATE VIEW zoo.with_default AS SELECT id, t FROM zoo.ruled;
ALTER VIEW zoo.with_default ALTER COLUMN t SET DEFAULT 'of the view';
CREATE VIEW zoo.renamed AS SELECT id AS old_name, t FROM zoo.ruled;
ALTER VIEW zoo.renamed RENAME COLUMN old_name TO "new ""name""";
CREATE VIEW zoo.instead AS SELECT id, t FROM zoo.ruled;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE ON zoo.instead FOR EACH ROW EXECUTE FUNCTION zoo.log_trigger();
CREATE RULE instead_rule AS ON DELETE TO zoo.instead DO INSTEAD DELETE FROM zoo.ruled WHERE id = OLD.id RETURNING OLD.id, OLD.t;
CREATE VIEW zoo.no_columns AS SELECT FROM zoo.no_column;
CREATE VIEW zoo.system_view AS SELECT relname, relkind FROM pg_catalog.pg_class WHERE relnamespace = 'zoo'::regnamespace;
-- two views that use each other through a rule and a function
CREATE FUNCTION zoo.of_circle(integer) RETURNS SETOF zoo.with_default LANGUAGE sql AS 'SELECT * FROM zoo.with_default';
CREATE VIEW zoo.circle AS SELECT * FROM zoo.of_circle(1);
CREATE RULE circle AS ON INSERT TO zoo.with_default DO INSTEAD UPDATE zoo.ruled SET t = NEW.t WHERE id IN (SELECT id FROM zoo.circle);
\if :pg14
CREATE VIEW zoo.searched AS WITH RECURSIVE x(id, boss) AS (SELECT id, boss FROM zoo.people WHERE id = 1 UNION ALL SELECT p.id, p.boss FROM zoo.people p, x WHERE p.boss = x.id)
    SEARCH DEPTH FIRST BY id SET o CYCLE id SET c USING path SELECT id, boss, c FROM x ORDER BY o;
-- a function that can be made only after the key it relies on
CREATE FUNCTION zoo.function_needs_key() RETURNS SETOF zoo.people LANGUAGE sql STABLE BEGIN ATOMIC SELECT id, boss, twin FROM zoo.people GROUP BY id; END;
\endif
\if :pg16
CREATE VIEW zoo.json_made AS SELECT JSON_OBJECT('id': id, 't': t ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb) AS j, t IS JSON OBJECT AS is_json, (SELECT JSON_ARRAYAGG(r.id ORDER BY r.id) FROM zoo.ruled r) AS a FROM zoo.ruled;
\endif
\if :pg17
CREATE VIEW zoo.json_tabled AS SELECT x.* FROM zoo.documents d, JSON_TABLE(d.jb, '$' AS p COLUMNS (n FOR ORDINALITY, a integer PATH '$.a' DEFAULT 7 ON EMPTY, NESTED PATH '$.b[*]' AS q COLUMNS (b text PATH '$'))) AS x;
CREATE VIEW zoo.json_values AS SELECT JSON_VALUE(jb, '$.a' RETURNING integer DEFAULT 1 ON ERROR), JSON_EXISTS(jb, '$.b'), JSON_QUERY(jb, '$' WITH WRAPPER) FROM zoo.documents;
\endif
\if :xml
CREATE VIEW zoo.xml_made AS SELECT xmlelement(name "a""b", xmlattributes(id AS i), xmlforest(x)) AS x FROM zoo.xmls;
\endif

-- ---------------------------------------------------------------- materialized views
-- names run against the order in which they depend on each other
CREATE MATERIALIZED VIEW zoo.m3_first AS SELECT id, t FROM zoo.ruled;
CREATE MATERIALIZED VIEW zoo.m2_second WITH (fillfactor = 50) AS SELECT id, t || '!' AS t FROM zoo.m3_first;
CREATE VIEW zoo.m_between AS SELECT id, t || '?' AS t FROM zoo.m2_second;
CREATE MATERIALIZED VIEW zoo.m1_third AS SELECT * FROM zoo.m_between;
CREATE UNIQUE INDEX m1_third_id ON zoo.m1_third (id);
CREATE INDEX ON zoo.m3_first (t) WHERE id > 1;
CREATE STATISTICS zoo.of_matview ON id, t FROM zoo.m1_third;
CREATE MATERIALIZED VIEW zoo.m_unpopulated AS SELECT id, 1 / (id - id) AS fails FROM zoo.ruled WITH NO DATA;
CREATE INDEX ON zoo.m_unpopulated (id);
CREATE MATERIALIZED VIEW zoo.m_needs_key AS SELECT p.id, p.boss, count(*) AS n FROM zoo.people p GROUP BY p.id;    -- made only after the key
CREATE UNIQUE INDEX m_needs_key_id ON zoo.m_needs_key (id);
CREATE MATERIALIZED VIEW zoo.m_of_needs_key AS SELECT id FROM zoo.m_needs_key WHERE n > 0;
CREATE MATERIALIZED VIEW zoo.m_of_view_needs_key AS SELECT id, n FROM zoo.of_needs_key;
CREATE MATERIALIZED VIEW zoo.m_empty AS SELECT 1 AS one WHERE false;
CREATE MATERIALIZED VIEW zoo.m_no_column AS SELECT FROM zoo.no_column;
CREATE MATERIALIZED VIEW "Zoo Mixed"."m""atview.🛟" ("Co""l") TABLESPACE pg_default AS SELECT 'it''s'::text COLLATE zoo."C copy";
CREATE MATERIALIZED VIEW zoo.m_function AS SELECT zoo.twice(id) AS twice, zoo.fold(t) AS fold FROM zoo.ruled;
-- rows of the view are older than its table: a restore shows the newer ones
CREATE TABLE zoo.behind_matview (id integer PRIMARY KEY);
INSERT INTO zoo.behind_matview VALUES (1);
CREATE MATERIALIZED VIEW zoo.m_stale AS SELECT id FROM zoo.behind_matview;
INSERT INTO zoo.behind_matview VALUES (2);
CREATE VIEW zoo.of_unpopulated AS SELECT * FROM zoo.m_unpopulated;
CREATE INDEX m2_second_t ON zoo.m2_second (t);
ALTER MATERIALIZED VIEW zoo.m2_second CLUSTER ON m2_second_t;
RESET ROLE;

-- Owned by another role than its table: REFRESH runs as that role and needs its grants.
GRANT USAGE ON SCHEMA zoo TO zoo_reader, zoo_app;
GRANT SELECT ON zoo.people, zoo.m1_third TO zoo_reader;
GRANT EXECUTE ON FUNCTION zoo.twice TO zoo_reader;
CREATE MATERIALIZED VIEW zoo.m_other_owner AS SELECT p.id, zoo.twice(p.id) AS twice, m.t FROM zoo.people p LEFT JOIN zoo.m1_third m USING (id);
ALTER MATERIALIZED VIEW zoo.m_other_owner OWNER TO zoo_reader;
CREATE VIEW zoo.other_owner AS SELECT id FROM zoo.people;
ALTER VIEW zoo.other_owner OWNER TO "zoo_quote""d";
