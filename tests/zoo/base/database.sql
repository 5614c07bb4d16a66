-- Properties of the database itself. Its settings are those that change how values and definitions print:
-- a tool that pins nothing exports other text. They hold for sessions that begin after this file.

SELECT current_database() AS db \gset
ALTER DATABASE :"db" OWNER TO zoo_owner;
ALTER DATABASE :"db" CONNECTION LIMIT 77;
COMMENT ON DATABASE :"db" IS E'it''s "the zoo" \\ \n\\! touch zoo_pwned\n-- 🛟';
REVOKE ALL ON DATABASE :"db" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"db" TO zoo_app WITH GRANT OPTION;
SET ROLE zoo_app;
GRANT CONNECT ON DATABASE :"db" TO zoo_limited;
RESET ROLE;
GRANT CREATE ON DATABASE :"db" TO "zoo_quote""d", "zoo_acl,=*r/x{y}";
REVOKE TEMPORARY ON DATABASE :"db" FROM zoo_owner;

ALTER DATABASE :"db" SET search_path = zoo_empty, "Zoo Mixed", "zoo""quote", public;
ALTER DATABASE :"db" SET DateStyle = 'SQL, DMY';
ALTER DATABASE :"db" SET IntervalStyle = 'postgres_verbose';
ALTER DATABASE :"db" SET TimeZone = 'Asia/Kathmandu';
ALTER DATABASE :"db" SET extra_float_digits = -10;
ALTER DATABASE :"db" SET bytea_output = 'escape';
ALTER DATABASE :"db" SET array_nulls = off;
ALTER DATABASE :"db" SET xmloption = 'document';
ALTER DATABASE :"db" SET xmlbinary = 'hex';
ALTER DATABASE :"db" SET quote_all_identifiers = on;
ALTER DATABASE :"db" SET synchronize_seqscans = on;
ALTER DATABASE :"db" SET default_transaction_isolation = 'serializable';
ALTER DATABASE :"db" SET statement_timeout = '1min';
ALTER DATABASE :"db" SET lock_timeout = '20s';
ALTER DATABASE :"db" SET idle_in_transaction_session_timeout = '1min';
\if :pg17
ALTER DATABASE :"db" SET transaction_timeout = '10min';
\endif
ALTER DATABASE :"db" SET default_tablespace = 'pg_default';
ALTER DATABASE :"db" SET zoo.flag = 'it''s a \ "flag", 🛟';
ALTER DATABASE :"db" SET log_min_duration_statement = '1h';                     -- only a superuser may set this one
ALTER ROLE zoo_app IN DATABASE :"db" SET search_path = "$user", "zoo 🛟", 'it''s';
ALTER ROLE zoo_app IN DATABASE :"db" SET work_mem = '9MB';
ALTER ROLE "zoo_quote""d" IN DATABASE :"db" SET zoo.flag = '';
ALTER ROLE zoo_reader IN DATABASE :"db" SET default_transaction_read_only = on;
