-- Takes away what a server has beyond what initdb made, but for settings of the server. As superuser. `home`: below it
-- lies what servers.sh made; somebody's own server is not emptied.

SET client_min_messages = warning;

SELECT starts_with(current_setting('data_directory'), :'home' || '/') AS is_ours \gset
\if :is_ours
\else
DO $$BEGIN RAISE 'no server of servers.sh: tests would drop its databases and roles'; END$$;
\endif

SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active \g /dev/null
SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_database
 WHERE oid >= 16384 AND datistemplate AND datconnlimit <> -2 \gexec
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE oid >= 16384 \gexec
SELECT format('DROP TABLESPACE %I', spcname) FROM pg_tablespace WHERE oid >= 16384 \gexec
SELECT format('DROP OWNED BY %I', rolname) FROM pg_roles WHERE oid >= 16384 \gexec
-- One command: a role granted by another cannot go after it.
SELECT 'DROP ROLE ' || string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid >= 16384 HAVING count(*) > 0 \gexec
SELECT format('REVOKE ALL ON PARAMETER %I FROM %s', parname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
  FROM pg_parameter_acl, aclexplode(paracl) WHERE grantee <> current_user::regrole GROUP BY parname, grantee \gexec
