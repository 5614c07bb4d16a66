//! What a session is once it stands, and the tools beside it.

use std::time::Duration;

use lifeboat::testing::Kind;
use lifeboat::testing::pg::Server;
use lifeboat::testing::pg::tools::{self, Dirs, Tool};
use lifeboat::testing::pg::{Purpose, Session, pinned};

use super::certificates::{Authority, Span};
use super::cluster::{Cluster, ClusterOptions, PASSWORD, bench};
use super::{HOST, ask, complaint, connect, over_tls, resolve};

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_session_is_pinned_on_every_version() {
    for version in ["15", "16", "18"] {
        let server = Server::from_url(&bench(&format!("LIFEBOAT_TEST_PG{version}"))).unwrap();
        let session = connect(&server).await.unwrap();
        assert_eq!(session.major().to_string(), version);
        let mut seen = 0;
        for (name, value) in pinned::pinned(Purpose::Read, session.server_version_num) {
            let got = ask(&session, &format!("SELECT current_setting('{name}')")).await;
            let value = if name == "search_path" { "\"\"" } else { value };
            assert_eq!(got, value, "{name} on {version}");
            seen += 1;
        }
        let known = pinned::UNSTOPPED.len() + pinned::PRINTED.len();
        let newest = known + pinned::UNSTOPPED_SINCE.len();
        assert!(seen >= newest - 1, "{seen} settings on {version}");
        assert_eq!(
            ask(&session, "SHOW default_transaction_read_only").await,
            "on"
        );
        assert_eq!(ask(&session, "SHOW lock_timeout").await, "1min");
        assert_eq!(ask(&session, "SHOW client_encoding").await, "UTF8");
        assert_eq!(
            ask(&session, "SHOW application_name").await,
            "lifeboat test"
        );
        let write = Session::connect(&server, "lifeboat test", Purpose::Write);
        let write = write.await.unwrap();
        assert_eq!(
            ask(&write, "SHOW default_transaction_read_only").await,
            "off"
        );
        session.same_server(&write).unwrap();
        assert_ne!(session.pid, write.pid);
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn two_servers_are_told_apart() {
    let one = Server::from_url(&bench("LIFEBOAT_TEST_PG15")).unwrap();
    let two = Server::from_url(&bench("LIFEBOAT_TEST_PG16")).unwrap();
    let (one, two) = (connect(&one).await.unwrap(), connect(&two).await.unwrap());
    let text = complaint(&one.same_server(&two).unwrap_err());
    assert!(text.contains("met two servers"), "{text}");
    one.refuse_pooler().unwrap();
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn setting_the_lock_timeout_takes_no_snapshot() {
    let server = Server::from_url(&bench("LIFEBOAT_TEST_PG15")).unwrap();
    let (session, watcher) = (
        connect(&server).await.unwrap(),
        connect(&server).await.unwrap(),
    );
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.execute(begin, "beginning").await.unwrap();
    session
        .set_lock_timeout(Duration::from_secs(5))
        .await
        .unwrap();
    let xmin = format!(
        "SELECT coalesce(backend_xmin::text, 'none') FROM pg_stat_activity WHERE pid = {}",
        session.pid
    );
    assert_eq!(ask(&watcher, &xmin).await, "none");
    ask(&session, "SELECT 'a snapshot'").await;
    assert_ne!(ask(&watcher, &xmin).await, "none");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn bytes_pass_as_the_database_stores_them() {
    let cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            initdb: &["--encoding=SQL_ASCII", "--locale=C"],
            ..ClusterOptions::default()
        },
    );
    cluster.sql("CREATE TABLE t AS SELECT convert_from('\\xe9'::bytea, 'SQL_ASCII') AS c");
    let session = connect(&resolve(&cluster.url())).await.unwrap();
    assert_eq!(session.server_encoding, "SQL_ASCII");
    let copy = session.copy_out("COPY public.t TO STDOUT", "t").await;
    let rows = copy.unwrap().next().await.unwrap();
    assert_eq!(rows.unwrap(), b"\xe9\n");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_statement_can_be_cancelled_over_tls_and_a_lost_session_says_why() {
    let ours = Authority::new("Ours");
    let folder = tempfile::tempdir().unwrap();
    let root = ours.save(folder.path());
    let (cert, key) = ours.issue(&[HOST], Span::Now);
    let cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            hba: Some("local all all trust\nhostssl all all all scram-sha-256\n"),
            tls: Some((&cert, &key)),
            ..ClusterOptions::default()
        },
    );
    let server = over_tls(&cluster, HOST, "verify-full", Some(&root));
    let session = connect(&server).await.unwrap();
    session.refuse_pooler().unwrap();
    let sleep = session.execute("SELECT pg_sleep(30)", "sleeping");
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        session.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(sleep, cancel);
    assert_eq!(slept.unwrap_err().kind(), Kind::Interrupted);

    cluster.sql(&format!("SELECT pg_terminate_backend({})", session.pid));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = session.execute("SELECT 1", "reading on").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let text = complaint(&error);
    assert!(
        text.contains("FATAL 57P01: terminating connection"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn postgresql_tools_reach_the_same_server_under_the_same_rules() {
    let ours = Authority::new("Ours");
    let folder = tempfile::tempdir().unwrap();
    let root = ours.save(folder.path());
    let (cert, key) = ours.issue(&[HOST], Span::Now);
    let bin = bench("LIFEBOAT_TEST_PG15_BIN");
    let cluster = Cluster::start(
        &bin,
        &ClusterOptions {
            tls: Some((&cert, &key)),
            ..ClusterOptions::default()
        },
    );
    let dirs = Dirs::system(vec![bin.into()]);
    let psql = tools::find(Tool::Psql, 15, false, &dirs).unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let ask = async |server: &Server| {
        let env = server.tool_env().unwrap();
        assert!(!format!("{env:?}").contains(PASSWORD));
        let mut command = tools::command(&psql, &env);
        tools::run(command.args(["-XAtc", sql]), "psql").await
    };
    let server = over_tls(&cluster, HOST, "verify-full", Some(&root));
    assert_eq!(ask(&server).await.unwrap().stdout, b"t\n");

    // The shipped and the system's authorities do not know this one; libpq must agree with us.
    let server = over_tls(&cluster, HOST, "verify-full", None);
    let text = ask(&server).await.unwrap_err().chain();
    assert!(text.contains("certificate verify failed"), "{text}");
    assert!(!text.contains("could not read root certificate"), "{text}");

    let error = tools::find(Tool::PgDump, 99, true, &dirs).unwrap_err();
    assert!(complaint(&error).contains("pg_dump 99 or newer is needed; found only"));
    let newer = tools::find(Tool::PgDump, 14, true, &dirs).unwrap();
    assert_eq!(newer.major, 15);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn only_sessions_that_read_tables_are_kept_from_views() {
    for version in ["15", "16", "18"] {
        let server = Server::from_url(&bench(&format!("LIFEBOAT_TEST_PG{version}"))).unwrap();
        let sql = "CREATE TEMP VIEW v AS SELECT 'seen'; SELECT * FROM pg_temp.v";
        for (purpose, allowed) in [
            (Purpose::Read, false),
            (Purpose::Query, true),
            (Purpose::Write, true),
        ] {
            let session = Session::connect(&server, "lifeboat test", purpose);
            let session = session.await.unwrap();
            // A temporary view needs a writable transaction, whatever the default is.
            let sql = format!("BEGIN READ WRITE; {sql}");
            let answer = session.execute(&sql, "reading a view").await;
            assert_eq!(answer.is_ok(), allowed, "{purpose:?} on {version}");
        }
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn tools_can_be_pinned_through_pgoptions() {
    for version in ["15", "16", "18"] {
        let server = Server::from_url(&bench(&format!("LIFEBOAT_TEST_PG{version}"))).unwrap();
        let session = connect(&server).await.unwrap();
        let options = pinned::pinned_options(Purpose::Read, session.server_version_num);
        let env = server.tool_env().unwrap().with("PGOPTIONS", options);
        let bin = bench(&format!("LIFEBOAT_TEST_PG{version}_BIN"));
        let psql = tools::find(
            Tool::Psql,
            session.major(),
            true,
            &Dirs::system(vec![bin.into()]),
        );
        for (name, value) in pinned::pinned(Purpose::Read, session.server_version_num) {
            let mut command = tools::command(psql.as_ref().unwrap(), &env);
            command.args(["-XAtc", &format!("SHOW {name}")]);
            let output = tools::run(&mut command, "psql").await.unwrap();
            let got = String::from_utf8(output.stdout).unwrap();
            assert_eq!(got.trim(), value, "{name} on {version}");
        }
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn names_stay_utf8_where_only_the_rows_take_the_databases_encoding() {
    let cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            initdb: &["--encoding=LATIN1", "--locale=C"],
            ..ClusterOptions::default()
        },
    );
    let server = resolve(&cluster.url());
    let session = Session::connect(&server, "lifeboat test", Purpose::Write);
    let session = session.await.unwrap();
    let sql = "CREATE TABLE public.\"mül\" AS SELECT 'größe' AS c";
    session.execute(sql, "making a table").await.unwrap();
    let copy = "COPY public.\"mül\" TO STDOUT (ENCODING 'LATIN1')";
    let mut rows = session.copy_out(copy, "t").await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap(), b"gr\xf6\xdfe\n");
    assert!(rows.next().await.unwrap().is_none());
    // With the whole session in LATIN1 the same statement names another table.
    let set = "SET client_encoding = 'LATIN1'";
    session.execute(set, "changing the encoding").await.unwrap();
    assert!(session.copy_out(copy, "t").await.is_err());
}
