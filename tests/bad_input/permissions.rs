//! An export reads everything or nothing: whatever may not be read is named.

use super::{Roles, export_complains};
use crate::support::{Database, Lifeboat, Major, unique};

/// A database in which `reader` may read everything, and a way to take something from it.
fn with_reader(reader: &str) -> Database {
    let database = Database::new(Major::Pg15);
    database.sql(&format!(
        "CREATE ROLE {reader} LOGIN;
         CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO {reader};
         CREATE TABLE app.answer (id int, secret text);
         INSERT INTO app.answer SELECT g, g FROM generate_series(1, 10) g;
         CREATE SEQUENCE app.counter; SELECT lo_from_bytea(4711, 'abc');
         GRANT SELECT ON app.answer, app.counter TO {reader};
         GRANT SELECT ON LARGE OBJECT 4711 TO {reader}"
    ));
    database
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_may_not_be_read_fails_the_export_and_is_named() {
    for (take, give, words) in [
        (
            "REVOKE SELECT ON app.answer FROM reader",
            "GRANT SELECT ON app.answer TO reader",
            &["app.answer", "GRANT"][..],
        ),
        (
            "REVOKE USAGE ON SCHEMA app FROM reader",
            "GRANT USAGE ON SCHEMA app TO reader",
            &["app", "GRANT"],
        ),
        (
            "REVOKE SELECT ON app.counter FROM reader",
            "GRANT SELECT ON app.counter TO reader",
            &["counter"],
        ),
        (
            "REVOKE SELECT ON LARGE OBJECT 4711 FROM reader",
            "GRANT SELECT ON LARGE OBJECT 4711 TO reader",
            &["large object", "GRANT SELECT ON LARGE OBJECT"],
        ),
        (
            "REVOKE SELECT ON app.answer FROM reader; GRANT SELECT (id) ON app.answer TO reader",
            "GRANT SELECT ON app.answer TO reader",
            &["answer"],
        ),
    ] {
        let lifeboat = Lifeboat::init();
        let reader = unique("lbt_reader");
        let _roles = Roles(vec![(Major::Pg15, reader.clone())]);
        let database = with_reader(&reader);
        database.sql(&take.replace("reader", &reader));
        export_complains(&lifeboat, &database.url_as(&reader), words);
        database.sql(&give.replace("reader", &reader));
        let report = lifeboat.export(&database.url_as(&reader));
        assert_eq!(report["rows"], 10, "{report}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_hidden_by_row_level_security_fail_the_export() {
    let reader = unique("lbt_reader");
    let _roles = Roles(vec![(Major::Pg15, reader.clone())]);
    let lifeboat = Lifeboat::init();
    let database = with_reader(&reader);
    database.sql(&format!(
        "ALTER TABLE app.answer ENABLE ROW LEVEL SECURITY;
         CREATE POLICY few ON app.answer TO {reader} USING (id < 5)"
    ));
    let url = database.url_as(&reader);
    export_complains(&lifeboat, &url, &["row-level security", "answer"]);
    let dry = lifeboat.run(["export", "--dry-run", "--source", &url]);
    assert_eq!(dry.code, Some(1), "{dry:?}");
    assert!(dry.stdout.contains("row-level security"), "{dry:?}");
    // A policy that shows all is no proof that it shows all.
    database.sql(&format!(
        "CREATE POLICY more ON app.answer TO {reader} USING (true)"
    ));
    export_complains(&lifeboat, &url, &["row-level security", "answer"]);
    database.sql(&format!("ALTER ROLE {reader} BYPASSRLS"));
    assert_eq!(lifeboat.export(&url)["rows"], 10);
}
