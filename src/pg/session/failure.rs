//! Errors of the server or the network as our errors: one line of cause and one hint.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use crate::error::{Error, Kind, find};
use crate::escape::one_line;
use crate::pg::connect::server::Server;

const POOLER: &str = "is there a pooler (PgBouncer, RDS Proxy) in between? \
                      Name the database server itself";

/// What to do where a standby's replay ended a reader.
const ON_RECOVERY_CONFLICT: &str = "this standby's replay had to remove what was being read: set hot_standby_feedback = on there, or a longer \
     max_standby_streaming_delay, or export from the primary";

const ON_ROLE_LIMIT: &str =
    "the role has a limit of its own: ALTER ROLE … CONNECTION LIMIT raises it; or use fewer jobs";
const ON_DATABASE_LIMIT: &str = "the database has a limit of its own: ALTER DATABASE … CONNECTION LIMIT raises it; or use fewer jobs";

/// The hint for what a tool says, whose words come without a code.
pub(crate) fn hint_for_words(said: &str) -> Option<&'static str> {
    let known = [
        ("conflict with recovery", ON_RECOVERY_CONFLICT),
        ("too many connections for role", ON_ROLE_LIMIT),
        ("too many connections for database", ON_DATABASE_LIMIT),
    ];
    let mut known = known.into_iter();
    known.find_map(|(words, hint)| said.contains(words).then_some(hint))
}

/// The server's message, with severity, SQLSTATE, detail, context and hint where there are any;
/// `what` names the operand.
pub(crate) fn pg_error(what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    let what = what.into();
    if let Some(said) = error.as_db_error() {
        return from_server(what, said);
    }
    // Our own TLS connector's error, already complete.
    if let Some(own) = find::<Error>(&error) {
        let text = Error::new(own.kind(), own.chain());
        let error = Error::new(own.kind(), what).because(text);
        return error.hint_if_any(own.find_hint());
    }
    let cause = find::<io::Error>(&error);
    if error.is_closed() || cause.is_some() {
        let text = match cause {
            Some(cause) => format!("the connection was lost: {cause}"),
            None => "the server closed the connection".to_owned(),
        };
        return lost(what, text);
    }
    if error.to_string() == "authentication error" {
        return Error::new(Kind::Denied, what)
            .because(error)
            .hint("supported are SCRAM, md5 and clear-text passwords, and trust");
    }
    Error::new(Kind::Failed, what).because(error)
}

fn from_server(what: String, said: &DbError) -> Error {
    let kind = kind_of(said.code().code());
    let error = Error::new(kind, what).because(Error::new(kind, db_text(said)));
    error.hint_if_any(hint_for(said))
}

/// An error while connecting, with what only the resolved server knows.
pub(super) fn connect_error(server: &Server, error: tokio_postgres::Error) -> Error {
    let what = format!("connecting to {server}");
    let hint = match error.code().map(SqlState::code) {
        Some("28P01" | "28000") if server.on_refusal().is_some() => server.on_refusal(),
        Some("28P01") => Some(match &server.password_from {
            Some(place) => format!("the password came from {place}"),
            None => "no password was given: use a password file, .pgpass or PGPASSWORD".to_owned(),
        }),
        None if cause_text(&error).contains("password missing") => {
            return Error::new(Kind::Denied, format!("{what}: no password was given")).hint(
                "the server asks for a password: use a password file, .pgpass or PGPASSWORD",
            );
        }
        None if no_tls(&error) => {
            let mode = server.ssl;
            return Error::refused(format!(
                "{what}: the server offers no TLS, and sslmode is {mode}"
            ))
            .hint("turn on ssl in the server; only where the network is trusted: sslmode=prefer");
        }
        _ => None,
    };
    pg_error(what, error).hint_if_any(hint)
}

/// An error of a live session; a closed connection's own last words say more than "closed".
pub(super) fn session_error(
    what: String,
    error: tokio_postgres::Error,
    last_words: Option<&tokio_postgres::Error>,
) -> Error {
    let Some(last_words) = last_words.filter(|_| error.is_closed()) else {
        return pg_error(what, error);
    };
    match (last_words.as_db_error(), find::<io::Error>(last_words)) {
        (Some(said), _) => from_server(what, said),
        (None, Some(cause)) => lost(what, format!("the connection was lost: {cause}")),
        (None, None) => pg_error(what, error),
    }
}

fn lost(what: String, text: String) -> Error {
    Error::new(Kind::Unavailable, what)
        .because(Error::new(Kind::Unavailable, text))
        .hint("the server's log says why; it may have been restarted or failed over")
}

/// Whether it was the TLS handshake that failed.
pub(super) fn is_tls(error: &tokio_postgres::Error) -> bool {
    find::<Error>(error).is_some() || no_tls(error)
}

fn no_tls(error: &tokio_postgres::Error) -> bool {
    cause_text(error).contains("server does not support TLS")
}

fn cause_text(error: &tokio_postgres::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

fn kind_of(code: &str) -> Kind {
    match code {
        "3D000" => Kind::NotFound,
        "42501" => Kind::Denied,
        "53300" => Kind::Unavailable,
        "57014" => Kind::Interrupted,
        _ if code.starts_with("28") => Kind::Denied,
        _ if code.starts_with("08") || code.starts_with("57P0") => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

/// Severity, code, message, detail and context in one line; no values of rows, which are sealed
/// wherever they are stored, and this goes into logs and messages.
fn db_text(said: &DbError) -> String {
    let code = said.code().code();
    // Data exceptions show the value in the message, broken constraints the row in the detail.
    let (is_data, is_constraint) = (code.starts_with("22"), code.starts_with("23"));
    let mut message = one_line(said.message()).into_owned();
    if is_data {
        message = without_value(&message);
    }
    let mut text = format!("{} {code}: {message}", said.severity());
    if let Some(detail) = said.detail().filter(|_| !is_data && !is_constraint) {
        text.push_str(&format!(" ({})", joined(detail)));
    }
    if let Some(place) = said.where_() {
        text.push_str(&format!(" [{}]", without_row(place)));
    }
    text
}

/// `invalid input syntax for type integer: "…"`, `value "…" is out of range for type integer`.
fn without_value(message: &str) -> String {
    if let Some((before, _)) = message.split_once(": \"") {
        return before.to_owned();
    }
    match message
        .split_once(" \"")
        .zip(message.rsplit_once("\" is out of range"))
    {
        Some(((before, _), (_, after))) => format!("{before} … is out of range{after}"),
        None => message.to_owned(),
    }
}

/// `JSON data, line 1: {…`, then `COPY t, line 1, column id: "…"`, which comes last: what follows it is
/// the value, if that has line breaks.
fn without_row(place: &str) -> String {
    let mut kept = Vec::new();
    for line in place.lines() {
        let shows_row = ["COPY ", "JSON data, "]
            .iter()
            .any(|it| line.starts_with(it));
        let before = line.split_once(": ").map(|(before, _)| before);
        kept.push(before.filter(|_| shows_row).unwrap_or(line));
        if line.starts_with("COPY ") {
            break;
        }
    }
    joined(&kept.join("\n"))
}

/// Detail and context have lines of the server's own.
fn joined(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| one_line(line.trim())).collect();
    lines.join("; ")
}

/// The server's own hint, else ours for what is met often.
fn hint_for(said: &DbError) -> Option<String> {
    if is_recovery_conflict(said) {
        return Some(ON_RECOVERY_CONFLICT.to_owned());
    }
    if let Some(hint) = said.hint() {
        return Some(one_line(hint).into_owned());
    }
    if said.message().contains("row-level security") {
        return Some(
            "its policies hide rows from this user: export as its owner without FORCE, or ALTER ROLE … BYPASSRLS"
                .to_owned(),
        );
    }
    let hint = match said.code().code() {
        "3D000" => "list the databases: psql -l",
        "28000" => "pg_hba.conf decides who may come from where, with or without TLS",
        "42501" => "grant the right to this user, or connect as one that has it",
        "53300" => match said.routine() {
            Some("InitializeSessionUserId") => ON_ROLE_LIMIT,
            Some("CheckMyDatabase") => ON_DATABASE_LIMIT,
            _ => "raise max_connections, or use fewer jobs",
        },
        "22021" | "22P05" => {
            "a name, comment or setting in this database has bytes that are no character of its \
                              encoding, or of none in UTF-8: find and rename it (rows may hold any bytes)"
        }
        "53100" => "the server's disk is full",
        "53200" => "raise max_locks_per_transaction",
        "55P03" => "another session holds the lock: pg_stat_activity and pg_locks tell which",
        "57P01" | "57P02" => "the server is going down, or an administrator ended the session",
        "57P03" => "the server is starting up or shutting down: try again",
        "40001" | "40P01" => "nothing was changed by this statement: try again",
        "26000" | "42P05" | "08P01" => POOLER,
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether a standby ended a statement or a session for its replay. Told by where the server says it, as its
/// words may be of any language; other serialization failures come from elsewhere in it.
fn is_recovery_conflict(said: &DbError) -> bool {
    said.code().code() == "40001" && said.file() == Some("postgres.c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_of_what_the_server_says() {
        for (said, shown) in [
            (
                "invalid input syntax for type integer: \"a\": \"b\"",
                "invalid input syntax for type integer",
            ),
            (
                "value \"99 \" is out\" is out of range for type integer",
                "value … is out of range for type integer",
            ),
            (
                "value too long for type character varying(3)",
                "value too long for type character varying(3)",
            ),
        ] {
            assert_eq!(without_value(said), shown);
        }
        for (said, shown) in [
            (
                "COPY t, line 7, column c: \"a: b\"",
                "COPY t, line 7, column c",
            ),
            ("COPY t, line 7: \"a\nCOPY b\"", "COPY t, line 7"),
            (
                "JSON data, line 1: {\"a\"\nCOPY t, line 7, column c: \"a\nb\"",
                "JSON data, line 1; COPY t, line 7, column c",
            ),
            (
                "PL/pgSQL function f() line 1: x",
                "PL/pgSQL function f() line 1: x",
            ),
        ] {
            assert_eq!(without_row(said), shown);
        }
    }
}
