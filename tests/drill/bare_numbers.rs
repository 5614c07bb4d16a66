//! Values of regclass whose tables are gone are numbers; elsewhere these may be other objects.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::{Bench, meddler, result};
use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::{Lifeboat, Major};

const TRUST: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

/// As most databases begin: their first tables come and go, so these numbers are taken on every new server.
const AUDIT: &str = "
  CREATE TABLE audit (id serial PRIMARY KEY, rel regclass, what text, typ regtype);
  DO $$ DECLARE o oid; BEGIN
    FOR i IN 1..120 LOOP
      EXECUTE 'CREATE TABLE tmp (i int)';
      SELECT oid INTO o FROM pg_class WHERE relname = 'tmp';
      INSERT INTO audit (rel, what) VALUES (o, 'created');
      EXECUTE 'DROP TABLE tmp';
    END LOOP;
  END $$;
  DO $$ BEGIN
    FOR i IN 1..150 LOOP EXECUTE format('CREATE TABLE live%s (i int PRIMARY KEY)', i); END LOOP;
  END $$;
  INSERT INTO audit (rel, what, typ) VALUES ('live7', 'kept', 'int4'), (0, E'a\\tb', NULL);";

fn audited() -> Bench {
    let server = Cluster::start(
        Major::Pg15.bin().to_str().unwrap(),
        &ClusterOptions {
            hba: Some(TRUST),
            ..ClusterOptions::default()
        },
    );
    server.sql(AUDIT);
    let lifeboat = Lifeboat::init();
    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port);
    lifeboat.export(&url);
    Bench::of(lifeboat)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn numbers_of_objects_that_are_gone_are_compared_as_numbers_and_told() {
    let bench = audited();
    let ran = bench.drill(&[]);
    let report = result(&ran);
    assert_eq!(report["failures"], serde_json::json!([]), "{report:#}");
    assert_eq!(ran.code, Some(3), "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    let [finding] = &findings[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!(finding["what"], "table public.audit");
    let why = finding["why"].as_str().unwrap();
    let said =
        "120 of its rows hold numbers of objects that were gone from the source, in rel or typ; ";
    assert!(why.starts_with(said), "{why}");
    assert_eq!(report["rows"], 122);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn another_object_in_the_place_of_a_number_or_a_name_is_found() {
    for sql in [
        "UPDATE audit SET rel = 'pg_class'::regclass WHERE id = 3",
        "UPDATE audit SET rel = 'live8'::regclass WHERE what = 'kept'",
        "UPDATE audit SET what = 'else' WHERE id = 3",
    ] {
        let bench = audited();
        let tools = tempfile::tempdir().unwrap();
        fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
        meddler(tools.path(), sql);
        let ran = bench.drill(&["--pg-bin", tools.path().to_str().unwrap()]);
        assert_eq!(ran.code, Some(1), "{sql}: {ran:?}");
        let failures: Value = result(&ran)["failures"].clone();
        assert!(failures.to_string().contains("public.audit"), "{failures}");
    }
}
