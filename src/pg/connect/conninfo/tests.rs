#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::{Kind, Result};
use crate::pg::connect::server::{Passwords, Server, SslMode};

fn with(url: &str, vars: &[(&str, &str)]) -> Result<Server> {
    let input = Input {
        url: Some(url),
        ..Input::default()
    };
    Server::resolve(input, &|name| {
        let found = vars.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn read(url: &str) -> Server {
    with(url, &[]).unwrap()
}

#[test]
fn urls_and_keyword_strings_say_the_same() {
    for text in [
        "postgresql://u%40x:p%3Aw@db.example.test:6543/my%20db?connect_timeout=7",
        "postgres://u%40x@db.example.test/my%20db?port=6543&password=p:w&connect_timeout=7",
        r"user=u@x password = p:w host=db.example.test port=6543 dbname='my db' connect_timeout=7",
        r"dbname=my\ db port='6543' user=u@x password='p:w' host=db.example.test connect_timeout=7",
    ] {
        let server = read(text);
        assert_eq!(server.user, "u@x", "{text}");
        assert_eq!(server.password.as_deref(), Some("p:w"));
        assert_eq!(
            (server.host.as_str(), server.port),
            ("db.example.test", 6543)
        );
        assert_eq!(server.database, "my db");
        assert_eq!(server.connect_timeout, Some(Duration::from_secs(7)));
        assert_eq!(server.ssl, SslMode::VerifyFull);
    }
}

#[test]
fn the_printed_url_leads_back_without_the_password() {
    for text in [
        "postgresql://u%40x:secret@db.example.test:6543/my%20db",
        "postgresql://u:secret@[::1]:5432/d",
        "host=/run/my\\ sock user=u password=secret dbname=d/e",
    ] {
        let server = read(text);
        let shown = server.to_string();
        assert!(!format!("{shown} {server:?}").contains("secret"));
        let again = read(&shown);
        assert_eq!(again.host, server.host);
        assert_eq!(again.database, server.database);
        assert_eq!(again.user, server.user);
        assert_eq!(again.password, None);
    }
}

#[test]
fn only_this_machine_goes_without_proof() {
    for (url, local) in [
        ("postgresql://u@localhost/d", true),
        ("postgresql://u@LOCALHOST/d", true),
        ("postgresql://u@127.8.0.1/d", true),
        ("postgresql://u@[::1]/d", true),
        ("postgresql://u@[::ffff:127.0.0.1]/d", true),
        ("postgresql://u@%2Ftmp/d", true),
        ("postgresql://u@10.0.0.1/d", false),
        ("postgresql://u@localhost.example.test/d", false),
        ("postgresql://u@localhost/d?hostaddr=10.0.0.1", false),
        ("postgresql://u@db/d?hostaddr=127.0.0.1", false),
        ("postgresql://u@/d?hostaddr=127.0.0.1", true),
    ] {
        let wanted = if local {
            SslMode::Prefer
        } else {
            SslMode::VerifyFull
        };
        assert_eq!(read(url).ssl, wanted, "{url}");
    }
}

#[test]
fn the_url_wins_over_variables_and_the_configuration_over_both() {
    let vars = [
        ("PGHOST", "other"),
        ("PGPORT", "1"),
        ("PGUSER", "pg"),
        ("PGSSLMODE", "require"),
        ("PGDATABASE", "pgdb"),
    ];
    let server = with("postgresql://db?port=2", &vars).unwrap();
    assert_eq!((server.host.as_str(), server.port), ("db", 2));
    assert_eq!(
        (server.user.as_str(), server.database.as_str()),
        ("pg", "pgdb")
    );
    assert_eq!(server.ssl, SslMode::Require);
    let input = Input {
        url: Some("postgresql://u@db?sslmode=disable"),
        sslmode: Some(SslMode::VerifyCa),
        ..Input::default()
    };
    let server = Server::resolve(input, &|_| None).unwrap();
    assert_eq!(server.ssl, SslMode::VerifyCa);
    assert_eq!(server.database, "u");
    assert_eq!(
        read("postgresql://u@db?connect_timeout=0").connect_timeout,
        None
    );
}

#[test]
fn what_cannot_be_meant_is_a_usage_error_that_keeps_the_password() {
    for (url, said) in [
        (
            "postgresql://u:secret@db/d?ssl_mode=disable",
            "\"ssl_mode\"",
        ),
        ("postgresql://u:secret@a,b/d", "several hosts"),
        ("host=a,b password=secret", "several hosts"),
        ("postgresql://u:secret@db:x/d", "not a port"),
        ("postgresql://u:secret@db/d?sslmode=full", "no sslmode"),
        ("postgresql://u:secret%2@db/d", "hex digits"),
        (
            "postgresql://u:secret@db/d?hostaddr=db",
            "not an IP address",
        ),
        ("mysql://u:secret@db/d", "not a PostgreSQL URL"),
        ("secret", "neither"),
        ("host=db password='secret", "not closed"),
        ("host=db secret user=u", "no value"),
        (
            "postgresql://u:secret@db/d?sslrootcert=/nonexistent",
            "does not exist",
        ),
    ] {
        let error = with(url, &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{url}");
        let all = format!("{} {:?}", error.chain(), error.find_hint());
        assert!(all.contains(said), "{url}: {all}");
        assert!(!all.contains("secret"), "{all}");
    }
    let error = with("postgresql://db?ssl_mode=disable", &[]).unwrap_err();
    assert!(error.find_hint().unwrap().contains("\"sslmode\""));
}

#[test]
fn tools_get_what_we_resolved_and_the_authorities_we_trust() {
    let mut server = read("postgresql://u:secret@localhost/d?sslmode=verify-full");
    server.pin().unwrap();
    let env = server.tool_env().unwrap();
    let var = |name: &str| {
        let found = env.vars().iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(var("PGHOST").as_deref(), Some("localhost"));
    assert!(
        var("PGHOSTADDR")
            .unwrap()
            .parse::<IpAddr>()
            .unwrap()
            .is_loopback()
    );
    assert_eq!(var("PGSSLMODE").as_deref(), Some("verify-full"));
    let roots = PathBuf::from(var("PGSSLROOTCERT").unwrap());
    let text = std::fs::read_to_string(&roots).unwrap();
    assert!(text.contains("Amazon RDS eu-central-1 Root CA RSA2048 G1"));
    assert!(!format!("{env:?}").contains("secret"));
    drop(env);
    assert!(!roots.exists());
}

/// Numbered, so that two logins can be told apart.
struct Numbered(std::sync::atomic::AtomicUsize);

#[async_trait::async_trait]
impl Passwords for Numbered {
    async fn password(&self, server: &Server) -> Result<String> {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(format!("secret {number} for {}", server.host))
    }

    fn refused(&self, _: &Server) -> String {
        String::new()
    }
}

#[tokio::test]
async fn a_password_made_for_one_login_is_made_for_the_name_and_never_shown() {
    let server = read("postgresql://u:other@db.example.test/d?hostaddr=127.0.0.1");
    let server = server.with_passwords(Arc::new(Numbered(0.into()))).unwrap();
    assert_eq!(server.password, None);
    let other = server.with_database("e");
    for (number, server) in [&server, &other, &server].into_iter().enumerate() {
        let login = server.for_login().await.unwrap();
        let made = format!("secret {number} for db.example.test");
        assert_eq!(login.password, Some(made));
        let env = login.tool_env().unwrap();
        assert!(!format!("{login} {login:?} {env:?} {server:?}").contains("secret"));
    }
}

#[test]
fn a_password_made_for_one_login_needs_a_server_that_proves_its_name() {
    for (url, allowed) in [
        ("postgresql://u@db.example.test/d", true),
        ("postgresql://u@db.example.test/d?sslmode=require", false),
        ("postgresql://u@db.example.test/d?sslmode=verify-ca", false),
        ("postgresql://u@db.example.test/d?sslmode=verify-full", true),
        ("postgresql://u@db.example.test/d?sslmode=prefer", false),
        ("postgresql://u@localhost/d", false),
        ("postgresql://u@localhost/d?sslmode=verify-full", true),
        ("postgresql://u@10.0.0.1/d", false),
        ("postgresql://u@%2Ftmp/d?sslmode=require", false),
    ] {
        let made = read(url).with_passwords(Arc::new(Numbered(0.into())));
        assert_eq!(made.is_ok(), allowed, "{url}");
    }
}
