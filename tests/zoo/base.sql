-- The zoo: a database with every kind of object and every trap that core PostgreSQL 13 to 18 can show.
-- As superuser, into an empty UTF8 database, after roles.sql:
--     psql -X -v ON_ERROR_STOP=1 -f base.sql URL
-- Features of later versions are added where the server has them. Set variables to leave out what a
-- target built with less cannot load:
--     -v portable=1   no XML, ICU or LZ4 (each also alone: -v xml=off, -v icu=off, -v lz4=off)
--     -v child_not_null=off   no NOT NULL that a child has and its parent has not: 18's pg_dump writes it for servers
--                             from 18 on
--     -v big=off      no 17 MiB row and no 3 MiB large object
-- Names and texts try to run `touch zoo_pwned`: if a file of that name appears anywhere, something ran them.
-- Of this, stock pg_dump | pg_restore loses the rows of zoo.reg_index (base/values.sql), zoo.by_moods and, under
-- another version of ICU, zoo.by_icu (base/partitions.sql, base/constraints.sql). traps.sql has what it cannot do.

\set QUIET on
\set ON_ERROR_STOP on
\pset pager off
\pset format unaligned
\pset tuples_only on
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SET search_path = pg_catalog;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET lc_monetary = 'C';
SET xmloption = 'content';
SET default_tablespace = '';

SELECT current_setting('server_version_num')::int >= 140000 AS pg14,
       current_setting('server_version_num')::int >= 150000 AS pg15,
       current_setting('server_version_num')::int >= 160000 AS pg16,
       current_setting('server_version_num')::int >= 170000 AS pg17,
       current_setting('server_version_num')::int >= 180000 AS pg18 \gset
\if :{?portable}
\else
\set portable off
\endif
\if :{?big}
\else
\set big on
\endif
\if :portable
\set xml off
\set icu off
\set lz4 off
\endif
\if :{?child_not_null}
\else
\set child_not_null on
\endif
\if :{?xml}
\else
SELECT EXISTS (SELECT FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%--with-libxml%') AS xml \gset
\endif
\if :{?icu}
\else
SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i' AND collname = 'de-x-icu') AS icu \gset
\endif
\if :{?lz4}
\else
SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) AS lz4 \gset
\endif

\ir base/types.sql
\ir base/routines.sql
\ir base/values.sql
\ir base/names.sql
\ir base/tables.sql
\ir base/partitions.sql
\ir base/constraints.sql
\ir base/views.sql
\ir base/storage.sql
\ir base/superuser.sql
\ir base/large_objects.sql
\ir base/privileges.sql
\ir base/database.sql
