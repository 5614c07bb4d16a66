-- A database with a subscription cannot be dropped. Run this in it before DROP DATABASE.

\set QUIET on
SET client_min_messages = warning;
SELECT pg_catalog.format(cmd, subname)
  FROM pg_catalog.pg_subscription,
       pg_catalog.unnest(ARRAY['ALTER SUBSCRIPTION %I DISABLE', 'ALTER SUBSCRIPTION %I SET (slot_name = NONE)',
                               'DROP SUBSCRIPTION %I']) WITH ORDINALITY AS c(cmd, n)
 WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 ORDER BY subname, n \gexec
