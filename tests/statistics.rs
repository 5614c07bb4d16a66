//! Statistics travel with a point: a restore into 18 or newer plans as the source did, before anything is analyzed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Database, Lifeboat, Major};
use crate::without_lifeboat::machine::Point;

/// When it was analyzed nearly all rows held 'x'; hardly any do now. ANALYZE would see that.
const STALE: &str = "
  CREATE TABLE answer (id int PRIMARY KEY, kind text) WITH (autovacuum_enabled = false);
  INSERT INTO answer SELECT g, CASE WHEN g % 100 = 0 THEN 'y' ELSE 'x' END FROM generate_series(1, 10000) g;
  CREATE INDEX answer_kind ON answer (kind); CREATE INDEX answer_lower ON answer (lower(kind));
  CREATE TABLE \"Odd \"\"Table\"\"\" (\"a b\" int) WITH (autovacuum_enabled = false);
  INSERT INTO \"Odd \"\"Table\"\"\" SELECT g FROM generate_series(1, 100) g;
  CREATE TABLE secret (word text) WITH (autovacuum_enabled = false);
  INSERT INTO secret SELECT 'secret' || g % 3 FROM generate_series(1, 100) g;
  CREATE MATERIALIZED VIEW of_secret WITH (autovacuum_enabled = false) AS SELECT word FROM secret;
  CREATE TABLE pairs (a int, b int) WITH (autovacuum_enabled = false);
  INSERT INTO pairs SELECT g % 10, g % 10 FROM generate_series(1, 1000) g;
  CREATE STATISTICS of_pairs (dependencies) ON a, b FROM pairs;
  CREATE TABLE log (y int, word text) PARTITION BY LIST (y);
  CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1) WITH (autovacuum_enabled = false);
  CREATE TABLE log_2 PARTITION OF log FOR VALUES IN (2) WITH (autovacuum_enabled = false);
  CREATE TABLE base (word text) WITH (autovacuum_enabled = false);
  CREATE TABLE heir () INHERITS (base) WITH (autovacuum_enabled = false);
  INSERT INTO log SELECT 1 + g % 2, CASE WHEN g % 2 = 0 THEN 'hidden' ELSE 'shown' END FROM generate_series(1, 100) g;
  INSERT INTO base SELECT 'shown' FROM generate_series(1, 100) g;
  INSERT INTO heir SELECT 'hidden' FROM generate_series(1, 100) g;
  ANALYZE; UPDATE answer SET kind = 'z' || id WHERE kind = 'x' AND id > 20;";

/// Of columns that all versions have.
fn statistics(database: &Database, tables: &str) -> String {
    database.sql(&format!(
        "SELECT string_agg(concat_ws(' ', tablename, attname, inherited, null_frac, avg_width, n_distinct,
                             most_common_vals, most_common_freqs, histogram_bounds, correlation), E'\\n'
                           ORDER BY tablename, attname)
           FROM pg_stats WHERE schemaname = 'public' AND tablename ~ '{tables}'"
    ))
}

const PLAN: &str = "EXPLAIN (COSTS OFF) SELECT * FROM answer WHERE kind = 'x'";

fn lifeboat(bins: &[PathBuf]) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = {bins:?}"));
    lifeboat
}

#[track_caller]
fn restore(lifeboat: &Lifeboat, target: &Database) -> Value {
    let (url, identity, bin) = (target.url(), lifeboat.identity(), target.major.bin());
    let args = ["restore", "latest", "--verify", "--target", &url];
    let identity = ["--identity", identity.to_str().unwrap()];
    let bin = ["--pg-bin", bin.to_str().unwrap()];
    let ran = lifeboat.run([&args[..], &identity, &bin].concat());
    ran.ok().json()["result"].clone()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_restored_database_plans_as_its_source_did() {
    for major in [Major::Pg15, Major::Pg18] {
        let source = Database::new(major);
        source.sql(STALE);
        assert_eq!(
            source.sql(PLAN),
            "Seq Scan on answer\n  Filter: (kind = 'x'::text)"
        );
        let lifeboat = lifeboat(&[major.bin(), Major::Pg18.bin()]);
        let url = source.url();
        let without = ["secret", "log_1", "heir"].map(|one| ["--exclude-table-data", one]);
        let export = [&["export", "--source", &url][..], without.as_flattened()].concat();
        let exported = lifeboat.run(export).ok().json()["result"]["databases"][0].clone();
        assert_eq!(exported["findings"], json!([]));
        let target = Database::with(Major::Pg18, "TEMPLATE template0");
        let report = restore(&lifeboat, &target);
        // Four tables (one has extended statistics, and is analyzed as well), and three indexes.
        assert_eq!(report["statistics_imported"], 7, "{report}");
        let ready = &report["ready"];
        assert_eq!(ready["with_statistics"], ready["tables"], "{report}");
        assert!(ready["tables"].as_u64().unwrap() >= 6, "{report}");
        let tables = "answer|Odd";
        assert_eq!(
            statistics(&target, tables),
            statistics(&source, tables),
            "{major:?}"
        );
        assert_eq!(target.sql(PLAN), source.sql(PLAN));
        // No value of rows that were left out came along.
        assert_eq!(statistics(&target, "secret"), "");
        // What stands above such tables has statistics of what came, of its own and of all below it.
        let above = statistics(&target, "^log$|^base$");
        assert!(
            above.contains("shown") && !above.contains("hidden"),
            "{above}"
        );
        assert!(above.contains("log word t"), "{above}");
        let extended = "SELECT count(*) FROM pg_stats_ext WHERE dependencies IS NOT NULL";
        assert_eq!(target.sql(extended), "1");
        target.sql("ANALYZE answer");
        assert_ne!(target.sql(PLAN), source.sql(PLAN), "it was stale");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_statistics_or_a_server_that_takes_them_tables_are_analyzed() {
    let source = Database::new(Major::Pg15);
    source.sql(STALE);
    let analyzed = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'public'";
    for (bins, target) in [
        (vec![Major::Pg15.bin()], Major::Pg18),
        (vec![Major::Pg15.bin(), Major::Pg18.bin()], Major::Pg15),
    ] {
        let lifeboat = lifeboat(&bins);
        lifeboat.export(&source.url());
        let target = Database::with(target, "TEMPLATE template0");
        let report = restore(&lifeboat, &target);
        assert_eq!(report["statistics_imported"], 0);
        assert_eq!(target.sql(analyzed), source.sql(analyzed));
        assert_ne!(
            statistics(&target, "answer$"),
            statistics(&source, "answer$")
        );
    }
}

/// As nobody: the import is text of the backup.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_imports_them_without_power() {
    let source = Database::new(Major::Pg18);
    source.sql(STALE);
    let lifeboat = lifeboat(&[Major::Pg18.bin()]);
    lifeboat.configure(
        "[[drill.assert]]\nname = 'stale'\nequals = 'x'\n\
         sql = \"SELECT (most_common_vals::text::text[])[1] FROM pg_stats WHERE tablename = 'answer' AND attname = 'kind'\"",
    );
    lifeboat.export(&source.url());
    let report = lifeboat.drill(&["--json"]).ok().json()["result"].clone();
    assert_eq!(report["as_superuser"], false);
    assert!(
        !report["not_tried"].to_string().contains("statistics"),
        "{report}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn damaged_statistics_are_damage() {
    let source = Database::new(Major::Pg18);
    source.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (1); ANALYZE");
    let lifeboat = lifeboat(&[Major::Pg18.bin()]);
    let exported = lifeboat.export(&source.url());
    let id = exported["id"].as_str().unwrap().to_owned();
    let point = Point { lifeboat, id };
    let path = point.find("parts", "/statistics.dump.zst.age");
    let mut stored = fs::read(&path).unwrap();
    *stored.last_mut().unwrap() ^= 1;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, stored).unwrap();
    let target = Database::with(Major::Pg18, "TEMPLATE template0");
    let (url, identity) = (target.url(), point.lifeboat.identity());
    let args = ["restore", "latest", "--target", &url, "--identity"];
    let ran = point
        .lifeboat
        .bare([&args[..], &[identity.to_str().unwrap()]].concat());
    ran.failed(1, "statistics.dump.zst.age");
    assert_eq!(
        target.sql("SELECT to_regclass('public.t')"),
        "",
        "untouched"
    );
}
