//! A restore never writes into another server and never reads from one.

use crate::support::{Database, Lifeboat, Major};

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_and_views_do_not_reach_a_foreign_server() {
    let other = Database::new(Major::Pg15);
    other.sql("CREATE TABLE secret (s text)");
    let source = Database::with(Major::Pg15, "TEMPLATE template0 LOCALE 'C'");
    let server = source.partition_into(&other);
    source.sql(&format!(
        "CREATE FOREIGN TABLE secret (s text) SERVER {server};
         CREATE VIEW v AS SELECT * FROM secret;
         CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM v;"
    ));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let locale = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'";
    let target = Database::with(Major::Pg15, locale);
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let url = target.url();
    let args = [
        "restore",
        "latest",
        "--identity",
        identity,
        "--target",
        &url,
    ];
    let ran = lifeboat.run(args);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json()["result"].clone();
    let failures = report["failures"].to_string();
    assert!(
        failures.contains("it would reach a foreign server through public.word"),
        "{failures}"
    );
    let findings = report["findings"].to_string();
    assert!(findings.contains("reads from another server"), "{findings}");
    assert_eq!(other.sql("SELECT count(*) FROM word_2"), "0");
    let filled = "SELECT relispopulated FROM pg_class WHERE relname = 'mv'";
    assert_eq!(target.sql(filled), "f");
}
