//! What a restore does beside bringing everything back: choosing, refusing, going on after it was
//! stopped, and working with fewer rights.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::roundtrip::{self, Unsubscribe};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// A course platform in small: keys, a trigger that would refuse rows, a materialized view, hash
/// partitions by enum, a column that names an index, large objects.
const COURSES: &str = "
  CREATE SCHEMA app;
  CREATE TABLE app.course (id int PRIMARY KEY, name text);
  CREATE TABLE app.answer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                           course int REFERENCES app.course, text text);
  INSERT INTO app.course SELECT g, 'course ' || g FROM generate_series(1, 50) g;
  INSERT INTO app.answer (course, text)
    SELECT 1 + g % 50, repeat(md5(g::text), 30) FROM generate_series(1, 60000) g;
  CREATE INDEX ON app.answer (text); CREATE INDEX ON app.answer (course, id);
  CREATE TYPE app.mood AS ENUM ('bad', 'fair', 'good');
  CREATE TABLE app.vote (mood app.mood, n int) PARTITION BY HASH (mood);
  CREATE TABLE app.vote_0 PARTITION OF app.vote FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE app.vote_1 PARTITION OF app.vote FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  INSERT INTO app.vote SELECT (enum_range(NULL::app.mood))[1 + g % 3], g FROM generate_series(1, 900) g;
  CREATE UNLOGGED TABLE public.cache AS SELECT g FROM generate_series(1, 100) g;
  CREATE TABLE public.known (relation regclass);
  INSERT INTO public.known VALUES ('app.answer_pkey'), ('app.course');
  CREATE MATERIALIZED VIEW app.per_course AS SELECT course, count(*) FROM app.answer GROUP BY 1;
  CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;
  CREATE TRIGGER refuse BEFORE INSERT ON app.answer FOR EACH ROW EXECUTE FUNCTION app.refuse();
  SELECT lo_from_bytea(0, decode(repeat('ab', g * 5000), 'hex')) FROM generate_series(1, 40) g;";

/// What `COURSES` holds, as one text.
const CONTENT: &str = "
  SELECT count(*), md5(string_agg(a::text, ',' ORDER BY id)),
         (SELECT count(*) FROM app.course), (SELECT sum(n) FROM app.vote),
         (SELECT count(*) FROM public.cache), (SELECT string_agg(relation::text, ',') FROM public.known),
         (SELECT sum(count) FROM app.per_course), (SELECT count(*) FROM pg_indexes WHERE schemaname = 'app'),
         (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE contype IN ('p', 'f')),
         (SELECT md5(string_agg(md5(lo_get(oid)), ',' ORDER BY oid)) FROM pg_largeobject_metadata),
         (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)
    FROM app.answer a";

/// A repository with one restore point of [`COURSES`].
fn courses() -> (Lifeboat, Database) {
    let source = Database::new(Major::Pg15);
    source.sql(COURSES);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    (lifeboat, source)
}

fn restore_args(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> Vec<String> {
    let identity = lifeboat.identity();
    let mut args = vec![
        "restore",
        "latest",
        "--identity",
        identity.to_str().unwrap(),
    ];
    args.extend(["--target", target]);
    args.extend(flags);
    args.into_iter().map(str::to_owned).collect()
}

fn restore(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> Ran {
    lifeboat.run(restore_args(lifeboat, target, flags))
}

#[track_caller]
fn nothing_of_ours_is_left(target: &Database) {
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'";
    assert_eq!(target.sql(left), "0");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn everything_comes_back_and_is_compared() {
    let (lifeboat, source) = courses();
    let target = Database::reserve(Major::Pg15);
    let ran = restore(&lifeboat, &target.url(), &["--create", "--verify"]).ok();
    let report = &ran.json()["result"];
    assert_eq!(report["rows"], 60_000 + 50 + 900 + 100 + 2);
    assert_eq!(report["large_objects"], 40);
    assert_eq!(report["verified"], true);
    assert_eq!(target.sql(CONTENT), source.sql(CONTENT));
    nothing_of_ours_is_left(&target);
}

/// Such parts are not fetched ahead, as others are.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn parts_of_very_wide_rows_come_back() {
    let source = Database::new(Major::Pg15);
    // 40 MiB that nothing compresses, three times.
    source.sql(
        "CREATE TABLE wide (id int, b bytea);
         ALTER TABLE wide ALTER b SET STORAGE EXTERNAL;
         INSERT INTO wide
           SELECT n, (SELECT string_agg(sha256(int4send(g)), '') FROM generate_series(1, 40 << 15) g)
             FROM generate_series(1, 3) n;
         CREATE TABLE narrow AS SELECT g FROM generate_series(1, 1000) g;",
    );
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let identity = lifeboat.identity();
    let opened = ["show", "latest", "--identity", identity.to_str().unwrap()];
    let point = lifeboat.run(opened).ok().json();
    let stored = point["result"]["stored_bytes"].as_u64().unwrap();
    assert!(stored > 3 * (40 << 20), "{stored}");
    let target = Database::reserve(Major::Pg15);
    let ran = restore(&lifeboat, &target.url(), &["--create", "--verify"]).ok();
    assert_eq!(ran.json()["result"]["rows"], 1003);
    assert_eq!(ran.json()["result"]["verified"], true);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_target_that_is_not_empty_is_refused_whatever_the_flags() {
    let (lifeboat, _source) = courses();
    for what in [
        "CREATE TABLE public.mine ()",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE t AS ENUM ()",
        "SELECT lo_create(7)",
        "CREATE PUBLICATION mine",
    ] {
        let target = Database::new(Major::Pg15);
        target.sql(what);
        for flags in [
            &[][..],
            &["--resume"],
            &["--create"],
            &["--no-owner", "--no-privileges", "--resume", "--create"],
            &["--table", "app.course"],
        ] {
            restore(&lifeboat, &target.url(), flags).failed(1, "not empty");
        }
        let tables = "SELECT count(*) FROM pg_class WHERE relname IN ('course', 'point')";
        assert_eq!(target.sql(tables), "0", "{what}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_dry_run_lists_all_problems_at_once_and_changes_nothing() {
    let (lifeboat, _source) = courses();
    let target = Database::with(
        Major::Pg15,
        "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    target.sql("CREATE TABLE public.mine ()");
    let flags = ["--dry-run", "--schema", "nowhere", "--table", "app.nothing"];
    let ran = restore(&lifeboat, &target.url(), &flags);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let problems = ran.json()["result"]["problems"].to_string();
    for part in ["nowhere", "app.nothing", "not empty", "encoding"] {
        assert!(problems.contains(part), "no '{part}' in {problems}");
    }
    assert_eq!(
        target.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'app'"),
        "0"
    );
    nothing_of_ours_is_left(&target);
    let absent = Database::reserve(Major::Pg15);
    let ran = restore(&lifeboat, &absent.url(), &["--dry-run", "--create"]).ok();
    assert_eq!(ran.json()["result"]["rows"], 61_052);
    let there = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        absent.name
    );
    assert_eq!(Major::Pg15.sql("postgres", &there), "0");
    restore(&lifeboat, &absent.url(), &[]).failed(1, "does not exist");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_older_server_is_refused() {
    let source = Database::new(Major::Pg18);
    source.sql("CREATE TABLE t (id int)");
    let lifeboat = Lifeboat::init();
    let bin = Major::Pg18.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    let target = Database::new(Major::Pg16);
    let flags = ["--pg-bin", bin.to_str().unwrap()];
    restore(&lifeboat, &target.url(), &flags).failed(1, "restore into 18 or later");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn only_what_was_chosen_gets_its_rows() {
    let (lifeboat, _source) = courses();
    let target = Database::reserve(Major::Pg15);
    let flags = [
        "--create",
        "--verify",
        "--table",
        "app.answer",
        "--table",
        "vote",
    ];
    let ran = restore(&lifeboat, &target.url(), &flags).ok();
    let report = ran.json()["result"].clone();
    assert_eq!(report["rows"], 60_900);
    let left_out = report["left_out"].to_string();
    for part in ["answer_course_fkey", "per_course", "large objects"] {
        assert!(left_out.contains(part), "no '{part}' in {left_out}");
    }
    assert_eq!(target.sql("SELECT count(*) FROM app.answer"), "60000");
    assert_eq!(target.sql("SELECT count(*) FROM app.course"), "0");
    assert_eq!(
        target.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'app'"),
        "4"
    );
    nothing_of_ours_is_left(&target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_killed_restore_goes_on_and_ends_equal() {
    let (lifeboat, source) = courses();
    let target = Database::reserve(Major::Pg15);
    let flags = ["--create", "--resume", "--verify"];
    let mut kills = 0;
    let log = lifeboat.folder().join("last");
    for wait in (100..).step_by(120) {
        let out = std::fs::File::create(&log).unwrap();
        let mut child = lifeboat
            .command(restore_args(&lifeboat, &target.url(), &flags))
            .stdout(out.try_clone().unwrap())
            .stderr(out.try_clone().unwrap())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        if let Some(status) = child.try_wait().unwrap() {
            let said = std::fs::read_to_string(&log).unwrap();
            // Killed after its last step and before it could say so: the target is whole.
            let done = status.success() || said.contains("not empty");
            assert!(done, "after {kills} kills: {status}: {said}");
            break;
        }
        // SIGKILL: nothing can be tidied up.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(
        kills > 3,
        "only {kills} kills: the restore is too fast for this test"
    );
    assert_eq!(target.sql(CONTENT), source.sql(CONTENT));
    nothing_of_ours_is_left(&target);
}

/// Waits until a phase of the restore is noted; the bound is only there to fail.
fn wait_for_phase(target: &Database, phase: &str) {
    let noted = format!("SELECT count(*) = 1 FROM lifeboat_restore.phase WHERE name = '{phase}'");
    wait_until(target, &noted);
}

/// Waits until a query of the target gives true.
fn wait_until(target: &Database, is: &str) {
    let begun = Instant::now();
    while target.major.try_sql("postgres", &target.name, is) != Ok("t".to_owned()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {is}");
    }
}

/// The worst that a kill can do to the notes: all of the schema is there, and none of it noted.
fn a_schema_that_is_there_already_is_no_trouble(major: Major) {
    roundtrip::roles(major);
    let source = Database::new(major);
    source.script(&roundtrip::zoo("base.sql"), &[]);
    let _source_free = Unsubscribe(&source);
    let lifeboat = Lifeboat::init();
    let bin = major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    let target = Database::reserve(major);
    let flags = ["--create", "--pg-bin", bin.to_str().unwrap()];
    let mut child = lifeboat
        .command(restore_args(&lifeboat, &target.url(), &flags))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_phase(&target, "privileges");
    // From here on no phase is noted: the restore waits, and is killed at a known place.
    let hold = "BEGIN; LOCK TABLE lifeboat_restore.phase IN SHARE MODE; SELECT pg_sleep(3)";
    target.sql(hold);
    child.kill().unwrap();
    child.wait().unwrap();
    let _target_free = Unsubscribe(&target);
    target.sql("DELETE FROM lifeboat_restore.phase WHERE name NOT IN ('tables', 'large objects')");
    let flags = ["--resume", "--verify", "--pg-bin", bin.to_str().unwrap()];
    let ran = restore(&lifeboat, &target.url(), &flags);
    let report = ran.json()["result"].clone();
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report:#}");
    for finding in report["findings"].as_array().unwrap() {
        let what = finding["what"].as_str().unwrap();
        assert!(roundtrip::differs_after_pg_dump_too(what), "{report:#}");
    }
    assert_eq!(
        report["large_objects"].to_string(),
        source.sql("SELECT count(*) FROM pg_largeobject_metadata")
    );
    nothing_of_ours_is_left(&target);
    roundtrip::compare(&source, &target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_schema_that_is_there_already_is_no_trouble_on_15() {
    a_schema_that_is_there_already_is_no_trouble(Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_schema_that_is_there_already_is_no_trouble_on_18() {
    a_schema_that_is_there_already_is_no_trouble(Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_interrupted_restore_says_how_to_go_on_and_needs_resume_for_it() {
    let (lifeboat, source) = courses();
    let target = Database::reserve(Major::Pg15);
    let child = lifeboat
        .command(restore_args(&lifeboat, &target.url(), &["--create"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(&target, "SELECT to_regclass('app.answer') IS NOT NULL");
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--resume"), "{stderr}");
    // The server may need a moment to end them.
    wait_until(
        &target,
        "SELECT count(*) = 0 FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'lifeboat%'",
    );
    restore(&lifeboat, &target.url(), &[]).failed(1, "--resume");
    let ran = restore(&lifeboat, &target.url(), &["--resume", "--verify"]).ok();
    assert_eq!(ran.json()["result"]["resumed"], true);
    assert_eq!(target.sql(CONTENT), source.sql(CONTENT));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn another_points_unfinished_restore_is_left_alone() {
    let (lifeboat, source) = courses();
    let target = Database::new(Major::Pg15);
    target.sql(
        "CREATE SCHEMA lifeboat_restore;
         CREATE TABLE lifeboat_restore.point (id text, manifest_sha256 text);
         CREATE TABLE lifeboat_restore.phase (name text);
         INSERT INTO lifeboat_restore.point VALUES ('20200101T000000Z-000000', '00')",
    );
    restore(&lifeboat, &target.url(), &["--resume"]).failed(1, "another point");
    drop(source);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn terminated_sessions_are_replaced_and_no_row_comes_twice() {
    let (lifeboat, source) = courses();
    let target = Database::reserve(Major::Pg15);
    let mut child = lifeboat
        .command(restore_args(
            &lifeboat,
            &target.url(),
            &["--create", "--verify", "--json"],
        ))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let strike = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
          WHERE datname = '{}' AND query LIKE 'COPY \"%FROM STDIN%' AND state = 'active'",
        target.name
    );
    let mut struck = 0;
    while child.try_wait().unwrap().is_none() && struck < 4 {
        struck += Major::Pg15.sql("postgres", &strike).parse::<u32>().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(struck > 0, "no session was met at work");
    assert_eq!(target.sql(CONTENT), source.sql(CONTENT));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_sort_into_another_partition_go_through_the_root() {
    let source = Database::with(Major::Pg15, "TEMPLATE template0 LOCALE 'C'");
    source.sql(
        "CREATE TABLE word (w text) PARTITION BY RANGE (w);
         CREATE TABLE word_1 PARTITION OF word FOR VALUES FROM (MINVALUE) TO ('a');
         CREATE TABLE word_2 PARTITION OF word FOR VALUES FROM ('a') TO (MAXVALUE);
         INSERT INTO word SELECT chr(65 + g % 26) || g FROM generate_series(1, 500) g;
         INSERT INTO word SELECT chr(97 + g % 26) || g FROM generate_series(1, 500) g",
    );
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let locale = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'";
    let target = Database::with(Major::Pg15, locale);
    let ran = restore(&lifeboat, &target.url(), &["--verify"]);
    // The locale is a finding; the rows are all there.
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let rows = "SELECT count(*), md5(string_agg(w, ',' ORDER BY w COLLATE \"C\")) FROM word";
    assert_eq!(target.sql(rows), source.sql(rows));
    assert_eq!(source.sql("SELECT count(*) FROM word_1"), "500");
    assert_eq!(target.sql("SELECT count(*) FROM word_1"), "0");
}

/// Several owners in one schema, forced row security, privileges that owners lack, a publication:
/// all that an ordinary master user can bring back.
fn app_of_many_owners(source: &Database, one: &str, two: &str, reader: &str) {
    source.sql(&format!(
        "CREATE ROLE {one}; CREATE ROLE {two} NOINHERIT; CREATE ROLE {reader} LOGIN;
         GRANT {two} TO {reader}; ALTER ROLE {reader} SET work_mem = '3MB';
         CREATE SCHEMA app AUTHORIZATION {one};
         CREATE TABLE app.t (id int PRIMARY KEY, t text);
         INSERT INTO app.t SELECT g, g FROM generate_series(1, 500) g;
         CREATE TABLE app.two (id int REFERENCES app.t, n serial);
         INSERT INTO app.two SELECT g FROM generate_series(1, 100) g;
         ALTER TABLE app.t OWNER TO {one}; ALTER TABLE app.two OWNER TO {two};
         REVOKE INSERT, SELECT ON app.two FROM {two};
         GRANT SELECT ON app.t TO {reader}, {two}; GRANT USAGE ON SCHEMA app TO {two}, {reader};
         ALTER DEFAULT PRIVILEGES FOR ROLE {one} IN SCHEMA app GRANT SELECT ON TABLES TO {reader};
         CREATE MATERIALIZED VIEW app.mv AS SELECT * FROM app.t WHERE id < 10;
         ALTER MATERIALIZED VIEW app.mv OWNER TO {two};
         CREATE TABLE app.forced (a int); INSERT INTO app.forced SELECT generate_series(1, 50);
         ALTER TABLE app.forced ENABLE ROW LEVEL SECURITY; ALTER TABLE app.forced FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON app.forced TO {reader} USING (a > 7); ALTER TABLE app.forced OWNER TO {one};
         GRANT CREATE ON DATABASE {database} TO {one};
         CREATE PUBLICATION pub FOR TABLE app.t; ALTER PUBLICATION pub OWNER TO {one};
         SELECT lo_from_bytea(77, 'abc'); ALTER LARGE OBJECT 77 OWNER TO {one};
         GRANT SELECT ON LARGE OBJECT 77 TO {reader}; COMMENT ON LARGE OBJECT 77 IS 'ours';
         ALTER DATABASE {database} OWNER TO {one}; REVOKE CONNECT ON DATABASE {database} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {database} TO {reader};
         ALTER ROLE {reader} IN DATABASE {database} SET search_path = app, public",
        database = source.name
    ));
}

/// MAINTAIN, which owners have from 17 on, is left out.
const OWNERS: &str = r"
  SELECT string_agg(relname || ' ' || relowner::regrole || ' ' || coalesce(regexp_replace(relacl::text, '(=[arwdDxt]*)m', '\1', 'g'), ''), ' | '
                    ORDER BY relname)
    FROM pg_class WHERE relnamespace = 'app'::regnamespace
  UNION ALL SELECT nspowner::regrole || ' ' || nspacl::text FROM pg_namespace WHERE nspname = 'app'
  UNION ALL SELECT lomowner::regrole || ' ' || lomacl::text || obj_description(oid, 'pg_largeobject')
              FROM pg_largeobject_metadata
  UNION ALL SELECT datdba::regrole || ' ' || datacl::text FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
             WHERE datname = current_database()
  UNION ALL SELECT defaclrole::regrole || ' ' || defaclacl::text FROM pg_default_acl
  UNION ALL SELECT pubowner::regrole::text FROM pg_publication
  UNION ALL SELECT relforcerowsecurity::text FROM pg_class WHERE relname = 'forced' AND relrowsecurity
  UNION ALL SELECT count(*)::text FROM app.mv";

/// Roles that are dropped with this value, after everything that they own.
struct Roles(Vec<(Major, String)>);

impl Drop for Roles {
    fn drop(&mut self) {
        for (major, role) in self.0.drain(..).rev() {
            let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
            let _ = major.try_sql("postgres", "postgres", &drop);
        }
    }
}

fn a_master_user_restores_owners_and_privileges(to: Major) {
    let names: Vec<String> = ["one", "two", "reader", "master"].map(unique).into();
    let [one, two, reader, master] = names.as_slice() else {
        unreachable!()
    };
    let both = names
        .iter()
        .flat_map(|role| [(Major::Pg15, role.clone()), (to, role.clone())]);
    let _roles = Roles(both.collect());
    let source = Database::new(Major::Pg15);
    app_of_many_owners(&source, one, two, reader);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    to.sql(
        "postgres",
        &format!("CREATE ROLE {master} LOGIN CREATEROLE CREATEDB"),
    );
    let target = Database::reserve(to);
    let bin = to.bin();
    let flags = ["--create", "--verify", "--pg-bin", bin.to_str().unwrap()];
    let ran = restore(&lifeboat, &target.url_as(master), &flags);
    let report = ran.json()["result"].clone();
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report}");
    // Roles of other tests may not be given away by this user; ours must be.
    for finding in report["findings"].as_array().unwrap() {
        let text = finding.to_string();
        assert!(!names.iter().any(|name| text.contains(name)), "{text}");
    }
    assert_eq!(target.sql(OWNERS), source.sql(OWNERS));
    let borrowed = format!(
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
          WHERE m.member = '{master}'::regrole AND m.grantor = '{master}'::regrole"
    );
    assert_eq!(target.sql(&borrowed), "0", "loans are given back");
    nothing_of_ours_is_left(&target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_master_user_restores_owners_and_privileges_on_15() {
    // The same server: its roles exist, and CREATEROLE suffices to take part in them.
    a_master_user_restores_owners_and_privileges(Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_master_user_restores_owners_and_privileges_on_18() {
    a_master_user_restores_owners_and_privileges(Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_owners_and_privileges_everything_belongs_to_who_restores() {
    let names: Vec<String> = ["one", "two", "reader"].map(unique).into();
    let _roles = Roles(
        names
            .iter()
            .map(|role| (Major::Pg15, role.clone()))
            .collect(),
    );
    let source = Database::new(Major::Pg15);
    app_of_many_owners(&source, &names[0], &names[1], &names[2]);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let target = Database::reserve(Major::Pg15);
    let flags = ["--create", "--no-owner", "--no-privileges"];
    restore(&lifeboat, &target.url(), &flags).ok();
    let others = "SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace
                     AND (relowner <> 'postgres'::regrole OR relacl IS NOT NULL)";
    assert_eq!(target.sql(others), "0");
    assert_eq!(target.sql("SELECT count(*) FROM app.two"), "100");
}
