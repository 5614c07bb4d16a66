-- Who may what, default privileges, and a comment on everything.

-- ---------------------------------------------------------------- schemas, types, routines, languages
GRANT USAGE ON SCHEMA zoo TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA zoo TO zoo_app WITH GRANT OPTION;
SET ROLE zoo_app;
GRANT USAGE ON SCHEMA zoo TO zoo_limited;                                       -- by another grantor than the owner
RESET ROLE;
GRANT USAGE ON SCHEMA "Zoo Mixed", U&"zoo\000A\005C! touch zoo_pwned" TO "zoo_quote""d", "zoo_acl,=*r/x{y}";
REVOKE ALL ON SCHEMA zoo_empty FROM zoo_app;                                    -- an owner without any right
ALTER SCHEMA public OWNER TO zoo_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO zoo_app;
REVOKE ALL ON TYPE zoo.mood FROM PUBLIC;
GRANT USAGE ON TYPE zoo.mood TO zoo_app WITH GRANT OPTION;
GRANT USAGE ON DOMAIN zoo.positive TO zoo_reader;
REVOKE USAGE ON TYPE zoo.pair FROM PUBLIC, zoo_owner;
REVOKE EXECUTE ON FUNCTION zoo.twice(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION zoo.twice(integer) TO zoo_app, "zoo_🛟" WITH GRANT OPTION;
REVOKE EXECUTE ON FUNCTION zoo.fold(text), zoo.is_even(integer) FROM PUBLIC;    -- an index and a partition key call them
REVOKE ALL ON PROCEDURE zoo.proc(integer, zoo.positive) FROM PUBLIC, zoo_owner;
GRANT ALL ON FUNCTION zoo.total(integer) TO zoo_reader;
GRANT ALL ON ALL ROUTINES IN SCHEMA "Zoo Mixed" TO zoo_app;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO zoo_owner, zoo_app;
GRANT USAGE ON LANGUAGE zoo_lang TO zoo_app;
GRANT USAGE ON FOREIGN SERVER zoo_server TO zoo_app WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO zoo_admin;              -- on objects that every database has
GRANT SELECT ON pg_catalog.pg_user_mapping TO zoo_admin;
GRANT SELECT (umoptions) ON pg_catalog.pg_user_mapping TO zoo_app;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) FROM zoo_admin;
REVOKE SELECT ON pg_catalog.pg_stat_user_functions FROM PUBLIC;

-- ---------------------------------------------------------------- tables, columns, sequences
GRANT SELECT ON ALL TABLES IN SCHEMA "Zoo Mixed" TO zoo_reader;
GRANT SELECT, INSERT ON zoo.numbers TO zoo_reader, "zoo_quote""d", "zoo_acl,=*r/x{y}", "zoo_back\slash", "zoo_;DROP TABLE x;--", "zoo_$(touch zoo_pwned)";
GRANT ALL ON zoo.texts TO zoo_app WITH GRANT OPTION;
SET ROLE zoo_app;
GRANT SELECT ON zoo.texts TO zoo_reader WITH GRANT OPTION;
GRANT UPDATE (t, v) ON zoo.texts TO zoo_limited;
SET ROLE zoo_reader;
GRANT SELECT ON zoo.texts TO "zoo_Mixed Case";
RESET ROLE;
REVOKE INSERT ON zoo.bytes FROM zoo_owner;                                      -- the owner cannot load this table any more
REVOKE ALL ON zoo.times FROM zoo_owner;                                         -- nor read this
REVOKE ALL ON zoo.two_keys FROM zoo_owner;                                      -- a foreign key's check reads this as its owner
GRANT SELECT (id, "k""ey"), INSERT (b), UPDATE (c), REFERENCES (id) ON zoo.keys TO zoo_reader;
GRANT SELECT (id) ON zoo.keys TO PUBLIC;
REVOKE SELECT ON zoo.pages FROM zoo_owner;
GRANT SELECT (id) ON zoo.pages TO zoo_owner;
GRANT TRUNCATE, TRIGGER, REFERENCES ON zoo.tree TO zoo_writer;
GRANT SELECT ON zoo.tree_2001 TO "zoo_dot.ted";
GRANT SELECT (id) ON zoo.simple, zoo.tree TO zoo_app;
GRANT SELECT ON zoo.m3_first, zoo.foreign_table TO zoo_reader;
GRANT USAGE ON SEQUENCE zoo.code_seq TO zoo_app WITH GRANT OPTION;
REVOKE ALL ON SEQUENCE zoo.cycled FROM zoo_owner;
GRANT SELECT, UPDATE ON SEQUENCE "Zoo Mixed"."Se""q.uence" TO PUBLIC;
GRANT SELECT ON SEQUENCE zoo.identity_always_id_seq TO zoo_reader;
\if :pg17
GRANT MAINTAIN ON zoo.numbers TO zoo_app;
\endif

-- ---------------------------------------------------------------- other owners, in schemas where they may not create
ALTER TABLE zoo.secured OWNER TO zoo_writer;
ALTER TABLE zoo.child OWNER TO "zoo_Mixed Case";                                -- not its parent's owner
ALTER TABLE zoo.tree_2000_de_0 OWNER TO "zoo_🛟";
ALTER TABLE zoo.identity_negative OWNER TO "zoo_apo'strophe";
ALTER TABLE zoo.ranges OWNER TO "zoo_;DROP TABLE x;--";
ALTER SEQUENCE zoo.at_maximum OWNER TO "zoo_$(touch zoo_pwned)";
ALTER FUNCTION zoo.overloaded(text) OWNER TO "zoo_back\slash";
ALTER TYPE zoo.no_label OWNER TO zoo_app;
ALTER DOMAIN zoo.email OWNER TO "zoo_%s:var";
ALTER VIEW zoo.of_view OWNER TO zoo_app;
ALTER STATISTICS zoo.one_kind OWNER TO zoo_app;
ALTER COLLATION zoo."C copy" OWNER TO zoo_app;
ALTER TEXT SEARCH DICTIONARY zoo.plain OWNER TO zoo_app;
ALTER SERVER "Ser""ver.🛟" OWNER TO zoo_app;
SELECT format('ALTER TABLE zoo_names.%I OWNER TO %I', '$1', 'zoo_' || repeat('long', 14) || 'end') \gexec

-- ---------------------------------------------------------------- default privileges
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT USAGE ON SCHEMAS TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE ALL ON TABLES FROM zoo_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo GRANT SELECT, INSERT ON TABLES TO zoo_reader, "zoo_acl,=*r/x{y}";
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA "Zoo Mixed" GRANT USAGE ON SEQUENCES TO zoo_app WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE "zoo_quote""d" GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE CURRENT_USER IN SCHEMA zoo GRANT SELECT ON TABLES TO zoo_app;  -- of whoever loads, or restores
\if :pg18
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT SELECT ON LARGE OBJECTS TO zoo_reader;
\endif

-- ---------------------------------------------------------------- comments
SELECT format('COMMENT ON %s IS %L', o, E'comment on it''s "' || left(o, 100) || E'" \\ \n\\! touch zoo_pwned\n-- 🛟')
  FROM (
    SELECT CASE WHEN type LIKE '% column' THEN 'COLUMN ' || identity ELSE CASE type
             WHEN 'table constraint' THEN 'CONSTRAINT ' || identity
             WHEN 'domain constraint' THEN 'CONSTRAINT ' || replace(identity, ' on ', ' ON DOMAIN ')
             WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || identity
             WHEN 'statistics object' THEN 'STATISTICS ' || identity
             WHEN 'composite type' THEN 'TYPE ' || identity
             WHEN 'aggregate' THEN 'ROUTINE ' || identity
             WHEN 'operator' THEN 'OPERATOR ' || replace(identity, '(-,', '(NONE,')
             WHEN 'transform' THEN 'TRANSFORM ' || replace(identity, ' on language ', ' LANGUAGE ')
             WHEN 'partitioned table' THEN 'TABLE ' || identity
             ELSE upper(type) || ' ' || identity
           END END AS o
      FROM (
        SELECT 'pg_class'::regclass AS classid, oid, 0 AS sub FROM pg_class WHERE relnamespace = 'zoo'::regnamespace AND relname NOT LIKE 'many%'
        UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                   WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'zoo'::regnamespace AND relkind IN ('r', 'v', 'm', 'c', 'f', 'p')
                     AND relname IN ('numbers', 'tree', 'tree_2001', 'simple', 'm1_third', 'address', 'foreign_table', 'child', 'typed', 'generated')
        UNION ALL SELECT 'pg_proc'::regclass, oid, 0 FROM pg_proc WHERE pronamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_type'::regclass, oid, 0 FROM pg_type t WHERE typnamespace = 'zoo'::regnamespace AND typtype <> 'c'
                     AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) AND typtype <> 'm'
        UNION ALL SELECT 'pg_operator'::regclass, oid, 0 FROM pg_operator WHERE oprnamespace = 'zoo'::regnamespace AND oprcode <> 0
        UNION ALL SELECT 'pg_opclass'::regclass, oid, 0 FROM pg_opclass WHERE opcnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_opfamily'::regclass, oid, 0 FROM pg_opfamily WHERE opfnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_cast'::regclass, oid, 0 FROM pg_cast WHERE oid >= 16384
        UNION ALL SELECT 'pg_transform'::regclass, oid, 0 FROM pg_transform WHERE oid >= 16384
        UNION ALL SELECT 'pg_collation'::regclass, oid, 0 FROM pg_collation WHERE collnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_conversion'::regclass, oid, 0 FROM pg_conversion WHERE connamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_constraint'::regclass, oid, 0 FROM pg_constraint WHERE connamespace = 'zoo'::regnamespace AND conparentid = 0 AND contype <> 'n' AND contype <> 't'
        UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0 FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND relnamespace = 'zoo'::regnamespace AND NOT relispartition
        UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, 0 FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE rulename <> '_RETURN' AND relnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_policy'::regclass, p.oid, 0 FROM pg_policy p JOIN pg_class c ON c.oid = polrelid WHERE relnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 0 FROM pg_statistic_ext WHERE stxnamespace = 'zoo'::regnamespace
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid, 0 FROM pg_ts_parser WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_template'::regclass, oid, 0 FROM pg_ts_template WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 0 FROM pg_ts_dict WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_config'::regclass, oid, 0 FROM pg_ts_config WHERE oid >= 16384
        UNION ALL SELECT 'pg_namespace'::regclass, oid, 0 FROM pg_namespace WHERE nspname LIKE 'zoo%' OR nspname = 'public'
        UNION ALL SELECT 'pg_language'::regclass, oid, 0 FROM pg_language WHERE lanname IN ('zoo_lang', 'plpgsql')
        UNION ALL SELECT 'pg_am'::regclass, oid, 0 FROM pg_am WHERE oid >= 16384
        UNION ALL SELECT 'pg_extension'::regclass, oid, 0 FROM pg_extension WHERE extname = 'plpgsql'
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0 FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0 FROM pg_foreign_server
        UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0 FROM pg_event_trigger
        UNION ALL SELECT 'pg_publication'::regclass, oid, 0 FROM pg_publication
        UNION ALL SELECT 'pg_subscription'::regclass, oid, 0 FROM pg_subscription
                   WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      ) AS a, LATERAL pg_identify_object(classid, oid, sub) AS i
     WHERE type NOT IN ('toast table')
  ) AS objects
 ORDER BY o \gexec
