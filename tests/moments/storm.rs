//! A storm: DDL of every kind at random moments during exports. Each transaction gives two objects the same
//! number, one of them as a rule a row of `numbers`; where a restored pair differs, the point mixed two moments.
//!
//! `LIFEBOAT_STORM_CASES` sets how many exports, 4 unless told; `LIFEBOAT_STORM_SEED` repeats a run's choices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::HONEST_REASONS;
use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

/// One kind of DDL: what it needs, how number `$n` is given, and how the restored object's number is read;
/// `$o` is the number before. The other number is in `numbers`.
struct Pair {
    kind: &'static str,
    make: &'static str,
    change: &'static str,
    read: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        kind: "type",
        make: "CREATE TYPE ty_0 AS ENUM ('a', 'b'); CREATE TABLE of_type AS SELECT 'a'::ty_0 AS c;",
        change: "ALTER TYPE ty_$o RENAME TO ty_$n",
        read: "SELECT substr(format_type(atttypid, NULL), 4) FROM pg_attribute
                WHERE attrelid = 'of_type'::regclass AND attnum = 1",
    },
    Pair {
        kind: "label",
        make: "CREATE TYPE labels AS ENUM ('l_0', 'b'); CREATE TABLE of_label (c labels DEFAULT 'l_0');
               INSERT INTO of_label VALUES ('l_0');",
        change: "ALTER TYPE labels RENAME VALUE 'l_$o' TO 'l_$n'",
        read: "SELECT substr(c::text, 3) FROM of_label",
    },
    Pair {
        kind: "attribute",
        make: "CREATE TYPE pair AS (a_0 int, b int); CREATE TABLE of_pair AS SELECT (1, 2)::pair AS c;",
        change: "ALTER TYPE pair RENAME ATTRIBUTE a_$o TO a_$n",
        read: "SELECT substr(attname, 3) FROM pg_attribute WHERE attrelid = 'pair'::regclass AND attnum = 1",
    },
    Pair {
        kind: "domain",
        make: "CREATE DOMAIN d_0 AS int; CREATE TABLE of_domain AS SELECT 1::d_0 AS c;",
        change: "ALTER DOMAIN d_$o RENAME TO d_$n",
        read: "SELECT substr(format_type(atttypid, NULL), 3) FROM pg_attribute
                WHERE attrelid = 'of_domain'::regclass AND attnum = 1",
    },
    Pair {
        kind: "function",
        make: "CREATE FUNCTION f_0() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';
               CREATE TABLE of_function (c int DEFAULT f_0(), CHECK (c >= f_0() - 1000000));
               INSERT INTO of_function VALUES (1);",
        change: "ALTER FUNCTION f_$o() RENAME TO f_$n",
        read: "SELECT substring(pg_get_expr(adbin, adrelid) FROM 'f_([0-9]+)') FROM pg_attrdef
                WHERE adrelid = 'of_function'::regclass",
    },
    Pair {
        kind: "body",
        make: "CREATE FUNCTION body(a int DEFAULT 0) RETURNS int LANGUAGE sql AS 'SELECT 0';",
        change: "CREATE OR REPLACE FUNCTION body(a int DEFAULT $n) RETURNS int LANGUAGE sql AS 'SELECT $n'",
        read: "SELECT CASE WHEN pg_get_function_arguments(oid) = 'a integer DEFAULT ' || body() THEN body() END
                 FROM pg_proc WHERE proname = 'body'",
    },
    Pair {
        kind: "view",
        make: "CREATE TABLE below (n int); CREATE VIEW v_0 AS SELECT n FROM below;
               CREATE VIEW on_view AS SELECT n FROM v_0;",
        change: "ALTER VIEW v_$o RENAME TO v_$n",
        read: "SELECT substring(pg_get_viewdef('on_view'::regclass) FROM 'v_([0-9]+)')",
    },
    Pair {
        kind: "column",
        make: "CREATE TABLE of_column (c_0 int); INSERT INTO of_column VALUES (1);",
        change: "ALTER TABLE of_column RENAME c_$o TO c_$n",
        read: "SELECT substr(attname, 3) FROM pg_attribute WHERE attrelid = 'of_column'::regclass AND attnum = 1",
    },
    Pair {
        kind: "schema",
        make: "CREATE SCHEMA s_0; CREATE TABLE s_0.t AS SELECT 1 AS n;
               CREATE FUNCTION s_0.f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
               CREATE TABLE of_schema (c int DEFAULT s_0.f());",
        change: "ALTER SCHEMA s_$o RENAME TO s_$n",
        read: "SELECT substring(pg_get_expr(adbin, adrelid) FROM 's_([0-9]+)') FROM pg_attrdef
                WHERE adrelid = 'of_schema'::regclass",
    },
    Pair {
        kind: "extension",
        make: "CREATE SCHEMA e_0; CREATE EXTENSION $extension SCHEMA e_0;
               CREATE TABLE of_extension (c e_0.$extension);",
        change: "CREATE SCHEMA e_$n; ALTER EXTENSION $extension SET SCHEMA e_$n; DROP SCHEMA e_$o",
        read: "SELECT substring(format_type(atttypid, NULL) FROM 'e_([0-9]+)') FROM pg_attribute
                WHERE attrelid = 'of_extension'::regclass AND attnum = 1",
    },
    Pair {
        kind: "collation",
        make: "CREATE COLLATION co_0 FROM \"C\"; CREATE TABLE of_collation (c text COLLATE co_0);",
        change: "ALTER COLLATION co_$o RENAME TO co_$n",
        read: "SELECT substr(collname, 4) FROM pg_collation WHERE collname LIKE 'co\\_%'",
    },
    Pair {
        kind: "operator",
        make: "CREATE SCHEMA o_0; CREATE OPERATOR o_0.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
               CREATE TABLE of_operator (c int CHECK (c OPERATOR(o_0.===) c));",
        change: "CREATE SCHEMA o_$n; ALTER OPERATOR o_$o.=== (int, int) SET SCHEMA o_$n; DROP SCHEMA o_$o",
        read: "SELECT substring(pg_get_constraintdef(oid) FROM 'o_([0-9]+)') FROM pg_constraint
                WHERE conrelid = 'of_operator'::regclass",
    },
    Pair {
        kind: "index",
        make: "CREATE TABLE of_index (c int); CREATE INDEX i_0 ON of_index (c);",
        change: "ALTER INDEX i_$o RENAME TO i_$n",
        read: "SELECT substr(relname, 3) FROM pg_class WHERE relname LIKE 'i\\_%' AND relkind = 'i'",
    },
    Pair {
        kind: "trigger",
        make: "CREATE TABLE of_trigger (c int); CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RETURN NEW; END';
               CREATE TRIGGER tr BEFORE INSERT ON of_trigger FOR EACH ROW EXECUTE FUNCTION fires('0');",
        change: "CREATE OR REPLACE TRIGGER tr BEFORE INSERT ON of_trigger FOR EACH ROW EXECUTE FUNCTION fires('$n')",
        read: "SELECT substring(pg_get_triggerdef(oid) FROM '''([0-9]+)') FROM pg_trigger WHERE tgname = 'tr'",
    },
    Pair {
        kind: "statistics",
        make: "CREATE TABLE of_stat (a int, b int); CREATE STATISTICS st_0 ON a, b FROM of_stat;",
        change: "ALTER STATISTICS st_$o RENAME TO st_$n",
        read: "SELECT substr(stxname, 4) FROM pg_statistic_ext",
    },
    Pair {
        kind: "sequence",
        make: "CREATE SEQUENCE sq_0 START 1; CREATE TABLE of_sequence (c bigint DEFAULT nextval('sq_0'));",
        change: "ALTER SEQUENCE sq_$o RENAME TO sq_$n",
        read: "SELECT substring(pg_get_expr(adbin, adrelid) FROM 'sq_([0-9]+)') FROM pg_attrdef
                WHERE adrelid = 'of_sequence'::regclass",
    },
    // What pg_dump takes from the snapshot itself.
    Pair {
        kind: "definition",
        make: "CREATE VIEW defined AS SELECT 0 AS n;",
        change: "CREATE OR REPLACE VIEW defined AS SELECT $n AS n",
        read: "SELECT n FROM defined",
    },
    Pair {
        kind: "default",
        make: "CREATE DOMAIN defaulted AS int DEFAULT 0;",
        change: "ALTER DOMAIN defaulted SET DEFAULT $n",
        read: "SELECT typdefault FROM pg_type WHERE typname = 'defaulted'",
    },
    Pair {
        kind: "check",
        make: "CREATE DOMAIN checked AS int CONSTRAINT k CHECK (VALUE <> 0);",
        change: "ALTER DOMAIN checked DROP CONSTRAINT k; ALTER DOMAIN checked ADD CONSTRAINT k CHECK (VALUE <> $n)",
        read: "SELECT substring(pg_get_constraintdef(oid) FROM '<> ([0-9]+)') FROM pg_constraint WHERE conname = 'k'",
    },
    // Another sequence in its place, whose value is its number.
    Pair {
        kind: "value",
        make: "CREATE SEQUENCE place MINVALUE 0 START 0;",
        change: "ALTER SEQUENCE place RENAME TO gone; CREATE SEQUENCE place MINVALUE 0 START $n; DROP SEQUENCE gone",
        read: "SELECT last_value FROM place",
    },
    Pair {
        kind: "policy",
        make: "CREATE TABLE of_policy (c int); CREATE POLICY p_0 ON of_policy USING (true);",
        change: "ALTER POLICY p_$o ON of_policy RENAME TO p_$n",
        read: "SELECT substr(polname, 3) FROM pg_policy",
    },
    Pair {
        kind: "role",
        make: "CREATE ROLE r_0; CREATE TABLE of_role (c int); GRANT SELECT ON of_role TO r_0;",
        change: "ALTER ROLE r_$o RENAME TO r_$n",
        read: "SELECT substring(relacl::text FROM 'r_([0-9]+)=') FROM pg_class WHERE relname = 'of_role'",
    },
    // Two tables change places: their rows tell which is which.
    Pair {
        kind: "swap",
        make: "CREATE TABLE live (n int); CREATE TABLE staging (n int); INSERT INTO live VALUES (0);",
        change: "INSERT INTO staging VALUES ($n); ALTER TABLE live RENAME TO aside;
                 ALTER TABLE staging RENAME TO live; ALTER TABLE aside RENAME TO staging; DELETE FROM staging",
        read: "SELECT n FROM live",
    },
    // A table of few moments, whose columns change places after it was made.
    Pair {
        kind: "newcomer",
        make: "CREATE TABLE new_0 (a text, b text); INSERT INTO new_0 VALUES ('0', 'b');
               CREATE TABLE of_newcomer AS SELECT 'a' AS c; CREATE FUNCTION newcomer(n bigint) RETURNS text
                 LANGUAGE plpgsql AS $$DECLARE found text; BEGIN
                   EXECUTE format('SELECT %I FROM new_%s', (SELECT c FROM of_newcomer), n) INTO found;
                   RETURN found; END$$;",
        change: "CREATE TABLE new_$n (b text, a text); INSERT INTO new_$n VALUES ('$n', 'b');
                 DROP TABLE IF EXISTS new_$o; UPDATE of_newcomer SET c = 'b';
                 UPDATE numbers SET n = $n WHERE kind = 'newcomer'; COMMIT; BEGIN;
                 ALTER TABLE new_$n RENAME a TO c; ALTER TABLE new_$n RENAME b TO a;
                 ALTER TABLE new_$n RENAME c TO b; UPDATE of_newcomer SET c = 'a'",
        read: "SELECT newcomer(n) FROM numbers WHERE kind = 'newcomer'",
    },
];

/// What must disturb nothing.
const NOISE: &[&str] = &[
    "GRANT USAGE ON SCHEMA public TO pg_monitor",
    "REVOKE USAGE ON SCHEMA public FROM pg_monitor",
    "CREATE ROLE lease_$n LOGIN; GRANT USAGE ON SCHEMA public TO lease_$n",
    "COMMENT ON SCHEMA public IS '$n'",
    "CREATE TABLE noise_$n (n int)",
    "CREATE OR REPLACE FUNCTION noise() RETURNS int LANGUAGE sql AS 'SELECT $n'",
    "ANALYZE",
];

/// Splitmix: choices by seed, without a state that threads share.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

fn url(cluster: &Cluster, database: &str) -> String {
    format!(
        "postgresql://postgres@127.0.0.1:{}/{database}",
        cluster.port
    )
}

/// Changes one thing after the other until told to stop.
async fn blow(source: String, extension: &str, mut choices: Choices, done: &AtomicBool) -> u64 {
    let (client, connection) = tokio_postgres::connect(&source, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    // An export must not be made to give way all the time.
    client
        .batch_execute("SET lock_timeout = '30ms'")
        .await
        .unwrap();
    let mut numbers = vec![0; PAIRS.len()];
    let mut changed = 0;
    for n in 1_u64.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let noise = choices.below(4) == 0;
        let at = choices.below(PAIRS.len() as u64) as usize;
        let pair = &PAIRS[at];
        let sql = if noise {
            NOISE[choices.below(NOISE.len() as u64) as usize].to_owned()
        } else {
            format!(
                "{}; UPDATE numbers SET n = $n WHERE kind = '{}'",
                pair.change, pair.kind
            )
        };
        let old: u64 = numbers[at];
        let sql = sql.replace("$extension", extension);
        let sql = sql
            .replace("$n", &n.to_string())
            .replace("$o", &old.to_string());
        let done = client.batch_execute(&format!("BEGIN; {sql}; COMMIT")).await;
        if done.is_err() {
            client.batch_execute("ROLLBACK").await.unwrap();
        } else if !noise {
            changed += 1;
        }
        // A transaction that failed in its second half has changed it all the same.
        let stored = format!("SELECT n FROM numbers WHERE kind = '{}'", pair.kind);
        let stored: i64 = client.query_one(&stored, &[]).await.unwrap().get(0);
        numbers[at] = stored.unsigned_abs();
        // Now a gust, now a lull in which an export gets through.
        let pause = match choices.below(6) {
            0 => choices.below(4000),
            1 | 2 => choices.below(250),
            _ => choices.below(10),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    changed
}

/// Restores the newest point and compares every pair.
fn wrong_pairs(lifeboat: &Lifeboat, target: &Cluster, bin: &str, database: &str) -> Vec<String> {
    let identity = lifeboat.identity();
    let ran = lifeboat.run([
        "restore",
        "latest",
        "--target",
        &url(target, database),
        "--pg-bin",
        bin,
        "--identity",
        identity.to_str().unwrap(),
        "--create",
        "--verify",
    ]);
    // 3: all is there, and something is to be said.
    if !matches!(ran.code, Some(0 | 3)) {
        return vec![format!("not restored: {ran:?}")];
    }
    let mut wrong = Vec::new();
    for Pair { kind, read, .. } in PAIRS {
        let stored = format!("SELECT n FROM numbers WHERE kind = '{kind}'");
        let (found, stored) = (
            target.sql_in(database, read),
            target.sql_in(database, &stored),
        );
        if found != stored {
            wrong.push(format!(
                "{kind}: one is of number {found}, the other of {stored}"
            ));
        }
    }
    target.sql(&format!("DROP DATABASE {database}"));
    wrong
}

fn is_honest(ran: &Ran) -> bool {
    ran.code == Some(1)
        && HONEST_REASONS
            .iter()
            .any(|reason| ran.stdout.contains(reason))
}

/// What a storm left.
pub struct Stormed {
    pub points: u64,
    /// Of exports that failed.
    pub honest: u64,
    pub wrong: Vec<String>,
}

pub async fn weather(major: Major, extension: &'static str, seed: u64, cases: u64) -> Stormed {
    let bin = major.bin();
    let bin = bin.to_str().unwrap();
    let options = ClusterOptions {
        hba: Some("local all all trust\nhost all all all trust\n"),
        ..ClusterOptions::default()
    };
    let start = || Cluster::start(bin, &options);
    let (source, target) = (start(), start());
    let make: String = PAIRS.iter().map(|pair| pair.make).collect();
    let make = make.replace("$extension", extension);
    source.sql("CREATE DATABASE app");
    source.sql_in(
        "app",
        &format!(
            "CREATE TABLE numbers (kind text PRIMARY KEY, n bigint);
                  CREATE FUNCTION noise() RETURNS int LANGUAGE sql AS 'SELECT 0'; {make}"
        ),
    );
    for pair in PAIRS {
        let row = format!("INSERT INTO numbers VALUES ('{}', 0)", pair.kind);
        source.sql_in("app", &row);
    }
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\nddl_wait = \"2s\"\npg_bin = [{bin:?}]"));
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let blowing = {
        let (url, done) = (url(&source, "app"), std::sync::Arc::clone(&done));
        tokio::spawn(async move { blow(url, extension, Choices(seed), &done).await })
    };
    let (mut wrong, mut stored, mut honest) = (Vec::new(), 0, 0);
    for case in 0..cases {
        let ran = lifeboat.run(["export", "--source", &url(&source, "app"), "--jobs", "2"]);
        if matches!(ran.code, Some(0 | 3)) {
            let pairs = wrong_pairs(&lifeboat, &target, bin, &format!("back_{case}"));
            match pairs[..] {
                [] => stored += 1,
                _ => wrong.push(format!("case {case}: {}", pairs.join("; "))),
            }
        } else if is_honest(&ran) {
            honest += 1;
        } else {
            wrong.push(format!("case {case}: {ran:?}"));
        }
    }
    done.store(true, Ordering::Relaxed);
    let changed = blowing.await.unwrap();
    println!(
        "LIFEBOAT_STORM_SEED={seed}: {cases} exports, {stored} points, {changed} changes, {} wrong",
        wrong.len()
    );
    assert!(changed > 0, "nothing ever changed");
    Stormed {
        points: stored,
        honest,
        wrong,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_storm_of_ddl_leaves_whole_points_or_none() {
    let seed = number("LIFEBOAT_STORM_SEED", u64::from(getrandom::u32().unwrap()));
    let cases = number("LIFEBOAT_STORM_CASES", 4);
    let halves = [
        (Major::Pg15, "hstore", seed, cases.div_ceil(2)),
        (Major::Pg18, "vector", seed + 1, cases / 2),
    ];
    for (major, extension, seed, cases) in halves {
        let wrong = weather(major, extension, seed, cases).await.wrong;
        assert!(
            wrong.is_empty(),
            "LIFEBOAT_STORM_SEED={seed}:\n{}",
            wrong.join("\n")
        );
    }
}
