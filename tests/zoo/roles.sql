-- Roles of the zoo, all named zoo_*. Idempotent; any database of the cluster will do:
--     psql -X -v ON_ERROR_STOP=1 -f roles.sql URL
-- Needs a superuser. roles_drop.sql takes them away again.

\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SELECT current_setting('server_version_num')::int >= 150000 AS pg15,
       current_setting('server_version_num')::int >= 160000 AS pg16 \gset

BEGIN;
-- Shared catalog: callers in other databases wait here, too.
LOCK TABLE pg_catalog.pg_authid IN EXCLUSIVE MODE;

SELECT pg_catalog.format('CREATE ROLE %I', n)
  FROM pg_catalog.unnest(ARRAY[
    'zoo_owner', 'zoo_app', 'zoo_reader', 'zoo_writer', 'zoo_admin', 'zoo_limited', 'zoo_expired',
    'zoo_forever', 'zoo_noinherit', 'zoo_bypass', 'zoo_replication', 'zoo_super', 'zoo_password',
    'zoo_master', 'zoo_nothing',
    'zoo_Mixed Case', 'zoo_dot.ted', 'zoo_quote"d', 'zoo_apo''strophe', 'zoo_back\slash', 'zoo_-dash',
    'zoo_acl,=*r/x{y}', 'zoo_$(touch zoo_pwned)', 'zoo_;DROP TABLE x;--', 'zoo_%s:var', 'zoo_🛟',
    'zoo_' || pg_catalog.repeat('long', 14) || 'end'
  ]) AS n
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_authid WHERE rolname = n) \gexec

ALTER ROLE zoo_owner NOLOGIN INHERIT;
ALTER ROLE zoo_app LOGIN;
ALTER ROLE zoo_admin NOLOGIN CREATEROLE CREATEDB;
ALTER ROLE zoo_limited LOGIN CONNECTION LIMIT 3 VALID UNTIL '2038-01-19 03:14:07+00';
ALTER ROLE zoo_expired LOGIN CONNECTION LIMIT 0 VALID UNTIL '1999-12-31 23:59:59+00';
ALTER ROLE zoo_forever LOGIN VALID UNTIL 'infinity';
ALTER ROLE zoo_noinherit NOINHERIT;
ALTER ROLE zoo_bypass BYPASSRLS;
ALTER ROLE zoo_replication LOGIN REPLICATION;
ALTER ROLE zoo_super SUPERUSER NOLOGIN;                     -- owns what only a superuser may own
ALTER ROLE zoo_password LOGIN PASSWORD 'zoo';               -- not transferable without pg_authid
ALTER ROLE zoo_master LOGIN CREATEDB CREATEROLE PASSWORD 'zoo';  -- like a managed service's master user

ALTER ROLE zoo_app SET search_path = "$user", "Zoo Mixed", public;
ALTER ROLE zoo_app SET work_mem = '7MB';
ALTER ROLE zoo_app SET zoo.flag = 'it''s a \ "flag" 🛟';
ALTER ROLE "zoo_quote""d" SET DateStyle = 'SQL, DMY';
ALTER ROLE "zoo_Mixed Case" SET statement_timeout = '1min';
ALTER ROLE zoo_super SET log_min_duration_statement = '1s';  -- only a superuser may set this one

GRANT zoo_reader TO zoo_writer;
GRANT zoo_writer TO zoo_app WITH ADMIN OPTION;
GRANT zoo_owner TO zoo_admin WITH ADMIN OPTION;
GRANT zoo_reader TO zoo_admin WITH ADMIN OPTION;
GRANT zoo_reader TO zoo_limited GRANTED BY zoo_admin;
GRANT zoo_reader TO "zoo_quote""d", "zoo_dot.ted", "zoo_🛟", "zoo_acl,=*r/x{y}";
GRANT "zoo_Mixed Case" TO zoo_reader;
GRANT pg_monitor TO zoo_admin;
\if :pg16
GRANT zoo_reader TO zoo_noinherit WITH INHERIT FALSE, SET TRUE;
GRANT zoo_writer TO zoo_bypass WITH INHERIT TRUE, SET FALSE;
\else
GRANT zoo_reader TO zoo_noinherit;
GRANT zoo_writer TO zoo_bypass;
\endif
\if :pg15
GRANT SET, ALTER SYSTEM ON PARAMETER log_min_duration_statement TO zoo_admin WITH GRANT OPTION;
\endif

COMMENT ON ROLE zoo_owner IS 'owns most of the zoo';
COMMENT ON ROLE "zoo_quote""d" IS E'it''s "quoted"\n\\! touch zoo_pwned\n-- 🛟';
COMMIT;
