//! A restore that ended with failures, mended and resumed: nothing may be missing or changed then,
//! and nothing said before may be forgotten.

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// A table whose CHECK needs a search_path that no restore has, a trigger that changes rows, and
/// materialized views over it; and an index that cannot be made either, which is a finding.
const BREAKS: &str = "
  CREATE TABLE cfg (least int); INSERT INTO cfg VALUES (0);
  CREATE FUNCTION pos(n int) RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN RETURN n > (SELECT least FROM cfg); END$$;
  CREATE TABLE t (id int PRIMARY KEY CHECK (pos(id)), updated_at text);
  INSERT INTO t SELECT g, 'then' FROM generate_series(1, 100) g;
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.updated_at := 'now'; RETURN NEW; END$$;
  CREATE TRIGGER touch BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TRIGGER touch_always BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch();
  ALTER TABLE t ENABLE ALWAYS TRIGGER touch_always;
  CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t;
  CREATE FUNCTION seen() RETURNS bigint LANGUAGE plpgsql AS
    $$BEGIN RETURN (SELECT count(*) FROM cfg); END$$;
  CREATE MATERIALIZED VIEW mvbad AS SELECT seen();
  CREATE FUNCTION odd(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN RETURN (SELECT least FROM cfg); END$$;
  CREATE INDEX odd ON cfg (odd(least));
  CREATE TABLE ddl_log (tag text);
  CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO public.ddl_log VALUES (tg_tag); END$$;
  CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log_ddl();
  CREATE EVENT TRIGGER log_drop ON sql_drop EXECUTE FUNCTION log_ddl();
  ALTER EVENT TRIGGER log_drop ENABLE ALWAYS;";

/// The event trigger is there already, and logs what is mended.
const MEND: &str = "ALTER FUNCTION pos SET search_path = public; TRUNCATE ddl_log";

fn exported(sql: &str) -> (Lifeboat, Database) {
    let source = Database::new(Major::Pg15);
    source.sql(sql);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    (lifeboat, source)
}

fn restore(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let fixed = [
        "restore",
        "latest",
        "--identity",
        identity,
        "--target",
        target,
    ];
    lifeboat.run(fixed.iter().chain(flags))
}

/// It ended, and says what is missing.
#[track_caller]
fn misses(ran: &Ran, what: &str) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let failures = ran.json()["result"]["failures"].to_string();
    assert!(failures.contains(what), "{failures}");
}

fn broken() -> (Lifeboat, Database, Database) {
    let (lifeboat, source) = exported(BREAKS);
    let target = Database::new(Major::Pg15);
    misses(&restore(&lifeboat, &target.url(), &[]), "public.t");
    (lifeboat, source, target)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_mended_restore_ends_equal_and_says_all_its_findings() {
    let (lifeboat, source, target) = broken();
    target.sql(MEND);
    let ran = restore(&lifeboat, &target.url(), &["--resume", "--verify"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json()["result"].clone();
    let findings = report["findings"].to_string();
    assert!(findings.contains("mvbad"), "{findings}");
    assert_eq!(
        findings.matches("INDEX public odd ").count(),
        1,
        "{findings}"
    );
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        2,
        "{findings}"
    );
    let content = "SELECT (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t),
                          (SELECT count FROM mv), (SELECT count(*) FROM ddl_log),
                          (SELECT string_agg(tgname::text || tgenabled::text, ',' ORDER BY tgname)
                             FROM pg_trigger WHERE NOT tgisinternal),
                          (SELECT string_agg(evtname::text || evtenabled::text, ',' ORDER BY evtname)
                             FROM pg_event_trigger)";
    assert_eq!(target.sql(content), source.sql(content));
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'";
    assert_eq!(target.sql(left), "0");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_finished_phase_says_its_findings_again() {
    let (lifeboat, _source, target) = broken();
    // As if the phase had been noted by a run that was killed later.
    target.sql(
        "INSERT INTO lifeboat_restore.phase VALUES ('materialized views');
         INSERT INTO lifeboat_restore.said VALUES ('materialized views', 'finding', 'view x', 'no', 'REFRESH x')",
    );
    target.sql(MEND);
    let ran = restore(&lifeboat, &target.url(), &["--resume"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let findings = ran.json()["result"]["findings"].to_string();
    assert!(findings.contains("REFRESH x"), "{findings}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn another_choice_does_not_go_on_with_an_unfinished_restore() {
    let (lifeboat, _source, target) = broken();
    for flags in [
        &["--resume", "--table", "public.t"][..],
        &["--resume", "--schema", "public"],
        &["--resume", "--no-owner"],
        &["--resume", "--no-privileges"],
    ] {
        restore(&lifeboat, &target.url(), flags).failed(1, flags[1]);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_user_who_is_no_superuser_mends_and_resumes() {
    let [app, master] = ["app", "master"].map(crate::support::unique);
    let source = Database::new(Major::Pg15);
    source.sql(&format!(
        "CREATE ROLE {app}; CREATE SCHEMA app AUTHORIZATION {app}; SET ROLE {app};
         CREATE TABLE app.cfg (least int); INSERT INTO app.cfg VALUES (0);
         CREATE FUNCTION app.pos(n int) RETURNS boolean LANGUAGE plpgsql
           SET search_path = app AS $$BEGIN RETURN n > (SELECT least FROM cfg); END$$;
         CREATE TABLE app.t (id int PRIMARY KEY CHECK (app.pos(id)));
         INSERT INTO app.t VALUES (1), (2); ALTER FUNCTION app.pos RESET search_path;
         REVOKE INSERT ON app.t FROM {app};"
    ));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let make = format!("CREATE ROLE {master} LOGIN CREATEROLE CREATEDB");
    Major::Pg15.sql("postgres", &make);
    let target = Database::reserve(Major::Pg15);
    let url = target.url_as(&master);
    misses(&restore(&lifeboat, &url, &["--create"]), "app.t");
    target.sql("ALTER FUNCTION app.pos SET search_path = app");
    let ran = restore(&lifeboat, &url, &["--resume", "--verify"]);
    let report = ran.json()["result"].clone();
    assert!(ran.code == Some(0) || ran.code == Some(3), "{report}");
    assert_eq!(report["failures"].as_array().unwrap().len(), 0, "{report}");
    let content =
        "SELECT count(*), (SELECT relacl::text FROM pg_class WHERE relname = 't') FROM app.t";
    assert_eq!(target.sql(content), source.sql(content));
    for database in [&source, &target] {
        database.sql(&format!("DROP SCHEMA app CASCADE; DROP OWNED BY {app}"));
    }
    drop((source, target));
    Major::Pg15.sql("postgres", &format!("DROP ROLE {app}, {master}"));
}

/// A crash of the server clears unlogged tables, and may come when the restoring user may no longer
/// read them.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_unlogged_table_that_a_crash_cleared_is_missed_without_reading_it() {
    let master = crate::support::unique("master");
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE UNLOGGED TABLE cache AS SELECT generate_series(1, 10) AS g;
         CREATE FUNCTION known() RETURNS boolean LANGUAGE sql AS $$SELECT to_regclass('cache') IS NOT NULL$$;
         CREATE TABLE t (id int CHECK (known())); INSERT INTO t VALUES (1);",
    );
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let make = format!("CREATE ROLE {master} LOGIN CREATEROLE CREATEDB");
    Major::Pg15.sql("postgres", &make);
    let target = Database::reserve(Major::Pg15);
    let url = target.url_as(&master);
    misses(
        &restore(&lifeboat, &url, &["--create", "--no-owner"]),
        "public.t",
    );
    // As if all but the last phases had been noted by a run that the crash ended.
    target.sql(
        "SET TIME ZONE 'UTC'; INSERT INTO lifeboat_restore.phase SELECT unnest(ARRAY['indexes and keys', 'privileges',
           'comparison, server of ' || pg_postmaster_start_time()]) ON CONFLICT DO NOTHING;
         TRUNCATE cache",
    );
    misses(
        &restore(&lifeboat, &url, &["--resume", "--no-owner"]),
        "public.cache",
    );
    drop((source, target));
    Major::Pg15.sql("postgres", &format!("DROP ROLE {master}"));
}

/// Rows are sealed where they are stored; what is said of them goes into logs and messages.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn why_rows_are_refused_is_said_without_them() {
    let (lifeboat, _source) = exported(
        "CREATE TABLE cfg ();
         CREATE FUNCTION known() RETURNS boolean LANGUAGE sql AS $$SELECT to_regclass('cfg') IS NOT NULL$$;
         CREATE TABLE refused (name text CHECK (known())); INSERT INTO refused VALUES ('sesame');
         CREATE FUNCTION digits(name text) RETURNS boolean LANGUAGE plpgsql AS
           $$BEGIN RETURN to_regclass('cfg') IS NOT NULL OR name::int > 0; END$$;
         CREATE TABLE wrong (name text CHECK (digits(name))); INSERT INTO wrong VALUES ('sesame');
         CREATE FUNCTION broken(name text) RETURNS boolean LANGUAGE plpgsql AS
           $$BEGIN PERFORM FROM cfg; RETURN true; END$$;
         CREATE TABLE lost (name text CHECK (broken(name))); INSERT INTO lost VALUES ('sesame');",
    );
    let target = Database::new(Major::Pg15);
    let ran = restore(&lifeboat, &target.url(), &[]);
    for (table, why) in [
        ("public.refused", "23514"),
        ("public.wrong", "22P02"),
        ("public.lost", "line 1"),
    ] {
        misses(&ran, table);
        misses(&ran, why);
    }
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("sesame"), "{said}");
}

/// Who is no superuser would not get in again: several sessions restore, and the database allows one.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_connection_limit_waits_until_nothing_is_missing() {
    let (lifeboat, source) = exported(
        "CREATE TABLE cfg AS SELECT 0 AS least;
         CREATE FUNCTION pos(n int) RETURNS boolean LANGUAGE plpgsql AS
           $$BEGIN RETURN n > (SELECT least FROM cfg); END$$;
         CREATE TABLE t (id int CHECK (pos(id))); INSERT INTO t VALUES (1)",
    );
    source.sql(&format!(
        "ALTER DATABASE {} CONNECTION LIMIT 1",
        source.name
    ));
    lifeboat.export(&source.url());
    let (user, target) = (unique("mender"), Database::reserve(Major::Pg15));
    let server = |sql: &str| target.major.sql("postgres", sql);
    server(&format!("CREATE ROLE {user} LOGIN CREATEDB"));
    let url = target.url_as(&user);
    let run = |flag: &str| {
        restore(
            &lifeboat,
            &url,
            &[flag, "--no-owner", "--no-privileges", "--jobs", "3"],
        )
    };
    let first = run("--create");
    misses(&first, "t_id_check");
    let to_do = first.json()["result"]["to_do"].to_string();
    assert!(
        to_do.contains("connection limit, 1, is set once"),
        "{to_do}"
    );
    let limit = format!(
        "SELECT datconnlimit FROM pg_database WHERE datname = '{}'",
        target.name
    );
    assert_eq!(server(&limit), "-1");
    target
        .major
        .try_sql(
            &user,
            &target.name,
            "ALTER FUNCTION pos SET search_path = public",
        )
        .unwrap();
    let ran = run("--resume");
    assert_eq!(
        ran.json()["result"]["failures"].to_string(),
        "[]",
        "{ran:?}"
    );
    assert_eq!(server(&limit), "1");
    drop(target);
    Major::Pg15.sql("postgres", &format!("DROP ROLE {user}"));
}
