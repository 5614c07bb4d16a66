//! Questions to a restored database whose views and functions are hostile code.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat::testing::drill::{Assertion, AssertionResult, Must, ask};
use lifeboat::testing::pg::TimeLimit;

use crate::support::forge::server;
use crate::support::{Database, Major, unique};

const SHORT: TimeLimit = TimeLimit {
    query: Duration::from_secs(1),
    cancelled: Duration::from_secs(1),
};

fn question(sql: &str, wanted: &str) -> Assertion {
    Assertion {
        name: sql.to_owned(),
        sql: sql.to_owned(),
        must: Must::Equal(wanted.to_owned()),
    }
}

async fn asked_at(url: &str, questions: &[Assertion], limit: TimeLimit) -> Vec<AssertionResult> {
    ask(&server(url), questions, &[], Timestamp::now(), limit).await
}

/// Asks what is expected to give these texts.
async fn all_hold(database: &Database, questions: &[(&str, &str)]) {
    let questions: Vec<Assertion> = questions
        .iter()
        .map(|(sql, wanted)| question(sql, wanted))
        .collect();
    for outcome in asked_at(&database.url(), &questions, TimeLimit::default()).await {
        assert!(outcome.ok, "{outcome:?}");
    }
}

/// `deaf` takes being cancelled for nothing.
const ENDLESS: &str = "
    CREATE FUNCTION no_limit() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
      PERFORM set_config('statement_timeout', '0', false); PERFORM pg_sleep(600); RETURN 1;
    END $$;
    CREATE VIEW endless AS SELECT no_limit() AS n;
    CREATE FUNCTION unimpressed() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
      LOOP
        BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END;
      END LOOP;
    END $$;
    CREATE VIEW deaf AS SELECT unimpressed() AS n;";

/// Asked by a role without any right but to read, as drills do.
#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_question_without_end_is_ended_and_keeps_no_other_from_being_asked() {
    let (database, reader) = (Database::new(Major::Pg15), unique("reader"));
    database.sql(&format!(
        "{ENDLESS} CREATE ROLE {reader} LOGIN; GRANT SELECT ON endless, deaf TO {reader}"
    ));
    let questions = [
        question("SELECT n FROM endless", "1"),
        question("SELECT n FROM deaf", "1"),
        question("SELECT 7", "7"),
    ];
    let began = Instant::now();
    let outcomes = asked_at(&database.url_as(&reader), &questions, SHORT).await;
    assert!(began.elapsed() < Duration::from_secs(15));
    let why: Vec<&str> = outcomes.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "no answer within 1 s: the query was cancelled",
            "no answer within 1 s: the query went on when cancelled; its session was ended",
            "",
        ]
    );
    let ok: Vec<bool> = outcomes.iter().map(|one| one.ok).collect();
    assert_eq!(ok, [false, false, true]);
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{reader}'");
    // A server ends a session some time after its client.
    while database.sql(&left) != "0" {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a session is left"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.sql(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_question_writes_nothing() {
    let database = Database::new(Major::Pg18);
    database.sql(
        "CREATE TABLE t (n int);
         CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING n';
         CREATE VIEW grows AS SELECT more() AS n;
         CREATE FUNCTION unlocked() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
           SET transaction_read_only = off; RETURN more();
         END $$;
         CREATE VIEW unlocks AS SELECT unlocked() AS n;",
    );
    let questions = [
        question("SELECT n FROM grows", "1"),
        question("SELECT n FROM unlocks", "1"),
    ];
    let outcomes = asked_at(&database.url(), &questions, TimeLimit::default()).await;
    assert!(outcomes[0].why.contains("read-only"), "{outcomes:?}");
    assert!(outcomes[1].why.contains("read-write"), "{outcomes:?}");
    assert_eq!(database.sql("SELECT count(*) FROM t"), "0");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn names_are_found_as_configured_but_nobody_overrides_what_is_built_in() {
    let database = Database::new(Major::Pg16);
    let name = &database.name;
    database.sql(&format!(
        "CREATE SCHEMA evil; CREATE TABLE evil.t AS SELECT generate_series(1, 3) AS n;
         CREATE FUNCTION evil.same(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1';
         CREATE AGGREGATE evil.count(*) (sfunc = evil.same, stype = bigint, initcond = '4711');
         ALTER DATABASE {name} SET search_path = evil, pg_catalog"
    ));
    assert_eq!(database.sql("SELECT count(*) FROM t"), "4711");
    all_hold(&database, &[("SELECT count(*) FROM t", "3")]).await;
    database.sql(&format!("ALTER DATABASE {name} SET search_path = ''"));
    all_hold(&database, &[("SELECT count(*) FROM evil.t", "3")]).await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn no_question_sees_the_settings_of_another() {
    let database = Database::new(Major::Pg15);
    let path = "SELECT current_setting('search_path')";
    let (set, seen) = (
        "SELECT set_config('work_mem', '7MB', false)",
        "SHOW work_mem",
    );
    let before = database.sql(seen);
    all_hold(
        &database,
        &[
            (set, "7MB"),
            (seen, &before),
            ("SELECT set_config('search_path', 'evil', false)", "evil"),
            (path, "pg_catalog, \"$user\", public"),
        ],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_no_single_short_value_is_no_answer() {
    let database = Database::new(Major::Pg15);
    for (sql, why) in [
        ("SELECT generate_series(1, 100000)", "gives 100000 rows"),
        ("SELECT 1 WHERE false", "gives no row"),
        ("SELECT 1, 2", "gives 2 columns"),
        ("SELECT repeat('x', 70000)", "gives a value of 70000 bytes"),
    ] {
        let asked = [question(sql, "")];
        let outcomes = asked_at(&database.url(), &asked, TimeLimit::default()).await;
        assert!(outcomes[0].why.contains(why), "{outcomes:?}");
    }
}
