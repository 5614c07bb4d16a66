-- Takes the roles of roles.sql away, with what they own or were granted in this database and in
-- shared catalogs. Drop the zoo's databases first (see unsubscribe.sql), then, as superuser:
--     psql -X -v ON_ERROR_STOP=1 -f roles_drop.sql URL

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT pg_catalog.format('DROP OWNED BY %I CASCADE', rolname)
  FROM pg_catalog.pg_authid WHERE rolname ~ '^zoo_' ORDER BY rolname \gexec
-- One command: a role granted by another cannot go after it.
SELECT 'DROP ROLE ' || pg_catalog.string_agg(pg_catalog.quote_ident(rolname), ', ' ORDER BY rolname)
  FROM pg_catalog.pg_authid WHERE rolname ~ '^zoo_' HAVING count(*) > 0 \gexec
