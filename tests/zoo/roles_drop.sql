-- Takes the roles of roles.sql and owner.sql away, with what they were granted in this database and in shared
-- catalogs. All or nothing: refuses, and changes nothing, while any database of the cluster still needs one of
-- them, because DROP OWNED would take their rights on databases that somebody else is using. As superuser:
--     psql -X -v ON_ERROR_STOP=1 -f roles_drop.sql URL

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;

BEGIN;
LOCK TABLE pg_catalog.pg_authid, pg_catalog.pg_database, pg_catalog.pg_shdepend IN EXCLUSIVE MODE;
DO $$
DECLARE
    needed text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT d.datname, ', ') INTO needed
      FROM pg_catalog.pg_shdepend s
      JOIN pg_catalog.pg_authid r ON s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = r.oid AND r.rolname ~ '^zoo_'
      JOIN pg_catalog.pg_database d ON d.oid = s.dbid OR (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND s.objid = d.oid);
    IF needed IS NOT NULL THEN
        RAISE 'roles of the zoo are still needed in: %', needed USING HINT = 'Drop these databases first (see unsubscribe.sql).';
    END IF;
END $$;
SELECT pg_catalog.format('DROP OWNED BY %I', rolname)
  FROM pg_catalog.pg_authid WHERE rolname ~ '^zoo_' ORDER BY rolname \gexec
-- the tablespace of traps.sql cannot be dropped in a transaction: it changes hands, and goes afterwards
SELECT 'ALTER TABLESPACE zoo_space OWNER TO CURRENT_USER' FROM pg_catalog.pg_tablespace WHERE spcname = 'zoo_space' \gexec
-- One command: a role granted by another cannot go after it.
SELECT 'DROP ROLE ' || pg_catalog.string_agg(pg_catalog.quote_ident(rolname), ', ' ORDER BY rolname)
  FROM pg_catalog.pg_authid WHERE rolname ~ '^zoo_' HAVING count(*) > 0 \gexec
COMMIT;
SELECT 'DROP TABLESPACE zoo_space' FROM pg_catalog.pg_tablespace WHERE spcname = 'zoo_space' \gexec
