//! Connection parameters as written: URLs and keyword/value strings.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::percent;

/// Keyword to value, keywords as libpq spells them.
pub(crate) type Params = BTreeMap<&'static str, String>;

/// The keywords we understand, and the variable that gives each one's default.
pub(super) const KEYWORDS: &[(&str, Option<&str>)] = &[
    ("application_name", Some("PGAPPNAME")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("dbname", Some("PGDATABASE")),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("passfile", Some("PGPASSFILE")),
    ("password", Some("PGPASSWORD")),
    ("port", Some("PGPORT")),
    ("service", Some("PGSERVICE")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("user", Some("PGUSER")),
];

/// Reads a URL or a keyword/value string. No message repeats the text: it may hold a password.
pub(super) fn parse(text: &str) -> Result<Params> {
    if text.contains("://") {
        parse_url(text)
    } else {
        parse_keywords(text)
    }
}

/// Adds one parameter; an unknown one is an error that names the nearest known one.
pub(super) fn put(params: &mut Params, key: &str, value: String) -> Result<()> {
    // As libpq: what JDBC writes for sslmode=require.
    let (key, value) = match (key, value.as_str()) {
        ("ssl", "true") => ("sslmode", "require".to_owned()),
        _ => (key, value),
    };
    let Some((known, _)) = KEYWORDS.iter().find(|(known, _)| *known == key) else {
        let nearest = KEYWORDS
            .iter()
            .map(|(known, _)| *known)
            .max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)))
            .unwrap_or("host");
        return Err(
            Error::usage(format!("unknown connection parameter {key:?}"))
                .hint(format!("the nearest known one is {nearest:?}")),
        );
    };
    params.insert(known, value);
    Ok(())
}

/// Reads a URL. No message repeats it: it may hold a password.
pub(crate) fn parse_url(url: &str) -> Result<Params> {
    let mut params = Params::new();
    let rest = url
        .strip_prefix("postgresql://")
        .or_else(|| url.strip_prefix("postgres://"))
        .ok_or_else(|| {
            Error::usage("not a PostgreSQL URL: it does not begin with postgresql://")
                .hint("write postgresql://user@host:port/database")
        })?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = match authority.rsplit_once('@') {
        Some((login, host)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            put_encoded(&mut params, "user", user)?;
            put_encoded(&mut params, "password", password)?;
            host
        }
        None => authority,
    };
    if host.contains(',') {
        return Err(several_hosts());
    }
    let (host, port) = split_port(host)?;
    put_encoded(&mut params, "host", host)?;
    put_encoded(&mut params, "port", port)?;
    put_encoded(&mut params, "dbname", database)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Error::usage(
                "a parameter of the database URL has no value: write key=value after the \"?\"",
            ));
        };
        put(&mut params, &decode(key)?, decode(value)?)?;
    }
    Ok(params)
}

/// An empty component of a URL is one that is not given.
fn put_encoded(params: &mut Params, key: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    put(params, key, decode(value)?)
}

fn split_port(host: &str) -> Result<(&str, &str)> {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err(Error::usage(
                "the database URL has a \"[\" without its \"]\" around the IPv6 address",
            ));
        };
        return match after.strip_prefix(':') {
            Some(port) => Ok((address, port)),
            None if after.is_empty() => Ok((address, "")),
            None => Err(Error::usage(
                "the database URL has something other than \":port\" after its IPv6 address",
            )),
        };
    }
    Ok(host.split_once(':').unwrap_or((host, "")))
}

/// What several hosts in one address are answered with.
pub(super) fn several_hosts() -> Error {
    Error::usage("the database address names several hosts")
        .hint("name one host: every session of a run must meet the same server")
}

/// Percent-decoding as libpq does it: `+` stays a plus sign, a NUL is refused.
fn decode(text: &str) -> Result<String> {
    let unsound = || {
        Error::usage("the database URL has a \"%\" that is not followed by two hex digits")
            .hint("write %25 for a percent sign, %40 for @, %2F for /, %3A for :")
    };
    let bytes = percent::decode_bytes(text).ok_or_else(unsound)?;
    if bytes.contains(&0) {
        return Err(Error::usage("the database URL holds a %00"));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::usage("the database URL holds bytes that are not UTF-8"))
}

/// `key = value` pairs, values plain or in single quotes, `\` escaping the next character.
fn parse_keywords(text: &str) -> Result<Params> {
    let mut params = Params::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else {
            return Err(Error::usage(
                "the database address is neither a postgresql:// URL nor key=value pairs",
            )
            .hint("write postgresql://user@host:port/database"));
        };
        let key = key.trim_end();
        if key.contains(char::is_whitespace) {
            return Err(
                Error::usage("a word in the database address has no \"=\" and no value")
                    .hint("put values with spaces into single quotes: password='two words'"),
            );
        }
        let (value, after) = keyword_value(after.trim_start())?;
        put(&mut params, key, value)?;
        rest = after.trim_start();
    }
    Ok(params)
}

fn keyword_value(text: &str) -> Result<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(Error::usage(
            "the database address has a single quote that is not closed",
        ));
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign;

    #[test]
    fn foreign_addresses_are_refused_or_read_again_as_written() {
        foreign::each_text("conninfo", |text| {
            let Ok(params) = parse(text) else { return };
            let quoted = |value: &str| value.replace('\\', r"\\").replace('\'', r"\'");
            let pairs = params
                .iter()
                .map(|(key, value)| format!("{key}='{}'", quoted(value)));
            let written = pairs.collect::<Vec<_>>().join(" ");
            // What holds this is read as a URL.
            if !written.contains("://") {
                assert_eq!(parse(&written).unwrap(), params, "{written}");
            }
        });
    }

    #[test]
    fn no_refusal_repeats_a_password() {
        let secret = "geheim";
        foreign::each_text("conninfo", |text| {
            for text in [
                text.replace("password=", "password=geheim"),
                text.replacen("://", "://u:geheim@", 1),
            ] {
                if let Err(error) = parse(&text) {
                    let told = format!("{} {}", error.chain(), error.advice());
                    assert!(
                        !told.contains(secret) || text.matches(secret).count() > 1,
                        "{told}"
                    );
                }
            }
        });
    }
}
